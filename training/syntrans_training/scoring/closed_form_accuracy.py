"""Accuracy on val of many closed forms in one pass: supports and queries are gathered once for all of them."""

from collections.abc import Callable, Mapping
from functools import partial

import torch
from jaxtyping import Float, Int
from torch import Tensor

from syntrans_training.engine.devices import thread_pool
from syntrans_training.episodes.sampler import Episodes
from syntrans_training.methods.base import right_answers
from syntrans_training.modules.closed_form import ClosedForms

CHUNK = 25  # episodes at once: what is made of a form stays in a core's cache


def closed_form_accuracies(
    forms: Callable[[int], ClosedForms], features: Float[Tensor, "m d"], tasks: Mapping[int, Episodes]
) -> list[float]:
    """Of each of the forms, averaged over the numbers of shots of `tasks`; `features` are what the forms look at."""
    accuracies = []
    with thread_pool() as pool:
        for shots, of_shots in tasks.items():
            closed_forms = forms(shots)
            few = 2 * len(features) <= of_shots.classes.size  # pictures recur, so each is read once
            readings = closed_forms.reading(features) if few else None
            answer = partial(_hits, closed_forms, features, readings)
            hits = sum(pool.map(answer, of_shots.chunks(CHUNK)))
            accuracies.append(torch.as_tensor(hits).double() / of_shots.query.size)
    return torch.stack(accuracies).mean(0).tolist()


@torch.inference_mode()
def _hits(
    forms: ClosedForms, features: Float[Tensor, "m d"], readings: Float[Tensor, "m f r"] | None, part: Episodes
) -> Int[Tensor, " f"]:
    """Queries that each form gets right, over all episodes of the chunk; `readings`: what they read of the features."""
    classes, support = torch.from_numpy(part.classes), torch.from_numpy(part.support)
    query = features[torch.from_numpy(part.query).flatten(1)]
    reading = None if readings is None else readings[support].mean(2)
    weight, bias = forms(features[support].mean(2), classes, reading)
    scores = (weight.flatten(1, 2) @ query.mT).view(*bias.shape, -1)  # [e, f, n, m]
    scores += bias.unsqueeze(-1)
    return right_answers(scores).sum((0, 2))
