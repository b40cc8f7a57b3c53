"""The inverse of a diagonal plus low rank, beside the full inverse."""

import pytest
import torch

from syntrans_training.modules.solvers.low_rank import invert


@pytest.mark.parametrize("rank", [1, 4, 9])
def test_it_is_the_inverse_of_the_full_matrix(rank: int) -> None:
    generator = torch.Generator().manual_seed(0)
    diagonal = torch.rand(6, generator=generator, dtype=torch.float64) + 0.1
    rows, x = (torch.randn(n, 6, generator=generator, dtype=torch.float64) for n in (rank, 5))
    full = torch.linalg.inv(torch.diag(diagonal) + 0.7 * rows.T @ rows)
    inverse = invert(diagonal, rows, 0.7)
    assert torch.allclose(inverse.solve(x), x @ full, atol=1e-9)
