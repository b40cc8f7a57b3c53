import itertools

import pytest
import torch
import torch.nn.functional as F

from syntrans_training.baselines.losses import alignment_loss, attention_loss, gate_loss
from syntrans_training.engine.head_trainer import fit_head
from syntrans_training.episodes.base_class_tasks import PseudoNovelSampler
from syntrans_training.methods import AM3, AttentionWeights, Prototype, SemanticAlignment, accuracy
from syntrans_training.methods.semalign import Reconstruction
from syntrans_training.modules.am3_gate import AM3Gate
from syntrans_training.modules.attention import AttentionGenerator
from syntrans_training.modules.semalign import SemAlign
from syntrans_training.modules.whiten import class_means

C, M, D, S = 20, 12, 12, 6


@pytest.fixture(scope="module")
def base():
    """Unit features around class centres that are a linear map of the classes' texts, and the texts."""
    generator = torch.Generator().manual_seed(0)
    text = torch.randn(C, S, generator=generator)
    centres = text @ torch.randn(S, D, generator=generator)
    labels = torch.arange(C).repeat_interleave(M)
    features = F.normalize(centres[labels] + 3.0 * torch.randn(C * M, D, generator=generator), dim=-1)
    return features, labels, F.normalize(text, dim=-1)


def tasks(base, **changes):
    return PseudoNovelSampler(*base[:2], **{"ways": 5, "shots": 2, "queries": 4, "batch": 8, "seed": 0, **changes})


def test_a_batch_is_the_same_whenever_it_is_drawn(base) -> None:
    one, again, other = tasks(base).draw(3), tasks(base).draw(3), tasks(base).draw(4)
    assert torch.equal(one.support, again.support)
    assert torch.equal(one.classes, again.classes)
    assert not torch.equal(one.classes, other.classes)


def test_supports_and_queries_are_of_their_classes_and_share_no_picture(base) -> None:
    labels = base[1]
    numbered = torch.cat([torch.arange(len(labels))[:, None], labels[:, None]], 1).float()
    batch = PseudoNovelSampler(numbered, labels, ways=5, shots=2, queries=4, batch=8, seed=0).draw(1)
    query = batch.query.unflatten(1, (5, 4))
    assert (batch.support[..., 1] == batch.classes[..., None]).all()
    assert (query[..., 1] == batch.classes[..., None]).all()
    for e in range(8):
        taken = torch.cat([batch.support[e, ..., 0].flatten(), query[e, ..., 0].flatten()])
        assert len(taken.unique()) == len(taken)


def test_the_other_queries_are_of_classes_left_in_memory(base) -> None:
    batch = tasks(base).draw(1)
    assert not (batch.other_classes[:, :, None] == batch.classes[:, None, :]).any()


def test_a_class_with_too_few_images_is_said(base) -> None:
    with pytest.raises(ValueError, match="12 images"):
        tasks(base, shots=12)


def test_the_weights_of_the_best_look_are_kept() -> None:
    module = torch.nn.Linear(1, 1)
    seen = []

    def validate():
        seen.append(module.weight.item())
        return [0.1, 0.2, 0.9, 0.5][len(seen) - 1]

    best = fit_head(module, lambda _: module(torch.ones(1, 1)).sum(), steps=6, lr=0.1, val_checks=3, validate=validate)
    assert best == (4, 0.9)
    assert module.weight.item() == seen[2]


def later():
    """A val accuracy that always rises, so that the last weights are kept."""
    return itertools.count(0.0).__next__


def test_a_head_that_training_makes_worse_stays_as_it_began() -> None:
    module = torch.nn.Linear(1, 1)
    before = module.weight.item()
    best = fit_head(
        module, lambda _: module(torch.ones(1, 1)).sum(), steps=4, lr=0.1, val_checks=2, validate=lambda: 0.5
    )
    assert best == (0, 0.5)
    assert module.weight.item() == before


def scored(method, batch):
    return accuracy(method.scores(batch.support, batch.query, batch.classes)).mean().item()


def test_the_generator_learns_on_fake_novel_classes(base) -> None:
    features, labels, _ = base
    torch.manual_seed(0)
    net = AttentionGenerator(class_means(features, labels))
    draws = tasks(base)
    before = attention_loss(net, draws.draw(0)).item()
    fit_head(net, lambda i: attention_loss(net, draws.draw(i)), steps=60, lr=1e-2, val_checks=1, validate=later())
    assert attention_loss(net, draws.draw(0)).item() < before
    assert scored(AttentionWeights(net), draws.draw(1000)) > 0.4  # chance is 0.2


def test_the_gate_learns_what_the_text_says(base) -> None:
    torch.manual_seed(0)
    gate, draws = AM3Gate(S, D, hidden=32), tasks(base, shots=1)
    fit_head(
        gate, lambda i: gate_loss(gate, draws.draw(i), base[2]), steps=150, lr=1e-2, val_checks=1, validate=later()
    )
    batch = draws.draw(1000)
    assert scored(AM3(gate, base[2]), batch) > scored(Prototype(), batch) + 0.1


def test_semalign_learns_the_centres(base) -> None:
    features, labels, text = base
    torch.manual_seed(0)
    net, centres = SemAlign(S, D, hidden=64), class_means(features, labels)
    fit_head(
        net,
        lambda _: alignment_loss(net, features, labels, text, centres),
        steps=80,
        lr=1e-2,
        val_checks=1,
        validate=later(),
    )
    batch = tasks(base, shots=1).draw(1000)
    assert scored(SemanticAlignment(Reconstruction(net, text), k=0.5), batch) > scored(Prototype(), batch) + 0.1
