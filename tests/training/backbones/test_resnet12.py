import itertools
from typing import Any

import pytest
import torch
from jaxtyping import TypeCheckError

from syntrans_training import backbones
from syntrans_training.backbones.dropblock import DropBlock
from syntrans_training.backbones.resnet12 import ResNet12


@pytest.mark.parametrize(("name", "dim"), [("resnet12", 640), ("resnet12-narrow", 256), ("resnet12-tiny", 128)])
def test_images_become_features(name: str, dim: int) -> None:
    encoder = backbones.build(name).eval()
    assert encoder.feature_dim == dim
    assert encoder(torch.zeros(2, 3, 32, 32)).shape == (2, dim)


def test_the_full_net_has_three_convolutions_and_a_shortcut_per_block() -> None:
    widths = [3, 64, 160, 320, 640]
    pairs = itertools.pairwise(widths)
    expected = sum(9 * a * b + 18 * b * b + a * b + 8 * b for a, b in pairs)  # 8b: scale and shift of 4 BatchNorms
    assert sum(p.numel() for p in backbones.build("resnet12").parameters()) == expected


def test_pooling_before_the_activation_changes_nothing() -> None:
    block: Any = ResNet12((4, 4, 4, 4)).blocks[0].eval()
    x = torch.randn(2, 3, 8, 8)
    published = block.pool(block.activation(block.body(x) + block.shortcut(x)))
    assert torch.equal(block(x), published)


def test_one_channel_images_are_refused_by_shape() -> None:
    with pytest.raises(TypeCheckError):
        backbones.build("resnet12-tiny")(torch.zeros(2, 1, 32, 32))


def test_conv4_gives_the_flattened_map() -> None:
    encoder = backbones.build("conv4", size=84).eval()
    assert encoder.feature_dim == 1600
    assert encoder(torch.zeros(2, 3, 84, 84)).shape == (2, 1600)


def test_an_encoder_carries_its_normalisation() -> None:
    encoder = backbones.build("resnet12-tiny", mean=(0.5, 0.4, 0.3), std=(0.1, 0.2, 0.3)).eval()
    x = torch.rand(1, 3, 16, 16)
    by_hand = (x - torch.tensor([0.5, 0.4, 0.3]).view(1, 3, 1, 1)) / torch.tensor([0.1, 0.2, 0.3]).view(1, 3, 1, 1)
    assert torch.allclose(encoder(x), encoder.tower(by_hand), atol=1e-4)
    assert {"mean", "std"} < encoder.state_dict().keys()


def test_an_unknown_backbone_lists_the_known() -> None:
    with pytest.raises(ValueError, match="resnet12-narrow"):
        backbones.build("resnet50")


def test_dropblock_is_the_identity_in_evaluation() -> None:
    x = torch.randn(2, 3, 8, 8)
    assert torch.equal(DropBlock(0.5).eval()(x), x)


def test_dropblock_drops_whole_squares_at_about_its_rate() -> None:
    torch.manual_seed(0)
    drop = DropBlock(0.2, block_size=3, ramp_steps=1).train()
    dropped = drop(torch.ones(64, 4, 12, 12)) == 0
    assert 0.12 < dropped.float().mean() < 0.25  # overlapping squares drop a little less than the rate
    seed = dropped.nonzero()[0]
    assert dropped[seed[0], seed[1]].sum() >= 9


def test_dropblock_ramps_up() -> None:
    drop = DropBlock(0.5, block_size=1, ramp_steps=1000).train()
    assert (drop(torch.ones(8, 4, 12, 12)) == 0).float().mean() < 0.05
