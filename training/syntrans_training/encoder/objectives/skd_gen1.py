"""SKD generation 1: a student that starts as generation 0, keeps its soft labels, and agrees with itself upside down.

Rajasegaran et al. (arXiv 2006.09785). Derived: the student sees the pictures upright and turned by 180 degrees,
which is all that the loss reads; the authors' code also sends the other two orientations through it, which only moves
the BatchNorm statistics.
"""

import copy

import torch
from jaxtyping import Int
from torch import Tensor, nn

from syntrans_training.backbones import Encoder, place
from syntrans_training.data.augment import Pictures
from syntrans_training.losses.self_distillation import gen1_loss


class SKDGen1:
    """Generation 1 of Rajasegaran et al., "Self-supervised Knowledge Distillation for Few-shot Learning".

    https://arxiv.org/abs/2006.09785 (2020), docs/method.md (11). Student and frozen teacher, both from generation 0's
    encoder and class head; b pictures cost 2b and b forwards. `temperature` divides logits, `gamma` weighs the twins'
    loss.

    The teacher is no part of `module`: nothing trains, saves or switches it out of evaluation mode.
    """

    def __init__(
        self, encoder: Encoder, head: nn.Linear, pictures: Pictures, *, temperature: float = 2.0, gamma: float = 0.1
    ) -> None:
        self.pictures, self.n_items = pictures, len(pictures)
        self.temperature, self.gamma = temperature, gamma
        self.encoder, self.head = encoder, head
        self.module: nn.Module = place(nn.ModuleDict({"encoder": encoder, "head": head}), pictures.device)
        self.teacher = copy.deepcopy(nn.Sequential(encoder, head)).requires_grad_(requires_grad=False).eval()

    def losses(self, items: Int[Tensor, " b"], generator: torch.Generator) -> dict[str, Tensor]:
        """Distillation and twin loss of random views of the pictures numbered `items`."""
        views, _ = self.pictures.batch(items, generator)
        with torch.no_grad():
            teacher = self.teacher(views)
        logits = self.head(self.encoder(torch.cat([views, torch.rot90(views, 2, (2, 3))]))).float()
        student, twin = logits.chunk(2)
        return gen1_loss(
            student=student, twin=twin, teacher=teacher.float(), temperature=self.temperature, gamma=self.gamma
        )
