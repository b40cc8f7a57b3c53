"""SemAlign's network."""

import torch

from syntrans_training.modules.semalign import SemAlign


def test_centres_of_a_few_classes_are_those_of_each_picture_with_its_text() -> None:
    torch.manual_seed(0)
    network, text, features = SemAlign(4, 6, hidden=16), torch.randn(3, 4), torch.randn(5, 6)
    classes = torch.tensor([2, 0, 2, 1, 1])
    assert torch.allclose(network.centres(features, text, classes), network(text[classes], features), atol=1e-6)
