"""Views of pictures, of all or of a share."""

import numpy as np
import torch
from still_pictures import CPU, PIXELS

from syntrans_training.data.augment import Pictures


def test_processes_that_share_a_batch_see_what_one_would_see() -> None:
    wild = {"size": 16, "crop_area": (0.3, 0.9), "flip": 0.5, "jitter": 0.4}
    parts = [Pictures(PIXELS, np.arange(12), device=CPU, view=wild, shard=s) for s in ((0, 1), (0, 2), (1, 2))]
    items = torch.tensor([5, 1, 8, 2])
    whole, first, second = (part.batch(items, torch.Generator().manual_seed(4)) for part in parts)
    for i in range(2):
        assert torch.equal(whole[i], torch.cat([first[i], second[i]]))
