"""Evidence fusion where alpha of val stands, beside the classifiers of the head itself."""

import pytest
import torch

from syntrans_training.modules.evidence_of_val import EvidenceOfVal
from syntrans_training.modules.shared_space import Metric
from syntrans_training.modules.vsbird import VSBird

D, S, C = 6, 4, 7
CLASSES = torch.tensor([[2, 0, 5], [6, 1, 2]])


def rand(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("gate", [True, False])
@pytest.mark.parametrize(("alpha", "shots"), [(0.0, 1), (0.3, 5), (0.5, 1), (0.8, 5), (1.0, 1)])
def test_they_are_those_of_the_head(alpha: float, shots: int, *, gate: bool) -> None:
    head = VSBird(
        Metric(rand(D, D, seed=0), 0.5 + rand(D, seed=1).abs()), rand(8, D, seed=2), rand(8, S, seed=3), gate=gate
    )
    with torch.no_grad():
        head.log_scale.fill_(0.7)
        memory, mean = head.build_memory(), rand(2, 3, D, seed=4)
        semantic = head.semantic_weights(rand(C, S, seed=5), memory)
        visual = head.visual_weights(mean, memory)
        ours = EvidenceOfVal(head, memory, semantic, alpha=alpha, shots=shots)(mean, visual, CLASSES)
        expected = head.classify(
            head.both_weights(mean, semantic[CLASSES], memory, shots=shots), shots=shots, alpha=alpha
        )
    for direct, of_head in zip(ours, expected, strict=True):
        torch.testing.assert_close(direct, of_head, atol=1e-5, rtol=1e-4)
