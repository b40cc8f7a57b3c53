import numpy as np
import pytest
import torch
import torch.nn.functional as F

from syntrans_training.bridge.episodic_loss import LossWeights, Shown, bridge_loss, scatter, show
from syntrans_training.episodes.base_class_tasks import PseudoNovelTasks
from syntrans_training.methods import SynTrans
from syntrans_training.modules.fusion import add, fuse, fuse_evidence
from syntrans_training.modules.shared_space import Metric, diagonalise, fit_phi, shrink, within_covariance
from syntrans_training.modules.text_gate import TextGate
from syntrans_training.modules.vsbird import FUSIONS, HeldOutClasses, VSBird

C, D, S, N, K, Q = 12, 8, 6, 5, 3, 4


def rand(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def metric(seed=0):
    return Metric(rand(D, D, seed=seed), rand(D, seed=seed + 1).exp())


def without(*classes):
    """Those classes, and a metric of others."""
    return HeldOutClasses(
        torch.zeros(C, dtype=torch.bool).scatter(0, torch.tensor(classes), value=True), metric(seed=30)
    )


@pytest.fixture
def head() -> VSBird:
    """A head whose every part has been trained away from where it begins."""
    bridge = VSBird(metric(), rand(C, D, seed=2), rand(C, S, seed=3), lam=0.5)
    with torch.no_grad():
        for i, parameter in enumerate(bridge.parameters()):
            parameter.add_(0.1 * rand(*parameter.shape, seed=10 + i))
    return bridge.eval()


@pytest.fixture
def batch() -> PseudoNovelTasks:
    classes = torch.stack([torch.randperm(N + 1, generator=torch.Generator().manual_seed(i))[:N] for i in range(2)])
    return PseudoNovelTasks(
        rand(2, N, K, D, seed=4), rand(2, N * Q, D, seed=5), classes, torch.zeros(2, 0, D), torch.zeros(2, 0).long()
    )


def scores(head, *, alpha, text, support, query, classes=None):
    classes = torch.arange(N).expand(len(support), N) if classes is None else classes
    return SynTrans(head, text, alpha=alpha).scores(support, query, classes)


def test_at_alpha_0_no_text_enters(head: VSBird) -> None:
    support, query = rand(2, N, K, D), rand(2, N * Q, D, seed=1)
    one, other = (scores(head, alpha=0.0, text=rand(N, S, seed=i), support=support, query=query) for i in (7, 8))
    assert torch.allclose(one, other, atol=1e-5)


@pytest.mark.parametrize("fusion", ["evidence", "convex"])
def test_at_alpha_1_no_picture_enters(head: VSBird, fusion: str) -> None:
    head.fusion = fusion
    query, text = rand(2, N * Q, D, seed=1), rand(N, S, seed=7)
    one, other = (scores(head, alpha=1.0, text=text, support=rand(2, N, K, D, seed=i), query=query) for i in (7, 8))
    assert torch.allclose(one, other, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("fusion", ["convex", "additive"])
def test_a_gate_that_shuts_leaves_the_pictures_alone(head: VSBird, fusion: str) -> None:
    head.fusion = fusion
    task = {"text": rand(N, S, seed=2), "support": rand(2, N, K, D), "query": rand(2, N * Q, D, seed=1)}
    pictures = scores(head, alpha=0.0, **task)
    with torch.no_grad():
        head.text_gate.bias.fill_(-1000.0)
    shut = scores(head, alpha=0.5, **task)
    assert torch.allclose(shut, pictures, rtol=0.05, atol=0.05)


def test_doubting_the_texts_that_are_wrong_is_better_than_believing_all() -> None:
    """And no worse than the pictures alone; the gate here knows which texts are of other classes."""
    episodes, precision = 400, torch.linspace(4.0, 0.5, D)
    semantic = rand(episodes, N, D)
    true = semantic + rand(episodes, N, D, seed=1) / precision.sqrt()
    visual = true + rand(episodes, N, D, seed=2)
    query = true + rand(episodes, N, D, seed=3)
    wrong = torch.rand(episodes, N, 1, generator=torch.Generator().manual_seed(4)) < 0.4
    shown = torch.where(wrong, rand(episodes, N, D, seed=5), semantic)

    def accuracy(*, alpha, gate=1.0):
        mean, variance = fuse_evidence(visual, shown, precision, shots=1, alpha=alpha, gate=gate)
        scored = query @ (mean / variance).mT - ((mean.square() / variance).sum(-1) / 2).unsqueeze(1)
        return (scored.argmax(-1) == torch.arange(N)).float().mean()

    doubting = accuracy(alpha=0.5, gate=torch.where(wrong, 0.0, 1.0))
    assert doubting > accuracy(alpha=0.5) + 0.01
    assert doubting > accuracy(alpha=0.0) + 0.01


def test_networks_say_the_same_whatever_signs_the_directions_have(head: VSBird) -> None:
    """The sign of an eigenvector means nothing, and another metric's directions have others."""
    task = {"text": rand(N, S, seed=2), "support": rand(2, N, K, D), "query": rand(2, N * Q, D, seed=1)}
    before = scores(head, alpha=0.5, **task)
    signs = torch.tensor([1.0, -1.0] * (D // 2))
    head.transform *= signs.unsqueeze(1)
    assert torch.allclose(before, scores(head, alpha=0.5, **task), rtol=1e-3, atol=1e-3)


def test_classes_in_another_order_get_the_same_scores_in_that_order(head: VSBird) -> None:
    support, query, text = rand(2, N, K, D), rand(2, N * Q, D, seed=1), rand(N, S, seed=2)
    order = torch.tensor([3, 0, 4, 2, 1])
    scored = scores(head, alpha=0.4, text=text, support=support, query=query)
    turned = scores(head, alpha=0.4, text=text, support=support[:, order], query=query, classes=order.expand(2, N))
    assert torch.allclose(scored[..., order], turned, atol=1e-4)


def test_parts_begin_as_if_they_were_not_there() -> None:
    parts = [metric(), rand(C, D, seed=2), rand(C, S, seed=3)]
    whole = VSBird(*parts)
    plain = VSBird(*parts, generator=False, residual=False, gate=False)
    task = {"text": rand(N, S, seed=2), "support": rand(2, N, K, D), "query": rand(2, N * Q, D, seed=1)}
    assert torch.allclose(scores(whole, alpha=0.0, **task), scores(plain, alpha=0.0, **task), atol=1e-5)
    whole.text_gate = None  # the gate begins almost open, not open
    assert torch.allclose(scores(whole, alpha=0.5, **task), scores(plain, alpha=0.5, **task), atol=1e-5)


def test_classes_that_play_novel_ones_are_in_no_map_and_no_memory(head: VSBird) -> None:
    """Other features and texts of the absent classes, and another metric of all classes, change nothing."""
    text, support, away = rand(2, N, S, seed=9), rand(2, N, D, seed=4), without(0, 3, 4, 7, 9)

    def run():
        memory = head.build_memory(away)
        weights = head.both_weights(memory.project(support), head.semantic_weights(text, memory), memory, shots=K)
        return head.classify(weights, shots=K, alpha=0.5)[0]

    before = run()
    head.base[away.held_out_mask] += 5.0
    head.base_text[away.held_out_mask] -= 3.0
    head.transform += 1.0
    assert torch.allclose(before, run(), atol=1e-3)


def test_the_closed_form_is_the_posterior_mean_of_two_gaussians() -> None:
    """Against the textbook formula in the original space."""
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(D, D)), rng.normal(size=(D, D))
    within, between = a @ a.T + np.eye(D), b @ b.T + np.eye(D)
    prior, seen = rng.normal(size=D), rng.normal(size=D)
    diagonal = diagonalise(torch.from_numpy(within).float(), torch.from_numpy(between).float())
    project = diagonal.transform.double().numpy()
    mean, variance = fuse_evidence(
        torch.from_numpy(project @ seen)[None], torch.from_numpy(project @ prior)[None], diagonal.precision.double(),
        shots=K, alpha=0.5,
    )  # fmt: skip
    posterior = np.linalg.inv(K * np.linalg.inv(within) + np.linalg.inv(between))
    expected = posterior @ (K * np.linalg.inv(within) @ seen + np.linalg.inv(between) @ prior)
    assert np.allclose(np.linalg.solve(project, mean[0].numpy()), expected, atol=1e-3)
    predictive = project @ (posterior + within) @ project.T
    assert np.allclose(predictive, np.diag(variance.numpy()), atol=1e-3)


def test_text_counts_less_with_every_support() -> None:
    visual, semantic, precision = torch.zeros(1, D), torch.ones(1, D), torch.full((D,), 2.0)
    shares = [fuse_evidence(visual, semantic, precision, shots=k, alpha=0.5)[0][0, 0].item() for k in (1, 5, 25)]
    assert shares == pytest.approx([2 / 3, 2 / 7, 2 / 27])


def test_the_shared_space_makes_pictures_round() -> None:
    x, labels = rand(200, D) * torch.arange(1.0, D + 1), torch.arange(10).repeat(20)
    phi = fit_phi(x, labels, power=0.5)(x)
    within, between = within_covariance(phi, labels), shrink(torch.cov(rand(50, D).T), 0.1)
    diagonal = diagonalise(within, between)
    a, spread = diagonal.transform, torch.diag(1 / diagonal.precision)
    assert torch.allclose(a @ within @ a.T, torch.eye(D), atol=1e-3)
    assert torch.allclose(a @ between @ a.T, spread, atol=1e-3, rtol=1e-3)
    assert (diagonal.precision.diff() <= 0).all()


def test_phi_is_centred_on_the_mean_class() -> None:
    x, labels = rand(60, D).abs(), torch.arange(6).repeat(10)
    phi = fit_phi(x, labels, power=0.75)
    means = torch.stack([phi(x)[labels == c].mean(0) for c in range(6)])
    assert torch.allclose(means.mean(0), torch.zeros(D), atol=1e-6)
    assert torch.allclose((phi(x) + phi.mean).norm(dim=-1), torch.ones(60))
    assert torch.allclose(phi(3 * x), phi(x), atol=1e-6)


def test_long_features_are_taken_along_their_leading_directions() -> None:
    x, labels = rand(60, D) * torch.arange(1.0, D + 1), torch.arange(6).repeat(10)
    whole, phi = fit_phi(x, labels, power=1.0), fit_phi(x, labels, power=1.0, most=D - 2)
    kept, all_of_it = phi(x), whole(x)
    assert kept.shape == (60, D - 2)
    lost = (all_of_it.square().sum() - kept.square().sum()) / all_of_it.square().sum()
    least = torch.linalg.eigvalsh(all_of_it.T @ all_of_it)[:2].sum() / all_of_it.square().sum()
    assert torch.allclose(lost, least, atol=1e-5)


def test_the_gate_doubts_a_text_that_does_not_fit_the_pictures() -> None:
    true = 3 * rand(1, N, D)
    pictures = true + 0.3 * rand(1, N, D, seed=1)
    gate, precision = TextGate(), torch.full((D,), 2.0)
    fits, misfits = gate(pictures, true, precision, K), gate(pictures, true.roll(1, 1), precision, K)
    assert (fits > 0.9).all()
    assert misfits.mean() < fits.mean() - 0.1


@pytest.mark.parametrize("fusion", FUSIONS)
def test_every_fusion_tells_classes_apart_and_learns(fusion, batch: PseudoNovelTasks) -> None:
    bridge = VSBird(Metric(torch.eye(D), torch.ones(D)), rand(C, D, seed=2), rand(C, S, seed=3), fusion=fusion)
    shown = show(batch.classes, bridge.base_text, wrong=0.0, generator=torch.Generator().manual_seed(0))
    away = HeldOutClasses(without(*range(N + 1)).held_out_mask, Metric(torch.eye(D), torch.ones(D)))
    terms = bridge_loss(bridge, batch, shown, away, alpha=torch.full((2, 1, 1), 0.5), weights=LossWeights())
    assert set(terms) == {"fused", "visual", "semantic", "reconstruction", "cycle"}
    sum(terms.values()).backward()
    assert bridge.transform_change.grad.abs().max() > 0
    assert bridge.text_gate.bias.grad.abs() > 0
    centres = 3 * F.one_hot(torch.arange(N), D).float()
    scored = scores(
        bridge, alpha=0.3, text=rand(N, S), support=centres[None, :, None].expand(1, N, K, D), query=centres[None]
    )
    assert (scored.argmax(-1) == torch.arange(N)).all()


def test_an_unknown_fusion_is_refused() -> None:
    with pytest.raises(ValueError, match="evidence, convex, additive"):
        VSBird(metric(), rand(C, D), rand(C, S), fusion="sum")


def test_a_loss_of_weight_0_is_left_out(batch: PseudoNovelTasks, head: VSBird) -> None:
    shown = Shown(head.base_text, batch.classes)
    away, none = without(*range(N + 1)), LossWeights(0.0, 0.0, 0.0, 0.0)
    terms = bridge_loss(head, batch, shown, away, alpha=torch.full((2, 1, 1), 0.5), weights=none)
    assert set(terms) == {"fused"}


def test_a_share_of_the_places_is_shown_a_wrong_text() -> None:
    classes, text = torch.arange(N).expand(400, N), rand(100, S)
    generator = torch.Generator().manual_seed(0)
    assert (show(classes, text, wrong=0.0, generator=generator).classes == classes).all()
    swapped = (show(classes, text, wrong=0.2, generator=generator).classes != classes).float().mean()
    assert 0.15 < swapped < 0.25


def test_scatter_moves_pictures_by_the_spread_of_others() -> None:
    x, residuals = rand(500, D), 2 * rand(300, D, seed=1)
    generator = torch.Generator().manual_seed(0)
    assert scatter(x, residuals, amount=0.0, generator=generator) is x
    moved = scatter(x, residuals, amount=1.0, generator=generator) - x
    assert moved.std().item() == pytest.approx(residuals.std().item(), rel=0.05)


def test_fusions_at_their_ends() -> None:
    v, s = rand(1, N, D), rand(1, N, D, seed=1)
    assert torch.allclose(fuse(v, s, alpha=0.0), F.normalize(v, dim=-1), atol=1e-6)
    assert torch.allclose(add(v, s, shots=K, alpha=0.0), F.normalize(v, dim=-1), atol=1e-6)
    assert torch.allclose(fuse_evidence(v, s, torch.ones(D), shots=K, alpha=1.0)[0], s, atol=1e-6)
    assert torch.allclose(fuse_evidence(v, s, torch.ones(D), shots=K, alpha=0.0)[0], v, atol=1e-6)


def test_where_all_pictures_lie_elsewhere_the_classes_are_drawn_to_where_they_lie() -> None:
    v, s = torch.randn(2, 4, 5, D, generator=torch.Generator().manual_seed(0))
    here, there = (
        fuse_evidence(v + far, s, torch.ones(D), shots=K, alpha=0.5, offset=torch.full((4, 1, D), far))[0]
        for far in (0.0, 3.0)
    )
    torch.testing.assert_close(there, here + 3)


def test_a_share_outside_0_to_1_is_refused(head: VSBird) -> None:
    with pytest.raises(ValueError, match=r"alpha must lie between"):
        SynTrans(head, rand(N, S), alpha=1.2)


def test_a_gate_that_is_shut_leaves_numbers(head: VSBird) -> None:
    with torch.no_grad():
        head.text_gate.bias.fill_(-1000.0)
    for alpha in (0.0, 0.5, 1.0):
        scored = scores(head, alpha=alpha, text=rand(N, S), support=rand(2, N, K, D), query=rand(2, N * Q, D, seed=1))
        assert scored.isfinite().all()
