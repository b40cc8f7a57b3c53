"""Accuracy of one trained bridge over alpha, on the same episodes (the paper's figure 4)."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from syntrans_training.episodes.sampler import Episodes
from syntrans_training.methods.base import right_answers
from syntrans_training.modules.vsbird import VSBird

CHUNK = 50  # episodes in memory at once


@torch.no_grad()
def alpha_curve(
    head: VSBird,
    pictures: Float[Tensor, "n d"],
    text: Float[Tensor, "c s"],
    tasks: Episodes,
    alphas: Sequence[float],
) -> Float[Tensor, "e a"]:
    """Accuracy of every episode at every alpha; phi `pictures` are projected and weights made once for all of them."""
    head.eval()
    memory = head.build_memory()
    projected = memory.project(pictures)
    semantic = head.semantic_weights(text, memory)
    shots = tasks.support.shape[2]
    accuracies = []
    for part in tasks.chunks(CHUNK):
        classes, support, query = (torch.from_numpy(x) for x in (part.classes, part.support, part.query))
        weights = head.both_weights(projected[support].mean(2), semantic[classes], memory, shots=shots)
        linear = [head.classify(weights, shots=shots, alpha=alpha) for alpha in alphas]
        accuracies.append(accuracies_of(linear, projected[query.flatten(1)]))
    return torch.cat(accuracies)


def accuracies_of(
    linear: Sequence[tuple[Float[Tensor, "e n d"], Float[Tensor, "e n"]]], query: Float[Tensor, "e m d"]
) -> Float[Tensor, "e a"]:
    """Accuracy of every episode by each of several linear classifiers, weights and biases."""
    weight, bias = (torch.cat(parts, 1) for parts in zip(*linear, strict=True))
    scores = weight @ query.mT + bias.unsqueeze(-1)
    scores = scores.view(len(query), len(linear), -1, query.shape[1])  # [e, a, n, m]
    return right_answers(scores).double().mean(-1)
