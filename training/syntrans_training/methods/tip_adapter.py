"""Tip-Adapter and Tip-Adapter-F: CLIP's zero-shot scores plus a cache of the supports.

Zhang et al., "Tip-Adapter: Training-free Adaption of CLIP for Few-shot Classification" (ECCV 2022, arXiv 2207.09519),
docs/method.md (47):
    scores = 100 * x T^T + alpha * exp(-beta * (1 - x F^T)) L
with unit features x, unit text vectors T, the supports F [n*k, d] as keys and their one-hot labels L as values. The
F form fine-tunes the keys on the supports (AdamW, 1e-3). What we do differently: the supports are cached features,
so its steps see no new crops; their number is chosen on val.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from syntrans_training.modules.solvers.finetune import finetune

CLIP_SCALE = 100.0


class TipAdapter:
    """Tip-Adapter, with steps Tip-Adapter-F (Zhang et al., ECCV 2022, arXiv 2207.09519).

    Args: text: [C, d] text vectors of the split's classes; alpha, beta: as above; steps: 0 is training-free.
    """

    def __init__(
        self, text: Float[Tensor, "c d"], *, alpha: float, beta: float, steps: int = 0, lr: float = 1e-3
    ) -> None:
        self.text = F.normalize(text, dim=-1)
        self.alpha, self.beta, self.steps, self.lr = alpha, beta, steps, lr

    def scores(
        self, support: Float[Tensor, "e n k d"], query: Float[Tensor, "e m d"], classes: Int[Tensor, "e n"]
    ) -> Float[Tensor, "e m n"]:
        """See `Method.scores`."""
        keys, text = F.normalize(support, dim=-1).flatten(1, 2), self.text[classes]
        if self.steps:
            keys = finetune(keys, self._gradient, (keys, text), steps=self.steps, lr=self.lr, weight_decay=0.01)
        return self._adapted(keys, F.normalize(query, dim=-1), text)

    def _adapted(
        self, keys: Float[Tensor, "e nk d"], x: Float[Tensor, "e m d"], text: Float[Tensor, "e n d"]
    ) -> Float[Tensor, "e m n"]:
        return self._scores(self._affinity(keys, x), x, text)

    def _affinity(self, keys: Float[Tensor, "e nk d"], x: Float[Tensor, "e m d"]) -> Float[Tensor, "e m nk"]:
        return torch.exp(-self.beta * (1 - x @ keys.mT))

    def _scores(
        self, affinity: Float[Tensor, "e m nk"], x: Float[Tensor, "e m d"], text: Float[Tensor, "e n d"]
    ) -> Float[Tensor, "e m n"]:
        n = text.shape[1]
        cached = affinity.reshape(*affinity.shape[:2], n, -1).sum(-1)  # times one-hot labels: keys lie class by class
        return CLIP_SCALE * (x @ text.mT) + self.alpha * cached

    def _gradient(
        self, keys: Float[Tensor, "e nk d"], z: Float[Tensor, "e nk d"], text: Float[Tensor, "e n d"]
    ) -> Float[Tensor, "e nk d"]:
        """Of the mean cross-entropy of the supports z."""
        affinity, shots = self._affinity(keys, z), keys.shape[1] // text.shape[1]
        own = torch.eye(text.shape[1], device=z.device).repeat_interleave(shots, 0)
        of_scores = (self._scores(affinity, z, text).softmax(-1) - own) / z.shape[1]
        of_products = affinity * of_scores.repeat_interleave(shots, -1) * (self.alpha * self.beta)
        return of_products.mT @ z
