"""BatchNorm's mean and variance taken again at the end of a training, of pictures as features are extracted from them.

Those of training are of random crops at the size of training, and of weights that still moved.
"""

import numpy as np
import torch
from torch import Tensor, nn

from syntrans_training.data.augment import whole_views
from syntrans_training.data.store import Split
from syntrans_training.engine.devices import autocast

BATCH = 128


@torch.no_grad()
def retake_statistics(
    encoder: nn.Module, base: Split, *, pictures: int, size: int, device: torch.device, precision: str = "fp32"
) -> dict[str, Tensor]:
    """Precise BatchNorm (Wu and Johnson, arXiv 2105.07576) on whole pictures; the statistics before, by name.

    docs/method.md (11a). Always the same `pictures` of base classes, and their mirror images, at side `size`; all of
    them where there are fewer. Empty where the encoder has no BatchNorm. Leaves the encoder in eval mode.
    """
    norms = {n: m for n, m in encoder.named_modules() if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d)}
    if not norms:
        return {}
    before = {
        f"{name}.{key}": value.detach().clone()
        for name, norm in norms.items()
        for key, value in norm.named_buffers(recurse=False)
    }
    encoder.eval()
    momenta = {name: norm.momentum for name, norm in norms.items()}
    for norm in norms.values():
        norm.train()
    some = np.random.default_rng(0).permutation(len(base))[:pictures]
    step = 0
    for rows in np.array_split(some, max(1, len(some) // BATCH)):  # every batch holds pictures of many classes
        views = whole_views(torch.from_numpy(np.array(base.pixels[np.sort(rows)])).to(device), size=size)
        for view in (views, views.flip(3)):
            step += 1
            for norm in norms.values():
                norm.momentum = 1 / step  # every batch counts as much
            with autocast(device, precision):
                encoder(view)
    for name, norm in norms.items():
        norm.momentum = momenta[name]
    encoder.eval()
    return before
