"""The rule of 1/K, beside its authors' numbers."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from syntrans_training.methods import KnowledgeTransfer


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
    assert np.allclose(
        method.novel_weights(method.read(support, classes), classes, support.shape[2]).numpy(),
        expected["novel_weights"],
        atol=1e-9,
    )
    scores = method.scores(support, arrays["query_features"], classes)
    logits = arrays["scale_cls"] * (scores + arrays["cls_bias"])
    assert np.allclose(logits.numpy(), expected["logits"][..., -5:], atol=1e-9)
