"""Visual and semantic weights, fused."""

import pytest
import torch
import torch.nn.functional as F

from syntrans_training.modules.fusion import fuse, fused_cosine


def pairs(c=9, k=14, d=6, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(c, k, generator=generator), torch.randn(c, d, generator=generator)


@pytest.mark.parametrize("alpha", [0.0, 0.3, 0.7, 1.0])
def test_cosines_from_inner_products_equal_cosines_with_the_fused_weights(alpha: float) -> None:
    generator = torch.Generator().manual_seed(1)
    q, p, s = (F.normalize(torch.randn(4, n, 8, generator=generator), dim=-1) for n in (7, 5, 5))
    naive = q @ fuse(p, s, alpha=alpha).mT
    assert torch.allclose(fused_cosine(q @ p.mT, q @ s.mT, (p * s).sum(-1), alpha=alpha), naive, atol=1e-6)


def test_alpha_0_is_visual_and_alpha_1_is_semantic() -> None:
    p, s = pairs(d=14)
    assert torch.allclose(fuse(s, p, alpha=0.0), F.normalize(s, dim=-1))
    assert torch.allclose(fuse(s, p, alpha=1.0), F.normalize(p, dim=-1))
