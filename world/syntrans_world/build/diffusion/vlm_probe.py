"""A judge of imagined pictures beside CLIP, which has a part in the loss of the autoencoder that it judges."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from syntrans_world.build.diffusion.pipeline import POOL_SEED
from syntrans_world.build.pictures import draw_pool
from syntrans_world.build.vision import encode

PICTURES = 1200  # real ones that it learns from, of combinations that models were trained on


class VlmProbe:
    """Linear probes of the vision tower of the world's VLM, fitted on real pictures."""

    def __init__(self, vlm_folder: Path) -> None:
        from sklearn.linear_model import LogisticRegression
        from transformers import Qwen2_5_VLForConditionalGeneration

        self.tower = Qwen2_5_VLForConditionalGeneration.from_pretrained(vlm_folder, dtype=torch.float32).model.visual
        pictures, attributes = draw_pool(PICTURES, seed=POOL_SEED, held_out=False)
        features = self._features(pictures)
        self.mean, self.spread = features.mean(0), features.std(0) + 1e-6
        rows = (features - self.mean) / self.spread
        self.probes = [LogisticRegression(C=0.1, max_iter=300).fit(rows, of_slot) for of_slot in attributes.T.numpy()]

    def right(self, pictures: UInt8[Tensor, "n 3 64 64"], attributes: Int[Tensor, "n 6"]) -> Bool[Tensor, "n 6"]:
        """Whether each slot's value is found."""
        rows: Any = (self._features(pictures) - self.mean) / self.spread
        predicted = np.stack([probe.predict(rows) for probe in self.probes], 1)
        return torch.from_numpy(predicted) == attributes

    @torch.no_grad()
    def _features(self, pictures: UInt8[Tensor, "n 3 64 64"]) -> Float[np.ndarray, "n d"]:
        """Mean and spread of the image tokens."""
        tokens = torch.cat([encode(self.tower, part) for part in pictures.split(50)])
        return torch.cat([tokens.mean(1), tokens.std(1)], 1).numpy()
