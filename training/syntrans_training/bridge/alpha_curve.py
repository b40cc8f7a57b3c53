"""Accuracy of one trained bridge over alpha, on the same episodes (the paper's figure 4)."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from syntrans_training.episodes.sampler import Episodes
from syntrans_training.methods import accuracy
from syntrans_training.modules.vsbird import VSBird

CHUNK = 100  # episodes in memory at once


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
    seen = memory.project(pictures)
    semantic = head.semantic(text, memory)
    shots = tasks.support.shape[2]
    found = []
    for part in tasks.chunks(CHUNK):
        classes, support, query = (torch.from_numpy(x) for x in (part.classes, part.support, part.query))
        made = head.weights(seen[support].mean(2), semantic[classes], memory, shots=shots)
        queries = seen[query.flatten(1)]
        of_part = []
        for alpha in alphas:
            weight, bias = head.classifier(made, shots=shots, alpha=alpha)
            of_part.append(accuracy(queries @ weight.mT + bias.unsqueeze(1)))
        found.append(torch.stack(of_part, 1))
    return torch.cat(found)
