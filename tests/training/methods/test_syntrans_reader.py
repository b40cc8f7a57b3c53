"""What a bridge makes of supports, read from single pictures."""

import pytest
import torch

from syntrans_training.methods.syntrans import BridgeReader
from syntrans_training.modules.shared_space import Metric
from syntrans_training.modules.vsbird import VSBird

D, S = 6, 4
CLASSES = torch.zeros(24, dtype=torch.long)


def rand(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def trained(*, generator: bool = True, residual: bool = True) -> VSBird:
    """A head with no parameter where training begins."""
    metric = Metric(rand(D, D, seed=0), 0.5 + rand(D, seed=1).abs())
    head = VSBird(metric, rand(8, D, seed=2), rand(8, S, seed=3), generator=generator, residual=residual)
    head.requires_grad_(requires_grad=False)
    for i, parameter in enumerate(head.parameters()):
        parameter.add_(0.3 * rand(*parameter.shape, seed=10 + i))
    return head.eval()


def visual(head: VSBird) -> tuple[torch.Tensor, torch.Tensor]:
    """By the reader and by the head itself."""
    memory, supports = head.build_memory(), rand(2, 3, 4, D, seed=4)
    reader = BridgeReader(head, memory)
    rows = reader.of_pictures(supports.flatten(0, 2), CLASSES).view(2, 3, 4, -1)
    return reader.of_mean(rows.mean(2), 4).visual, head.visual_weights(supports.mean(2), memory)


@pytest.mark.parametrize("generator", [True, False])
@pytest.mark.parametrize("residual", [True, False])
def test_visual_weights_are_those_of_the_head(*, generator: bool, residual: bool) -> None:
    torch.testing.assert_close(*visual(trained(generator=generator, residual=residual)), atol=1e-5, rtol=1e-4)


def test_a_generator_that_recalls_nothing_scales_the_mean() -> None:
    head = trained()
    assert head.generator is not None
    head.generator.recall_scale.zero_()
    torch.testing.assert_close(*visual(head))


def test_readers_are_equal_where_they_have_one_memory() -> None:
    head = trained()
    one, other = head.build_memory(), head.build_memory()
    assert len({BridgeReader(head, one), BridgeReader(head, one), BridgeReader(head, other)}) == 2
