"""A cosine classifier trained on the supports."""

import torch
import torch.nn.functional as F
from drawn_episodes import E, K, N, draw

from syntrans_training.methods import CosineClassifier, Prototype


def test_a_cosine_classifier_equals_training_each_episode_alone() -> None:
    support, query, classes = draw(1.0)
    scores = CosineClassifier(steps=7, lr=0.05).scores(support, query, classes)
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
        assert torch.allclose(scores[e], expected, atol=1e-5)


def test_no_steps_leave_the_prototypes() -> None:
    task = draw(1.0)
    assert torch.allclose(CosineClassifier(steps=0).scores(*task), Prototype().scores(*task), atol=1e-6)
