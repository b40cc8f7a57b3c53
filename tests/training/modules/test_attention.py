"""The generator of Gidaris and Komodakis, beside its authors' numbers."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from drawn_episodes import E, K, N, draw, generator

from syntrans_training.modules.attention import AttentionGenerator


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
