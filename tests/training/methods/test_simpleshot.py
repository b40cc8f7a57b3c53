"""SimpleShot, beside easyfsl."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from syntrans_training.methods import SimpleShot


@pytest.mark.parametrize("i", [0, 1])
def test_simpleshot_gives_the_numbers_of_easyfsl(reference: Callable[[str], dict[str, Any]], i: int) -> None:
    case = reference("easyfsl")["cases"][i]
    arrays = {name: torch.from_numpy(value) for name, value in case["inputs"].items()}
    order = arrays["support_labels"].argsort(stable=True)
    support = arrays["support_features"][order].view(1, 5, case["shot"], -1)
    query = arrays["query_features"].unsqueeze(0)
    scores = SimpleShot(arrays["centering_vector"]).scores(support, query, torch.arange(5).unsqueeze(0))[0]
    assert np.allclose(scores.numpy(), case["simpleshot_centered_l2norm_logits"], atol=1e-6)
