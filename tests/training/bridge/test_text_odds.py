"""How surely a task tells whether its texts are right: learned on val, kept with the heads, and used at home alone."""

from pathlib import Path
from typing import Any

import pytest
import torch

from syntrans_training.bridge.alpha_curve import alpha_curve
from syntrans_training.bridge.text_odds import WRONG, _least_lost, _measure, _Tasks, learn_text_odds
from syntrans_training.bridge.trained_bridges import read_bridges
from syntrans_training.encoder.features import Features
from syntrans_training.engine import checkpoint
from syntrans_training.episodes.sampler import EpisodeSpec, draw
from syntrans_training.methods import Prototype, SynTrans, accuracy
from syntrans_training.modules.shared_space import Metric
from syntrans_training.modules.vsbird import VSBird
from syntrans_training.text.task_alpha import HOME, TextOdds, TextWorth, measure_spread

C, M, D, SHOTS = 12, 20, 24, 1
PARTS: dict[str, Any] = {"generator": False, "residual": False, "gate": False, "fusion": "evidence"}


@pytest.fixture(scope="module")
def val() -> tuple[Features, torch.Tensor]:
    """Pictures of noise 1 around means that their texts tell but for a third."""
    g = torch.Generator().manual_seed(0)
    text = 0.7 * torch.randn(C, D, generator=g)
    means = text + 0.6 * torch.randn(C, D, generator=g)
    labels = torch.arange(C).repeat_interleave(M)
    return Features(means[labels] + torch.randn(C * M, D, generator=g), labels, tuple(map(str, range(C))), "v"), text


class Texts:
    """The class vectors are what the map predicts."""

    def __init__(self, text: torch.Tensor) -> None:
        self.text = text

    def base(self, *_: object) -> torch.Tensor:
        raise AssertionError("no text of a base class is asked for")

    def val(self, variant: str, share: float) -> torch.Tensor:
        return self.text


def trained(path: Path, val: tuple[Features, torch.Tensor]) -> None:
    """A file of a head whose space is that of the pictures and whose map is the identity, with val's spread."""
    base = torch.randn(60, D, generator=torch.Generator().manual_seed(1))
    head = VSBird(Metric(torch.eye(D), torch.full((D,), 2.8)), base, base, lam=1e-4, **PARTS)
    with torch.no_grad():
        semantic = head.semantic_weights(val[1], head.build_memory())
    spread = measure_spread(val[0].values, val[0].labels, semantic, torch.full((D,), 2.8))
    of_head = {f"kept.{SHOTS}.0.{name}": tensor for name, tensor in head.state_dict().items()}
    spreads = {f"spread.kept.{SHOTS}.0.{name}": tensor for name, tensor in spread.tensors().items()}
    of_task = {"variant": "kept", "shots": SHOTS}
    note = {
        "space": {"power": 1.0},
        "parts": PARTS,
        "heads": [{**of_task, "seed": 0}],
        "choices": [{**of_task, "alpha": 0.5, "name_share": 0.0}],
    }
    checkpoint.save(path, {"phi.mean": torch.zeros(D), **of_head, **spreads}, note)


TASKS = EpisodeSpec(5, SHOTS, 5, 200, 3)


@pytest.fixture(scope="module")
def learned(val: tuple[Features, torch.Tensor], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("odds") / "vsbird.safetensors"
    trained(path, val)
    learn(path, val)
    return path


def learn(path: Path, val: tuple[Features, torch.Tensor]) -> None:
    tasks = {SHOTS: draw(TASKS, val[0].labels.numpy())}
    learn_text_odds(path, val[0], Texts(val[1]), tasks, "kept", val[0].values)


def test_a_run_that_has_not_learned_odds_has_the_prior_that_serves_all(
    tmp_path: Path, val: tuple[Features, torch.Tensor]
) -> None:
    trained(tmp_path / "old", val)
    assert read_bridges(tmp_path / "old").own_pictures("kept", SHOTS) == HOME


def test_learned_odds_are_kept_with_the_heads_and_learned_once(
    learned: Path, val: tuple[Features, torch.Tensor]
) -> None:
    odds, written = read_bridges(learned).own_pictures("kept", SHOTS).odds, learned.stat().st_mtime_ns
    assert isinstance(odds, TextOdds)
    learn(learned, val)
    assert learned.stat().st_mtime_ns == written


def test_what_is_learned_starts_from_the_accuracy_of_alpha_of_val(
    learned: Path, val: tuple[Features, torch.Tensor]
) -> None:
    bridges, tasks = read_bridges(learned), draw(TASKS, val[0].labels.numpy())
    head, classes = bridges.heads["kept", SHOTS][0], torch.from_numpy(tasks.classes)
    pictures = bridges.phi(val[0].values)
    surely_right = _measure(bridges, pictures, val[1], tasks, "kept", classes).accuracies[:, 0]
    of_val = alpha_curve(head, pictures, val[1], tasks, [0.5])[:, 0]
    torch.testing.assert_close(surely_right, of_val)


def test_right_texts_lose_next_to_nothing_and_those_of_other_classes_a_point_at_most(
    learned: Path, val: tuple[Features, torch.Tensor]
) -> None:
    """On other tasks of the same classes."""
    bridges, tasks = read_bridges(learned), draw(EpisodeSpec(5, SHOTS, 5, 200, 9), val[0].labels.numpy())
    head, pictures = bridges.heads["kept", SHOTS][0], bridges.phi(val[0].values)
    worth = TextWorth(
        bridges.spreads["kept", SHOTS][0],
        head.build_memory().metric.precision.detach(),
        bridges.own_pictures("kept", SHOTS),
    )
    support, classes = pictures[torch.from_numpy(tasks.support)], torch.from_numpy(tasks.classes)
    query = pictures[torch.from_numpy(tasks.query).flatten(1)]

    def points(method: Prototype | SynTrans) -> float:
        return 100 * float(accuracy(method.scores(support, query, classes)).mean())

    right, wrong = (
        {judged: points(SynTrans(head, text, alpha=0.5, worth=judged)) for judged in (None, worth)}
        for text in (val[1], val[1].roll(1, 0))
    )
    assert right[worth] > right[None] - 0.7
    assert wrong[None] < points(Prototype()) - 5  # what they cost where nothing judges them
    assert wrong[worth] > points(Prototype()) - 1.5


def test_texts_that_are_half_wrong_are_told_from_right_ones() -> None:
    """Where right texts tell nearly all of a class, believing half-wrong ones costs more than a point."""

    def tasks(slope: float, believed: float) -> _Tasks:
        accuracies = believed + (0.7 - believed) * WRONG  # visual only has 0.7
        return _Tasks(accuracies.repeat(9, 1), torch.full((9,), slope), torch.full((9,), 0.01))

    right = tasks(1.0, 0.9)
    odds = _least_lost((right, right), tasks(0.0, 0.3), tasks(0.55, 0.6), visual=0.7)
    surely_right, half, surely_wrong = odds.wrong(torch.tensor([1.0, 0.55, 0.0]), torch.full((3,), 0.01))
    assert surely_right < 0.1
    assert half > 0.85
    assert surely_wrong > 0.95
