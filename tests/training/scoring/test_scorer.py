import numpy as np
import pytest
import torch
import torch.nn.functional as F

from syntrans_training.episodes.sampler import EpisodeSpec, draw
from syntrans_training.methods import Euclidean, Fused, Prototype, Semantic
from syntrans_training.methods.base import Method, UnitPictures
from syntrans_training.scoring.metrics import ece, image_interval, interval, per_class, reliability
from syntrans_training.scoring.scored_classifier import ScoredClassifier
from syntrans_training.scoring.scorer import score_episodes

C, PER_CLASS, D = 8, 30, 12
LABELS = np.repeat(np.arange(C), PER_CLASS)


class NearestSupport:
    """A method that is not linear: the distance to the nearest support."""

    def scores(self, support, query, classes):
        return -torch.cdist(query, support.flatten(1, 2)).unflatten(-1, support.shape[1:3]).amin(-1)


class Turned:
    """A space whose directions are others; it counts the pictures that it is given."""

    def __init__(self) -> None:
        self.axes, self.brought = torch.randn(D, D, generator=torch.Generator().manual_seed(2)), 0

    def project(self, features):
        self.brought += features.numel() // D
        return features @ self.axes


class NearestInSpace(NearestSupport):
    """The nearest support in a space."""

    def __init__(self, space) -> None:
        self.space, self.within = space, NearestSupport()

    def scores(self, support, query, classes):
        return self.within.scores(self.space.project(support), self.space.project(query), classes)


@pytest.fixture(scope="module")
def features() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(C, D, generator=generator)[LABELS] + 1.5 * torch.randn(len(LABELS), D, generator=generator)


@pytest.fixture(scope="module")
def tasks():
    return draw(EpisodeSpec(5, 5, 6, 40, 3), LABELS)


def naive(method, features, tasks):
    """[E, m] hits, one episode and one call at a time."""
    accuracies = []
    for i in range(len(tasks)):
        episode = tasks[i]
        support = features[torch.from_numpy(episode.support)].unsqueeze(0)
        query = features[torch.from_numpy(episode.query).flatten()].unsqueeze(0)
        guess = method.scores(support, query, torch.from_numpy(episode.classes).unsqueeze(0))[0].argmax(-1)
        accuracies.append(guess == torch.arange(5).repeat_interleave(6))
    return torch.stack(accuracies).numpy()


def test_pictures_are_brought_into_a_space_once_for_all_episodes_and_methods(features: torch.Tensor, tasks) -> None:
    space = Turned()
    rows = {name: ScoredClassifier((NearestInSpace(space),) * 2, features) for name in ("one", "other")}
    scored = score_episodes(rows, tasks, n_classes=C, chunk=7)
    assert space.brought == len(features)
    hits = naive(NearestInSpace(Turned()), features, tasks)
    assert all(np.array_equal(outcome.correct, hits) for outcome in scored.values())


def test_of_many_pictures_only_those_of_the_episodes_are_brought_into_a_space(features: torch.Tensor) -> None:
    few, space = draw(EpisodeSpec(5, 1, 6, 4, 3), LABELS), Turned()
    row = ScoredClassifier((NearestInSpace(space),), features)
    scored = score_episodes({"row": row}, few, n_classes=C, chunk=7)["row"]
    assert space.brought == few.support.size + few.query.size < len(features)
    assert np.array_equal(scored.correct, naive(NearestInSpace(Turned()), features, few))


class Counted(UnitPictures):
    """Counts the pictures that it reads, and adds the numbers of their classes."""

    def __init__(self) -> None:
        self.seen = 0

    def of_pictures(self, pictures, classes):
        self.seen += len(pictures)
        return super().of_pictures(pictures, classes) + classes.unsqueeze(1)


class CountedPrototype(Prototype):
    def __init__(self, reader: Counted) -> None:
        self.reader = reader


def test_pictures_of_supports_are_read_once_for_all_episodes_and_methods(features: torch.Tensor, tasks) -> None:
    reader = Counted()
    rows = {name: ScoredClassifier((CountedPrototype(reader),) * 2, features) for name in ("one", "other")}
    scored = score_episodes(rows, tasks, n_classes=C, chunk=7)
    assert reader.seen == len(np.unique(tasks.support))
    hits = naive(CountedPrototype(Counted()), features, tasks)
    assert all(np.array_equal(outcome.correct, hits) for outcome in scored.values())


@pytest.mark.parametrize("chunk", [1, 7, 500])
def test_every_row_scores_as_one_episode_at_a_time(features: torch.Tensor, tasks, chunk: int) -> None:
    weights = torch.randn(C, D, generator=torch.Generator().manual_seed(1))
    methods: dict[str, Method] = {
        "cosine": Prototype(),
        "euclidean": Euclidean(),
        "fused": Fused(weights, alpha=0.3),
        "semantic": Semantic(weights),
        "nearest": NearestSupport(),
    }
    outcomes = score_episodes(
        {k: ScoredClassifier((m,), features) for k, m in methods.items()}, tasks, n_classes=C, chunk=chunk
    )
    for name, method in methods.items():
        hits = naive(method, features, tasks)
        assert np.array_equal(outcomes[name].correct, hits), name
        assert np.allclose(outcomes[name].accuracy, hits.mean(1))


def test_rows_with_other_features_do_not_mix(features: torch.Tensor, tasks) -> None:
    rows = {
        "a": ScoredClassifier((Prototype(),), features),
        "b": ScoredClassifier((Prototype(),), features.flip(1) * torch.arange(D)),
    }
    both = score_episodes(rows, tasks, n_classes=C, chunk=16)
    for name, row in rows.items():
        assert np.array_equal(
            both[name].correct, score_episodes({"alone": row}, tasks, n_classes=C, chunk=16)["alone"].correct
        )


def test_a_row_of_several_methods_is_their_mean(features: torch.Tensor, tasks) -> None:
    weights = torch.randn(C, D, generator=torch.Generator().manual_seed(1))
    methods = Prototype(), Semantic(weights), NearestSupport()
    outcomes = score_episodes({"mean": ScoredClassifier(methods, features)}, tasks, n_classes=C, chunk=16)
    hits = np.mean([naive(method, features, tasks) for method in methods], axis=0)
    assert np.allclose(outcomes["mean"].correct, hits)
    assert outcomes["mean"].confusion.sum() == len(methods) * tasks.query.size


def test_counts_per_class_and_image_agree_with_the_accuracy(features: torch.Tensor, tasks) -> None:
    outcome = score_episodes({"row": ScoredClassifier((Prototype(),), features)}, tasks, n_classes=C, chunk=16)["row"]
    assert outcome.confusion.sum(1).tolist() == (np.bincount(tasks.classes.ravel(), minlength=C) * 6).tolist()
    assert outcome.confusion.trace() == outcome.image_correct.sum() == outcome.correct.sum()
    assert outcome.image_shown.tolist() == np.bincount(tasks.query.ravel(), minlength=len(LABELS)).tolist()
    assert per_class(outcome.confusion)[2] == pytest.approx(outcome.correct[tasks.classes.repeat(6, 1) == 2].mean())


def test_views_stand_in_for_the_supports(features: torch.Tensor, tasks) -> None:
    views = torch.stack([features, features + 0.5, features - 0.5], 1)
    scored = score_episodes(
        {"row": ScoredClassifier((Euclidean(),), features, support_views=views)}, tasks, n_classes=C, chunk=16
    )
    plain = score_episodes({"row": ScoredClassifier((Euclidean(),), features)}, tasks, n_classes=C, chunk=16)
    assert np.array_equal(scored["row"].correct, plain["row"].correct)  # the views' mean is the picture
    shifted = ScoredClassifier((Euclidean(),), features, support_views=torch.zeros(len(features), 2, D))
    assert score_episodes({"row": shifted}, tasks, n_classes=C, chunk=16)["row"].accuracy.mean() == pytest.approx(0.2)


def test_euclidean_prototypes_order_classes_as_the_distance_does() -> None:
    support, query = torch.randn(3, 5, 4, D), torch.randn(3, 10, D)
    scores = Euclidean().scores(support, query, torch.zeros(3, 5, dtype=torch.long))
    distance = torch.cdist(query, support.mean(2))
    assert torch.allclose(2 * scores, query.square().sum(-1, keepdim=True) - distance.square(), atol=1e-4)


def test_calibration_error_is_the_weighted_gap_of_the_bins() -> None:
    confidence = np.array([0.95, 0.95, 0.95, 0.95, 0.35, 0.35])
    correct = np.array([True, True, True, False, False, True])
    assert ece(reliability(confidence, correct)) == pytest.approx((4 * 0.2 + 2 * 0.15) / 6)
    assert ece(reliability(np.array([1.0, 0.0]), np.array([True, False]))) == 0.0


def test_temperature_sets_the_confidence_of_a_row(features: torch.Tensor, tasks) -> None:
    rows = {
        t: ScoredClassifier((Prototype(),), F.normalize(features, dim=-1), temperature=float(t))
        for t in ("0.01", "10", "1000")
    }
    scored = score_episodes(rows, tasks, n_classes=C, chunk=16)
    accuracy = scored["10"].accuracy.mean()
    assert scored["0.01"].ece == pytest.approx(accuracy - 0.2, abs=0.01)  # all classes alike
    assert scored["1000"].ece == pytest.approx(1 - accuracy, abs=0.02)  # always sure


def test_the_image_interval_contains_the_normal_one(features: torch.Tensor, tasks) -> None:
    outcome = score_episodes({"row": ScoredClassifier((Prototype(),), features)}, tasks, n_classes=C, chunk=16)["row"]
    wide, narrow = image_interval(outcome.correct, tasks), interval(outcome.accuracy)
    assert wide.mean == pytest.approx(narrow.mean)
    assert wide.half_width >= narrow.half_width


def test_the_image_interval_covers_other_pictures_of_the_same_classes() -> None:
    """40 data sets of the same classes: a 95 % interval should contain their common mean about 38 times."""
    centres = 0.5 * torch.randn(C, D, generator=torch.Generator().manual_seed(5))
    intervals = []
    for seed in range(40):
        noise = torch.randn(len(LABELS), D, generator=torch.Generator().manual_seed(100 + seed))
        tasks = draw(EpisodeSpec(5, 1, 10, 400, seed), LABELS)
        outcome = score_episodes(
            {"row": ScoredClassifier((Prototype(),), centres[LABELS] + noise)}, tasks, n_classes=C, chunk=400
        )["row"]
        intervals.append((interval(outcome.accuracy), image_interval(outcome.correct, tasks)))
    truth = np.mean([normal.mean for normal, _ in intervals])
    deviation = np.std([normal.mean for normal, _ in intervals], ddof=1)
    covered = [sum(abs(i.mean - truth) <= i.half_width for i in kind) for kind in zip(*intervals, strict=True)]
    assert covered[0] < 25  # the normal interval speaks about these very pictures
    assert covered[1] >= 35
    assert np.mean([wide.half_width for _, wide in intervals]) == pytest.approx(1.96 * deviation, rel=0.4)
