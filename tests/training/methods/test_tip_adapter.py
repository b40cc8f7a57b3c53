"""Tip-Adapter, beside its formula."""

import torch
import torch.nn.functional as F
from drawn_episodes import CENTRES, E, K, N, draw

from syntrans_training.methods import TipAdapter


def test_tip_adapter_equals_its_formula_with_one_hot_values() -> None:
    support, query, classes = draw(1.0)
    scores = TipAdapter(CENTRES, alpha=2.0, beta=3.0).scores(support, query, classes)
    one_hot = torch.eye(N).repeat_interleave(K, 0)
    for e in range(E):
        x, keys = F.normalize(query[e], dim=-1), F.normalize(support[e], dim=-1).flatten(0, 1)
        text = F.normalize(CENTRES[classes[e]], dim=-1)
        expected = 100 * x @ text.T + 2.0 * torch.exp(-3.0 * (1 - x @ keys.T)) @ one_hot
        assert torch.allclose(scores[e], expected, atol=1e-4)


def test_tip_adapter_without_its_cache_is_zero_shot() -> None:
    support, query, classes = draw(1.0)
    scores = TipAdapter(CENTRES, alpha=0.0, beta=3.0).scores(support, query, classes)
    expected = 100 * F.normalize(query, dim=-1) @ F.normalize(CENTRES[classes], dim=-1).mT
    assert torch.allclose(scores, expected, atol=1e-4)


def test_steps_on_the_keys_lower_the_loss_on_the_supports() -> None:
    support, _, classes = draw(1.0)
    own = support.flatten(1, 2)
    frozen, tuned = (TipAdapter(CENTRES.flip(0), alpha=20.0, beta=3.0, steps=n, lr=0.02) for n in (0, 20))
    truth = torch.arange(N).repeat_interleave(K).expand(E, -1)
    before, after = (F.cross_entropy(m.scores(support, own, classes).mT, truth) for m in (frozen, tuned))
    assert after < before


def test_steps_on_the_keys_are_those_of_training_each_episode_alone() -> None:
    support, query, classes = draw(1.0)
    setting = {"alpha": 20.0, "beta": 3.0}
    of_tasks = TipAdapter(CENTRES, **setting, steps=5, lr=0.02).scores(support, query, classes)
    truth = torch.arange(N).repeat_interleave(K)
    for e in range(E):
        z, text = F.normalize(support[e], dim=-1).flatten(0, 1), F.normalize(CENTRES[classes[e]], dim=-1)
        keys = z.clone().requires_grad_()
        optimizer = torch.optim.AdamW([keys], lr=0.02, weight_decay=0.01)

        def scores(x: torch.Tensor, keys: torch.Tensor = keys, text: torch.Tensor = text) -> torch.Tensor:
            affinity = torch.exp(-setting["beta"] * (1 - x @ keys.T))
            return 100 * x @ text.T + setting["alpha"] * affinity @ F.one_hot(truth).float()

        for _ in range(5):
            optimizer.zero_grad()
            F.cross_entropy(scores(z), truth).backward()
            optimizer.step()
        assert torch.allclose(of_tasks[e], scores(F.normalize(query[e], dim=-1)), atol=1e-3)
