"""Baselines: each against a naive loop, on a separable problem, and under a change of the classes' order."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from syntrans_training.methods import (
    AM3,
    AttentionWeights,
    CosineClassifier,
    Euclidean,
    KnowledgeTransfer,
    Prototype,
    RidgeRegression,
    SemanticAlignment,
    SimpleShot,
    TipAdapter,
    accuracy,
)
from syntrans_training.modules.am3_gate import AM3Gate
from syntrans_training.modules.attention import AttentionGenerator
from syntrans_training.modules.semalign import SemAlign

E, N, K, Q, D, C, S = 6, 5, 3, 4, 16, 9, 7


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


CENTRES = torch.randn(C, D, generator=seeded(5))
TEXT = F.normalize(torch.randn(C, S, generator=seeded(6)), dim=-1)


def draw(noise, episodes=E):
    generator = seeded()
    classes = torch.stack([torch.randperm(C, generator=generator)[:N] for _ in range(episodes)])
    centres = CENTRES[classes].unsqueeze(2)
    support = centres + noise * torch.randn(episodes, N, K, D, generator=generator)
    query = (centres + noise * torch.randn(episodes, N, Q, D, generator=generator)).flatten(1, 2)
    return support, query, classes


def generator(base=12):
    torch.manual_seed(0)
    return AttentionGenerator(torch.randn(base, D, generator=seeded(3)))


def module(kind, *arguments, **keywords):
    torch.manual_seed(0)
    return kind(*arguments, **keywords)


METHODS = {
    "euclidean": Euclidean,
    "simpleshot": lambda: SimpleShot(torch.full((D,), 0.1)),
    "ridge": lambda: RidgeRegression(lam=0.5),
    "cosine": lambda: CosineClassifier(steps=5),
    "attention": lambda: AttentionWeights(generator()),
    "fsktn": lambda: KnowledgeTransfer(CENTRES),
    "am3": lambda: AM3(module(AM3Gate, S, D, hidden=8), TEXT),
    "semalign": lambda: SemanticAlignment(module(SemAlign, S, D, hidden=8), TEXT, k=0.9),
    "tip": lambda: TipAdapter(CENTRES, alpha=50.0, beta=3.0),
    "tip_f": lambda: TipAdapter(CENTRES, alpha=50.0, beta=3.0, steps=5),
}


@pytest.mark.parametrize("name", METHODS)
def test_permuting_the_classes_permutes_the_scores(name) -> None:
    support, query, classes = draw(1.0)
    order = torch.tensor([3, 0, 4, 1, 2])
    found = METHODS[name]().scores(support, query, classes)
    permuted = METHODS[name]().scores(support[:, order], query, classes[:, order])
    assert torch.allclose(permuted, found[..., order], atol=2e-4, rtol=1e-4)


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


def test_euclidean_ranks_as_the_distance_to_the_mean() -> None:
    support, query, classes = draw(1.0)
    distances = torch.cdist(query, support.mean(2)).square()
    found = Euclidean().scores(support, query, classes)
    expected = (query.square().sum(-1, keepdim=True) - distances) / 2
    assert torch.allclose(found, expected, atol=1e-4)


def test_ridge_equals_scikit_learn_episode_by_episode() -> None:
    from sklearn.linear_model import Ridge

    support, query, classes = draw(1.0)
    found = RidgeRegression(lam=0.5).scores(support, query, classes)
    for e in range(E):
        z = F.normalize(support[e], dim=-1).flatten(0, 1).numpy()
        fitted = Ridge(alpha=0.5, fit_intercept=False).fit(z, np.repeat(np.eye(N), K, 0))
        expected = fitted.predict(F.normalize(query[e], dim=-1).numpy())
        assert np.allclose(found[e].numpy(), expected, atol=1e-5)


def test_a_cosine_classifier_equals_training_each_episode_alone() -> None:
    support, query, classes = draw(1.0)
    found = CosineClassifier(steps=7, lr=0.05).scores(support, query, classes)
    labels = torch.arange(N).repeat_interleave(K)
    for e in range(E):
        z = F.normalize(support[e], dim=-1)
        weights = F.normalize(z.mean(1), dim=-1).clone().requires_grad_()
        optimizer = torch.optim.AdamW([weights], lr=0.05, weight_decay=0.0)
        for _ in range(7):
            optimizer.zero_grad()
            loss = F.cross_entropy(10 * F.linear(z.flatten(0, 1), F.normalize(weights, dim=-1)), labels)
            loss.backward()
            optimizer.step()
        expected = F.linear(F.normalize(query[e], dim=-1), F.normalize(weights, dim=-1))
        assert torch.allclose(found[e], expected, atol=1e-5)


def test_no_steps_leave_the_prototypes() -> None:
    task = draw(1.0)
    assert torch.allclose(CosineClassifier(steps=0).scores(*task), Prototype().scores(*task), atol=1e-6)


def test_tip_adapter_equals_its_formula_with_one_hot_values() -> None:
    support, query, classes = draw(1.0)
    found = TipAdapter(CENTRES, alpha=2.0, beta=3.0).scores(support, query, classes)
    one_hot = torch.eye(N).repeat_interleave(K, 0)
    for e in range(E):
        x, keys = F.normalize(query[e], dim=-1), F.normalize(support[e], dim=-1).flatten(0, 1)
        text = F.normalize(CENTRES[classes[e]], dim=-1)
        expected = 100 * x @ text.T + 2.0 * torch.exp(-3.0 * (1 - x @ keys.T)) @ one_hot
        assert torch.allclose(found[e], expected, atol=1e-4)


def test_tip_adapter_without_its_cache_is_zero_shot() -> None:
    support, query, classes = draw(1.0)
    found = TipAdapter(CENTRES, alpha=0.0, beta=3.0).scores(support, query, classes)
    expected = 100 * F.normalize(query, dim=-1) @ F.normalize(CENTRES[classes], dim=-1).mT
    assert torch.allclose(found, expected, atol=1e-4)


def test_steps_on_the_keys_lower_the_loss_on_the_supports() -> None:
    support, _, classes = draw(1.0)
    own = support.flatten(1, 2)
    frozen, tuned = (TipAdapter(CENTRES.flip(0), alpha=20.0, beta=3.0, steps=n, lr=0.02) for n in (0, 20))
    truth = torch.arange(N).repeat_interleave(K).expand(E, -1)
    before, after = (F.cross_entropy(m.scores(support, own, classes).mT, truth) for m in (frozen, tuned))
    assert after < before


def test_am3_ranks_as_the_distance_to_the_mixed_prototypes() -> None:
    support, query, classes = draw(1.0)
    gate = module(AM3Gate, S, D, hidden=8).eval()
    found = AM3(gate, TEXT).scores(support, query, classes)
    for e in range(E):
        p = F.normalize(F.normalize(support[e], dim=-1).mean(1), dim=-1)
        w = F.normalize(gate.transform(TEXT[classes[e]]), dim=-1)
        share = torch.sigmoid(gate.share(w))
        distance = torch.cdist(query[e], share * p + (1 - share) * w).square()
        expected = 10 * (query[e].square().sum(-1, keepdim=True) - distance)
        assert torch.allclose(found[e], expected, atol=2e-3)


def test_semalign_with_all_weight_on_prototypes_is_visual() -> None:
    task = draw(1.0)
    found = SemanticAlignment(module(SemAlign, S, D, hidden=8), TEXT, k=1.0).scores(*task)
    assert torch.allclose(found, Prototype().scores(*task), atol=1e-6)


def test_fake_novel_classes_get_no_attention() -> None:
    net = generator()
    support, _, _ = draw(1.0)
    held_out_mask = torch.zeros(E, 12, dtype=torch.bool)
    held_out_mask[:, [2, 5]] = True
    attention = net.attention(support, held_out_mask)
    assert attention[..., [2, 5]].abs().max() == 0
    assert torch.allclose(attention.sum(-1), torch.ones(E, N, K))
    before = net(support, held_out_mask)
    net.base[[2, 5]] = 100.0
    assert torch.equal(net(support, held_out_mask), before)


@pytest.mark.parametrize("i", range(3))
def test_the_generator_gives_the_numbers_of_its_authors_code(
    reference: Callable[[str], dict[str, Any]], i: int
) -> None:
    case = reference("gidaris")["cases"][i]
    arrays = {k: torch.from_numpy(v) for k, v in {**case["inputs"], **case["weights"]}.items()}
    dtype = arrays["support_features"].dtype
    net = AttentionGenerator(arrays["weight_base"]).to(dtype)
    net.load_state_dict(
        {
            "base": arrays["weight_base"],
            "keys": arrays["keys"],
            "query.weight": arrays["phi_q_weight"],
            "query.bias": arrays["phi_q_bias"],
            "average": arrays["phi_avg"],
            "attended": arrays["phi_att"],
            "sharpness": arrays["scale_att"][0],
            "scale": arrays["scale_cls"][0],
            "bias": arrays["cls_bias"][0],
        }
    )
    e, n = len(arrays["base_ids"]), int(arrays["support_labels"].max()) + 1
    by_class = arrays["support_labels"].argsort(dim=1, stable=True)
    support = arrays["support_features"][torch.arange(e)[:, None], by_class].unflatten(1, (n, -1))
    held_out_mask = torch.ones(e, 8, dtype=torch.bool).scatter(1, arrays["base_ids"], value=False)
    weights = net(support, held_out_mask)
    expected = case["outputs"]["float64"]
    assert np.allclose(weights.detach().numpy(), expected["novel_weights"], atol=1e-9)
    both = torch.cat([torch.from_numpy(expected["base_weights"]), weights], 1)
    logits = net.logits(arrays["query_features"], both)
    assert np.allclose(logits.detach().numpy(), expected["logits"], atol=1e-9)
    loss = F.cross_entropy(logits.flatten(0, 1), torch.from_numpy(expected["ce_targets"]).flatten())
    loss.backward()
    grads = expected["grads"]
    assert loss.item() == pytest.approx(expected["ce_loss"], abs=1e-9)
    assert np.allclose(net.keys.grad.numpy(), grads["keys"], atol=1e-9)
    assert np.allclose(net.query.weight.grad.numpy(), grads["phi_q_weight"], atol=1e-9)
    assert np.allclose(net.attended.grad.numpy(), grads["phi_att"], atol=1e-9)


@pytest.mark.parametrize("i", [0, 1])
def test_the_rule_of_one_over_k_gives_the_numbers_of_its_authors_code(
    reference: Callable[[str], dict[str, Any]], i: int
) -> None:
    case = reference("fsktn")["cases"][i]
    arrays = {k: torch.from_numpy(v) for k, v in {**case["inputs"], **case["weights"]}.items()}
    labels = arrays["support_labels"][0]
    support = arrays["support_features"][:, labels.argsort(stable=True)].unflatten(1, (5, -1))
    method = KnowledgeTransfer(arrays["knowledge_classifier_weights"])
    classes = arrays["novel_graph_ids"]
    expected = case["outputs"]["float64"]
    assert np.allclose(method.novel_weights(support, classes).numpy(), expected["novel_weights"], atol=1e-9)
    found = method.scores(support, arrays["query_features"], classes)
    logits = arrays["scale_cls"] * (found + arrays["cls_bias"])
    assert np.allclose(logits.numpy(), expected["logits"][..., -5:], atol=1e-9)


@pytest.mark.parametrize("i", [0, 1])
def test_simpleshot_gives_the_numbers_of_easyfsl(reference: Callable[[str], dict[str, Any]], i: int) -> None:
    case = reference("easyfsl")["cases"][i]
    arrays = {name: torch.from_numpy(value) for name, value in case["inputs"].items()}
    order = arrays["support_labels"].argsort(stable=True)
    support = arrays["support_features"][order].view(1, 5, case["shot"], -1)
    query = arrays["query_features"].unsqueeze(0)
    found = SimpleShot(arrays["centering_vector"]).scores(support, query, torch.arange(5).unsqueeze(0))[0]
    assert np.allclose(found.numpy(), case["simpleshot_centered_l2norm_logits"], atol=1e-6)
