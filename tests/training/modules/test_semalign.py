"""SemAlign's network."""

import torch

from syntrans_training.modules.semalign import SemAlign


def test_the_mean_centre_is_the_mean_of_the_centres() -> None:
    torch.manual_seed(0)
    network, text, features = SemAlign(4, 6, hidden=16), torch.randn(2, 3, 4), torch.randn(2, 3, 5, 6)
    centres = network(text.unsqueeze(2).expand(2, 3, 5, 4), features)
    assert torch.allclose(network.mean_centre(text, features), centres.mean(2), atol=1e-6)
