"""An image tower in parts gives what it gives as a whole."""

import numpy as np
import pytest
import torch

from syntrans_training.imagination import clip_space
from syntrans_training.imagination.clip_space import open_clip_space

CLIP = "package:syntrans_world/weights/clip"


@pytest.fixture
def shown() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (3, 64, 64, 3), np.uint8)


def test_a_resnet_without_its_last_block_and_that_block_are_the_whole(shown: np.ndarray) -> None:
    whole, parts = (open_clip_space(CLIP, torch.device("cpu"), last_block=apart) for apart in (False, True))
    before = parts.before_projection(shown)
    assert before.ndim == 4
    assert whole.before_projection(shown).ndim == 2
    torch.testing.assert_close(parts.project(before), whole.project(whole.before_projection(shown)))


def test_so_are_those_of_a_vision_transformer() -> None:
    open_clip = pytest.importorskip("open_clip")
    torch.manual_seed(0)
    tower = open_clip.transformer.VisionTransformer(
        image_size=8, patch_size=4, width=8, layers=2, heads=2, mlp_ratio=2, output_dim=6
    ).eval()
    pictures = torch.randn(2, 3, 8, 8)
    tower.proj = None
    whole = tower(pictures)
    trunk, block = clip_space._without_last_block("x", tower)
    assert trunk(pictures).shape == (2, 5, 8)
    torch.testing.assert_close(block(trunk(pictures)), whole)
