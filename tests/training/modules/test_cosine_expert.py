import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from syntrans_training.modules.cosine_expert import PULL, cosine_expert
from syntrans_training.modules.fusion import TaskFusion
from syntrans_training.modules.shared_space import Metric, shrink
from syntrans_training.modules.vsbird import VSBird

E, N, K, D = 40, 5, 1, 16


def space(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """A transform [D, D] and base class means [30, D] in the space that it leads to."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(D, D, generator=generator) + 4 * torch.eye(D), torch.randn(30, D, generator=generator)


@given(st.integers(0, 100), st.sampled_from([1, 5]), st.floats(0, 2))
def test_the_score_of_a_picture_of_the_usual_length_is_the_cosine_in_the_rounder_metric(
    seed: int, shots: int, believed: float
) -> None:
    transform, base = space(seed)
    expert, generator = cosine_expert(transform, base), torch.Generator().manual_seed(seed)
    scatter = torch.linalg.inv(transform.T @ transform)
    whiten = torch.linalg.inv(torch.linalg.cholesky(shrink(scatter, PULL)))
    visual, semantic, query = (torch.randn(1, n, D, generator=generator) for n in (N, N, 7))
    in_it = [F.normalize(phi @ whiten.T, dim=-1) for phi in (visual, semantic, query)]
    expected = in_it[2] @ F.normalize(in_it[0] + believed / shots * in_it[1], dim=-1).mT
    told = torch.tensor(believed).view(1, 1, 1)
    weights = expert.weights(visual @ transform.T, semantic @ transform.T, shots=shots, believed=told)
    usual = expert.length * F.normalize(query @ whiten.T, dim=-1) @ torch.linalg.inv(whiten).T
    assert torch.allclose(usual @ transform.T @ weights.mT, expected, atol=2e-3)


def test_the_usual_length_is_that_of_base_pictures() -> None:
    transform, base = space(3)
    expert = cosine_expert(transform, base)
    pictures = base[torch.arange(30).repeat(2000)] + torch.randn(60_000, D, generator=torch.Generator().manual_seed(1))
    assert torch.isclose(expert.length, (pictures @ expert.rounded.T).square().sum(1).mean().sqrt(), rtol=0.02)


def test_cosines_tell_classes_apart_along_a_direction_that_the_metric_holds_down() -> None:
    # Pictures of a base class scatter by 10 along the first half of the directions; here only the classes do.
    transform = torch.diag(torch.cat([torch.full((D // 2,), 0.1), torch.full((D // 2,), 2.0)]))
    generator = torch.Generator().manual_seed(0)
    head = VSBird(
        Metric(transform, torch.ones(D)), torch.randn(30, D, generator=generator) / 4,
        torch.randn(30, 8, generator=generator), generator=False, residual=False, gate=False,
    ).eval()  # fmt: skip
    memory = head.build_memory()
    means = torch.cat([10 * torch.randn(E, N, D // 2, generator=generator), torch.zeros(E, N, D // 2)], 2)
    support, query = (means + 1.5 * torch.randn(E, N, D, generator=generator) for _ in range(2))
    with torch.no_grad():
        weights = head.both_weights(memory.project(support), torch.zeros(E, N, D), memory, shots=K)
        right = []
        for cosine in (0.0, 10.0):
            weight, bias = head.classify(weights, shots=K, alpha=0.5, of_task=TaskFusion(cosine=cosine))
            scores = memory.project(query) @ weight.mT + bias.unsqueeze(1)
            right.append((scores.argmax(-1) == torch.arange(N)).float().mean())
    assert right[1] > right[0] + 0.2
