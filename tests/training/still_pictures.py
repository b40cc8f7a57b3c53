"""Twelve small pictures of three classes, an encoder for them, and the losses of an objective on six of them."""

import numpy as np
import torch

from syntrans_training import backbones
from syntrans_training.data.augment import Pictures

CPU = torch.device("cpu")
PIXELS = np.random.default_rng(0).integers(0, 256, (12, 16, 16, 3), np.uint8)
STILL = {"size": 16, "crop_area": (1.0, 1.0), "flip": 0.0, "jitter": 0.0}


def pictures(**more):
    return Pictures(PIXELS, np.arange(12) % 3, device=CPU, view=STILL, **more)


def encoder():
    torch.manual_seed(0)
    return backbones.build("resnet12-tiny")


def losses(task):
    return task.losses(torch.arange(6), torch.Generator().manual_seed(0))
