"""What every method keeps to: the order of classes, easy classes, one episode beside others."""

from collections.abc import Callable

import pytest
import torch
from drawn_episodes import CENTRES, TEXT, D, E, S, draw, generator, module

from syntrans_training.methods import (
    AM3,
    AttentionWeights,
    CosineClassifier,
    Euclidean,
    KnowledgeTransfer,
    RidgeRegression,
    SemanticAlignment,
    SimpleShot,
    TipAdapter,
    accuracy,
)
from syntrans_training.methods.base import Method
from syntrans_training.methods.semalign import Reconstruction
from syntrans_training.modules.am3_gate import AM3Gate
from syntrans_training.modules.semalign import SemAlign

METHODS: dict[str, Callable[[], Method]] = {
    "euclidean": Euclidean,
    "simpleshot": lambda: SimpleShot(torch.full((D,), 0.1)),
    "ridge": lambda: RidgeRegression(lam=0.5),
    "cosine": lambda: CosineClassifier(steps=5),
    "attention": lambda: AttentionWeights(generator()),
    "fsktn": lambda: KnowledgeTransfer(CENTRES),
    "am3": lambda: AM3(module(AM3Gate, S, D, hidden=8), TEXT),
    "semalign": lambda: SemanticAlignment(Reconstruction(module(SemAlign, S, D, hidden=8), TEXT), k=0.9),
    "tip": lambda: TipAdapter(CENTRES, alpha=50.0, beta=3.0),
    "tip_f": lambda: TipAdapter(CENTRES, alpha=50.0, beta=3.0, steps=5),
}


@pytest.mark.parametrize("name", METHODS)
def test_permuting_the_classes_permutes_the_scores(name) -> None:
    support, query, classes = draw(1.0)
    order = torch.tensor([3, 0, 4, 1, 2])
    scores = METHODS[name]().scores(support, query, classes)
    permuted = METHODS[name]().scores(support[:, order], query, classes[:, order])
    assert torch.allclose(permuted, scores[..., order], atol=2e-4, rtol=1e-4)


@pytest.mark.parametrize("name", METHODS)
def test_classes_that_lie_apart_are_told_apart(name) -> None:
    assert accuracy(METHODS[name]().scores(*draw(0.15, episodes=20))).mean() > 0.9


@pytest.mark.parametrize("name", METHODS)
def test_an_episode_is_answered_alike_alone_and_among_others(name) -> None:
    task = draw(1.0)
    together = METHODS[name]().scores(*task)
    with torch.inference_mode():
        alone = torch.cat([METHODS[name]().scores(*(x[i : i + 1] for x in task)) for i in range(E)])
    assert torch.allclose(together, alone, atol=2e-4, rtol=1e-4)


def test_accuracy_counts_queries_in_the_order_of_their_classes() -> None:
    scores = torch.zeros(1, 4, 2)
    scores[0, :, 0] = torch.tensor([1.0, 1.0, 1.0, -1.0])  # two queries of class 0, then two of class 1
    assert accuracy(scores).tolist() == [0.75]
