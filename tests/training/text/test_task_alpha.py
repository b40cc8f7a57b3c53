"""What a text is worth in a task: seen in its supports alone, anchored at val."""

from collections.abc import Callable
from copy import copy
from dataclasses import replace

import pytest
import torch

from syntrans_training.methods import SynTrans, TransductiveSynTrans, accuracy
from syntrans_training.modules.shared_space import Metric
from syntrans_training.modules.vsbird import VSBird
from syntrans_training.text.task_alpha import (
    DOMAINS,
    HOME,
    ClassSpread,
    DomainPrior,
    Supports,
    TextOdds,
    TextWorth,
    measure_spread,
)

N, D, E = 5, 24, 40
SPREAD = ClassSpread(torch.ones(D), torch.full((D,), 0.6), torch.full((D,), 0.3), torch.ones(1))
WORTH = TextWorth(SPREAD, torch.full((D,), 3.0))


def tasks(shots, *, slope=1.0, spread=0.6, noise=1.0, classes=N, episodes=E, queries=15, seed=0):
    """Class means with that slope on their texts and that variance; texts, supports and queries of them."""
    g = torch.Generator().manual_seed(seed)
    text = 0.3**0.5 * torch.randn(episodes, classes, D, generator=g)
    rest = max(spread - 0.3 * slope**2, 0.02) ** 0.5
    means = slope * text + rest * torch.randn(text.shape, generator=g)
    draws = torch.randn(episodes, classes, shots + queries, D, generator=g)
    pictures = means.unsqueeze(2) + noise**0.5 * draws
    return text, pictures[:, :, :shots], pictures[:, :, shots:]


def judged(shots, **domain):
    """Of every task, where val chose one half."""
    text, supports, _ = tasks(shots, **domain)
    return judge(supports, text)


def judge(supports, text, worth=WORTH, alpha=0.5):
    return worth.judge(alpha, Supports(supports.mean(2), text, supports.shape[2]))


def test_texts_that_fit_worse_than_on_val_count_less_and_those_that_fit_better_count_more() -> None:
    home, mixed_up, better = (judged(5, slope=slope, spread=0.7, classes=20).slope.mean() for slope in (1.0, 0.0, 1.4))
    assert mixed_up < 0.05
    assert home == pytest.approx(1, abs=0.1)
    assert better > home + 0.05


def test_in_the_domain_of_val_the_text_weighs_as_the_prior_has_it_for_right_texts() -> None:
    at_home = judged(5, classes=20)
    assert (at_home.precision / WORTH.precision).mean() == pytest.approx(DOMAINS.exact, rel=0.1)
    assert at_home.offset.abs().mean() < 0.1


@pytest.mark.parametrize("precision", [3.0, 0.5])
def test_of_pictures_like_those_of_val_right_texts_tell_what_they_told_on_val(precision: float) -> None:
    """Also where the spread of classes of no text says that they tell more."""
    text, supports, _ = tasks(5, classes=20)
    fused = judge(supports, text, TextWorth(SPREAD, torch.full((D,), precision), HOME))
    assert fused.precision.mean() == pytest.approx(precision, rel=0.05)
    assert fused.slope.mean() == pytest.approx(1, abs=0.05)


def test_pictures_like_those_of_val_lie_nowhere_else_and_texts_of_other_classes_are_seen() -> None:
    text, supports, _ = tasks(5, slope=0.0, classes=20)
    fused = judge(supports, text, TextWorth(SPREAD, WORTH.precision, HOME))
    assert (fused.offset == 0).all()
    assert fused.slope.mean() < 0.1


LEARNED = TextWorth(SPREAD, WORTH.precision, replace(HOME, odds=TextOdds(threshold=0.5, sharpness=1.0)))


def test_by_learned_odds_right_texts_tell_what_they_told_on_val_and_those_of_other_classes_nothing() -> None:
    fused = [judge(supports, text, LEARNED) for text, supports, _ in (tasks(5), tasks(5, slope=0.0))]
    torch.testing.assert_close(fused[0].precision, WORTH.precision.expand_as(fused[0].precision), rtol=0.05, atol=0.0)
    assert fused[0].slope.mean() == pytest.approx(1, abs=0.02)
    assert fused[1].slope.mean() < 0.02


@pytest.mark.parametrize("precision", [3.0, 0.5])
def test_texts_that_are_surely_right_tell_at_home_what_alpha_of_val_has_them_tell(precision: float) -> None:
    fused = TextWorth(SPREAD, torch.full((D,), precision), HOME).doubted(0.6, 1, torch.zeros(1))
    torch.testing.assert_close(fused.precision, torch.full((1, 1, D), precision), rtol=1e-4, atol=0.0)
    assert fused.slope.mean() == pytest.approx(1, abs=1e-4)


def test_by_learned_odds_more_pictures_make_surer_of_the_same_slope() -> None:
    text = tasks(1)[0]
    pictures = 0.6 * LEARNED.spread.slope * text  # of slope 0.6, just above the threshold
    slope = [LEARNED.judge(0.5, Supports(pictures, text, shots)).slope.mean() for shots in (1, 5)]
    assert 0.5 < slope[0] < slope[1]


def test_by_learned_odds_texts_that_say_nothing_are_those_of_other_classes() -> None:
    _, supports, _ = tasks(1)
    fused = judge(supports, torch.zeros(E, N, D), LEARNED)
    assert fused.slope.abs().max() < 1e-3
    assert fused.precision.isfinite().all()


def test_texts_of_other_classes_leave_pictures_drawn_to_the_mean_as_those_of_classes_of_no_text() -> None:
    """However exactly right texts would tell a class."""
    for precision in (3.0, 300.0):
        worth = TextWorth(SPREAD, torch.full((D,), precision))
        text, supports, _ = tasks(5, slope=0.0, classes=20)
        of_task = judge(supports, text, worth)
        torch.testing.assert_close(of_task.precision, torch.full_like(of_task.precision, 1 / 0.6), rtol=0.05, atol=0.0)


def test_texts_that_tell_half_of_what_they_told_are_far_less_exact() -> None:
    exactly = TextWorth(SPREAD, torch.full((D,), 300.0))
    precisions = []
    for slope in (1.0, 0.5):
        text, supports, _ = tasks(5, slope=slope, classes=20)
        precisions.append(judge(supports, text, exactly).precision.mean())
    assert precisions[1] < precisions[0] / 50


@pytest.mark.parametrize("alpha", [0.0, 0.2, 0.5, 0.8, 1.0])
def test_one_slope_and_precision_make_of_a_task_what_all_slopes_make_on_average(alpha: float) -> None:
    """Of one slope they are that slope and its precision; of all, between the least and the greatest; and finite."""
    worth = TextWorth(SPREAD, WORTH.precision, DomainPrior(mixed_up=1e-9, slope=1e-3, elsewhere=0.0, exact=1.0))
    text, supports, _ = tasks(1)
    one, mixed = judge(supports, text, worth, alpha), judge(supports, text, WORTH, alpha)
    torch.testing.assert_close(one.slope, torch.ones_like(one.slope), rtol=1e-3, atol=0.0)
    torch.testing.assert_close(one.precision, WORTH.precision.expand_as(one.precision), rtol=1e-3, atol=0.0)
    assert (mixed.precision >= 1 / 0.6 - 1e-3).all()
    assert (mixed.precision <= 3 * DOMAINS.exact + 1e-3).all()
    assert ((mixed.slope >= 0) & (mixed.slope < 1.5)).all()


def test_more_supports_and_more_classes_move_the_slope_further_from_the_prior() -> None:
    moved = [
        abs(judged(*size, slope=0.0, classes=classes).slope.mean() - WORTH.prior(0.5, size[0]).slope.mean()).item()
        for *size, classes in ((1, 5), (5, 5), (5, 20))
    ]
    assert moved == sorted(moved)


def test_of_two_classes_the_slope_is_judged_too() -> None:
    right, wrong = (judged(5, classes=2, slope=slope).slope.mean() for slope in (1.0, -1.0))
    assert wrong < WORTH.prior(0.5, 5).slope.mean() < right


def test_texts_that_are_all_alike_are_no_number_that_is_not_finite() -> None:
    _, supports, _ = tasks(1)
    for text in (torch.ones(E, N, D), torch.zeros(E, N, D)):
        assert all(torch.as_tensor(part).isfinite().all() for part in vars(judge(supports, text)).values())


def test_how_exactly_a_task_tells_the_slope_does_not_depend_on_how_alike_its_directions_are() -> None:
    """Each direction twenty times over tells nothing more: the other assignments of the texts know that."""
    text, supports, _ = tasks(1, slope=0.0)
    spread = replace(SPREAD, **{name: getattr(SPREAD, name).repeat(20) for name in ("within", "between", "text")})
    repeated = judge(supports.repeat(1, 1, 1, 20), text.repeat(1, 1, 20), TextWorth(spread, WORTH.precision.repeat(20)))
    torch.testing.assert_close(repeated.slope[..., :D], judged(1, slope=0.0).slope, rtol=0.2, atol=0.15)


def test_where_all_pictures_lie_elsewhere_it_is_seen_and_no_class_gains_by_it_and_texts_tell_less() -> None:
    text, supports, _ = tasks(1)
    far = 5 * torch.randn(D, generator=torch.Generator().manual_seed(9))
    here, there = (judge(supports + moved, text) for moved in (0, far))
    assert here.offset.abs().mean() < 0.3
    assert (there.offset - far).abs().mean() < 0.5
    assert there.slope.mean() < here.slope.mean() - 0.1


def test_noisier_pictures_do_not_seem_to_lie_elsewhere() -> None:
    home, noisy = (judged(1, noise=noise, episodes=400).offset.square().mean() for noise in (1.0, 4.0))
    assert noisy < 3.5 * home  # the mean of five pictures scatters (4 + 0.6) / (1 + 0.6) times as much


@pytest.mark.parametrize("worth", [WORTH, LEARNED])
def test_how_a_task_is_judged_depends_on_no_other_task(worth: TextWorth) -> None:
    text, supports, _ = tasks(2)
    whole = judge(supports, text, worth)
    for i in range(3):
        alone = judge(supports[i : i + 1], text[i : i + 1], worth)
        assert alone.cosine == whole.cosine
        for name in ("slope", "precision", "offset", "believed"):
            torch.testing.assert_close(getattr(whole, name)[i : i + 1], getattr(alone, name), rtol=1e-4, atol=1e-5)


def test_cosines_of_phi_count_in_another_domain_alone_and_texts_of_other_classes_have_no_part_in_them() -> None:
    right, wrong = (judged(5, classes=20, slope=slope) for slope in (1.0, 0.0))
    assert right.cosine == wrong.cosine == WORTH.prior(0.5, 5).cosine == DOMAINS.cosine > 0
    assert right.believed.min() > 0.6
    assert wrong.believed.max() < 0.1
    text, supports, _ = tasks(5)
    for at_home in (replace(WORTH, domains=HOME), LEARNED):
        assert judge(supports, text, at_home).cosine == 0


def test_moments_of_many_pictures_are_those_they_were_drawn_with() -> None:
    text, _, queries = tasks(1, slope=0.8, classes=400, episodes=1, queries=20)
    labels = torch.arange(400).repeat_interleave(20)
    spread = measure_spread(queries[0].reshape(-1, D), labels, text[0], torch.arange(1.0, D + 1))
    assert spread.within.mean() == pytest.approx(1.0, rel=0.05)
    assert spread.between.mean() == pytest.approx(0.6, rel=0.1)
    assert spread.text.mean() == pytest.approx(0.3, rel=0.05)
    assert float(spread.slope) == pytest.approx(0.8, rel=0.05)


@pytest.fixture(scope="module")
def method() -> Callable[..., SynTrans]:
    """A head whose space is that of the tasks and whose map is the identity; and all texts of the tasks in a row."""
    g = torch.Generator().manual_seed(1)
    base = torch.randn(30, D, generator=g) * 0.6**0.5
    metric = Metric(torch.eye(D), torch.full((D,), 3.0))
    head = VSBird(metric, base, base, lam=1e-3, generator=False, residual=False, gate=False)

    def make(text, alpha=0.5):
        return SynTrans(head, text.reshape(-1, D), alpha=alpha, worth=WORTH)

    return make


def shown(method, shots=1, **domain):
    text, supports, queries = tasks(shots, **domain)
    classes = torch.arange(text.shape[0] * N).view(-1, N)
    return method(text), supports, queries.flatten(1, 2), classes


def test_no_query_enters_the_weights_of_the_first_two_levels(method: Callable[..., SynTrans]) -> None:
    """Other queries, or the same in another order, leave the classifier as it is; scores follow the queries."""
    inductive, supports, queries, classes = shown(method)
    order = torch.randperm(queries.shape[1], generator=torch.Generator().manual_seed(3))
    for worth, blind in ((WORTH, False), (WORTH, True), (LEARNED, False)):
        level = SynTrans(inductive.head, inductive.semantic, alpha=0.5, worth=worth, blind=blind)
        before = level.scores(supports, queries, classes)
        permuted = level.scores(supports, queries[:, order], classes)
        alone = level.scores(supports, queries[:, :1], classes)
        torch.testing.assert_close(permuted, before[:, order], rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(alone, before[:, :1], rtol=1e-4, atol=1e-4)


def test_shares_of_queries_are_those_of_the_model_without_cosines(method: Callable[..., SynTrans]) -> None:
    inductive, supports, queries, classes = shown(method)
    without = replace(WORTH, domains=replace(DOMAINS, cosine=0.0))
    plain = copy(inductive)
    plain.worth = without
    both = [TransductiveSynTrans(one).scores(supports, queries, classes) for one in (inductive, plain)]
    torch.testing.assert_close(*both, rtol=0, atol=0)
    alone = [one.scores(supports, queries, classes) for one in (inductive, plain)]
    assert (alone[0] - alone[1]).abs().max() > 0.5


def test_the_transductive_level_learns_from_the_queries_and_is_better_for_it(method: Callable[..., SynTrans]) -> None:
    inductive, supports, queries, classes = shown(method)
    transductive = TransductiveSynTrans(inductive)
    alone = accuracy(inductive.scores(supports, queries, classes)).mean()
    together = accuracy(transductive.scores(supports, queries, classes)).mean()
    assert together > alone + 0.03
    scored = transductive.scores(supports, queries[:, ::2], classes)
    assert not torch.allclose(scored, transductive.scores(supports, queries, classes)[:, ::2], atol=1e-2)


def test_shuffled_texts_cost_at_most_a_point_against_pictures_alone(method: Callable[..., SynTrans]) -> None:
    text, supports, queries = tasks(5, episodes=80)
    queries, classes = queries.flatten(1, 2), torch.arange(text.shape[0] * N).view(-1, N)
    adapted = method(text.roll(1, 1))
    accuracies = [
        accuracy(SynTrans(adapted.head, text.roll(1, 1).reshape(-1, D), alpha=alpha).scores(supports, queries, classes))
        for alpha in (0.0, 0.5)
    ]
    pictures, of_val = (float(right.mean()) for right in accuracies)
    right = float(accuracy(adapted.scores(supports, queries, classes)).mean())
    assert of_val < pictures - 0.03  # what alpha of val loses by them
    assert right > pictures - 0.01
