"""ResNet-12, the encoder of the few-shot literature, and a narrow variant for CPUs.

Four residual blocks; each is three conv3x3-BatchNorm with LeakyReLU(0.1), a 1x1 conv-BatchNorm shortcut and a
MaxPool(2). Widths 64-160-320-640 and global average pooling give 640-d features, as in
Rajasegaran et al., "Self-supervised Knowledge Distillation for Few-shot Learning" (arXiv 2006.09785).
Dropout follows the same source: plain dropout after blocks 1-2, DropBlock after blocks 3-4.
Derived: the narrow widths (an eighth of the arithmetic) and `drop_rate=0` as the default.
"""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn

from syntrans_training.backbones.dropblock import DropBlock

WIDTHS = (64, 160, 320, 640)
NARROW_WIDTHS = (32, 64, 128, 256)
TINY_WIDTHS = (16, 32, 64, 128)


class ResidualBlock(nn.Module):
    """One block `[B, c_in, H, W] -> [B, c_out, H // 2, W // 2]`, with a shortcut.

    He et al., "Deep Residual Learning for Image Recognition" (CVPR 2016), https://arxiv.org/abs/1512.03385.
    """

    def __init__(self, c_in: int, c_out: int, dropout: nn.Module) -> None:
        super().__init__()
        convs: list[nn.Module] = []
        for i, width in enumerate((c_in, c_out, c_out)):
            convs += [nn.Conv2d(width, c_out, 3, padding=1, bias=False), nn.BatchNorm2d(c_out)]
            if i < 2:
                convs.append(nn.LeakyReLU(0.1, inplace=True))
        self.body = nn.Sequential(*convs)
        self.shortcut = nn.Sequential(nn.Conv2d(c_in, c_out, 1, bias=False), nn.BatchNorm2d(c_out))
        self.activation = nn.LeakyReLU(0.1, inplace=True)
        self.pool = nn.MaxPool2d(2)
        self.dropout = dropout

    def forward(self, x: Float[Tensor, "b c_in h w"]) -> Float[Tensor, "b c_out h2 w2"]:
        """Body plus shortcut, halved."""
        # LeakyReLU is monotone, so pooling first gives the same values at a quarter of the activation's cost.
        halved: Tensor = self.dropout(self.activation(self.pool(self.body(x) + self.shortcut(x))))
        return halved


class ResNet12(nn.Module):
    """Rajasegaran et al., "Self-supervised Knowledge Distillation for Few-shot Learning" (2020).

    https://arxiv.org/abs/2006.09785, whose encoder this is. Images `[B, 3, H, W]` (normalised floats, H and W at least
    16) to features `[B, widths[-1]]`.

    Args:
        widths: channels of the four blocks; `ValueError` for another number of them.
        drop_rate: 0 switches every dropout off; the published value is 0.1.
        block_size: side of DropBlock's squares (published: 5 at 84 px, 2 at 32 px).
        drop_ramp_steps: training steps over which DropBlock reaches `drop_rate` (published: 40,000).
    """

    def __init__(
        self,
        widths: Sequence[int] = WIDTHS,
        *,
        drop_rate: float = 0.0,
        block_size: int = 5,
        drop_ramp_steps: int = 40_000,
    ) -> None:
        super().__init__()
        if len(widths) != 4:
            raise ValueError(f"ResNet-12 has four blocks, so `widths` needs four numbers, got {tuple(widths)}")
        self.feature_dim = widths[-1]
        blocks: list[nn.Module] = []
        for i, (c_in, c_out) in enumerate(zip((3, *widths[:-1]), widths, strict=True)):
            dropout: nn.Module = nn.Identity()
            if drop_rate > 0:
                dropout = nn.Dropout(drop_rate) if i < 2 else DropBlock(drop_rate, block_size, drop_ramp_steps)
            blocks.append(ResidualBlock(c_in, c_out, dropout))
        self.blocks = nn.Sequential(*blocks)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, a=0.1, mode="fan_out", nonlinearity="leaky_relu")

    def forward(self, x: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b d"]:
        """Global average of the last block."""
        features: Tensor = self.blocks(x).mean(dim=(2, 3))
        return features
