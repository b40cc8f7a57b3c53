"""The losses of trained baselines are those that are written down for one task at a time."""

import pytest
import torch
import torch.nn.functional as F

from syntrans_training.baselines.losses import alignment_loss, attention_loss, gate_loss
from syntrans_training.episodes.base_class_tasks import PseudoNovelTasks
from syntrans_training.modules.am3_gate import AM3Gate
from syntrans_training.modules.attention import AttentionGenerator
from syntrans_training.modules.semalign import SemAlign

E, N, K, Q, D, S, C = 2, 3, 2, 2, 5, 4, 8


def rows(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def batch() -> PseudoNovelTasks:
    """Two tasks of three base classes, with queries of the others."""
    classes = torch.tensor([[0, 3, 5], [7, 1, 2]])
    others = torch.tensor([[1, 2, 4, 6], [0, 3, 4, 5]])
    return PseudoNovelTasks(rows(E, N, K, D, seed=0), rows(E, N * Q, D, seed=1), classes, rows(E, 4, D, seed=2), others)


def test_attention_knows_novel_classes_and_the_base_classes_left(batch: PseudoNovelTasks) -> None:
    torch.manual_seed(0)
    generator, losses = AttentionGenerator(rows(C, D, seed=3)), []
    for e in range(E):
        held_out = torch.zeros(C, dtype=torch.bool)
        held_out[batch.classes[e]] = True
        novel = generator(batch.support[e : e + 1], held_out.unsqueeze(0))
        left = generator.base[~held_out].unsqueeze(0)
        query = torch.cat([batch.query[e], batch.others[e]]).unsqueeze(0)
        logits = generator.logits(query, torch.cat([novel, left], 1)).squeeze(0)
        number_of = {int(c): N + i for i, c in enumerate(torch.arange(C)[~held_out])}
        own = [n for n in range(N) for _ in range(Q)] + [number_of[int(c)] for c in batch.other_classes[e]]
        losses.append(F.cross_entropy(logits, torch.tensor(own)))
    assert attention_loss(generator, batch).item() == pytest.approx(torch.stack(losses).mean().item(), rel=1e-5)


def test_the_gates_loss_is_that_of_distances_to_mixed_prototypes(batch: PseudoNovelTasks) -> None:
    torch.manual_seed(0)
    gate, text, losses = AM3Gate(S, D, hidden=6).eval(), rows(C, S, seed=4), []
    for e in range(E):
        prototypes = F.normalize(F.normalize(batch.support[e], dim=-1).mean(1), dim=-1)
        mixed = gate(prototypes.unsqueeze(0), text[batch.classes[e]].unsqueeze(0)).squeeze(0)
        distances = (batch.query[e].unsqueeze(1) - mixed).square().sum(-1)
        losses.append(F.cross_entropy(-gate.scale * distances, torch.arange(N).repeat_interleave(Q)))
    assert gate_loss(gate, batch, text).item() == pytest.approx(torch.stack(losses).mean().item(), rel=1e-4)


def test_alignment_is_the_mean_distance_of_each_number_to_the_centre() -> None:
    torch.manual_seed(0)
    network, features, labels = SemAlign(S, D, hidden=6), rows(6, D, seed=5), torch.tensor([0, 1, 1, 2, 7, 0])
    text, centres = rows(C, S, seed=6), rows(C, D, seed=7)
    distances = (network(text[labels], features) - centres[labels]).abs()
    assert alignment_loss(network, features, labels, text, centres).item() == pytest.approx(distances.mean().item())
