"""Cross-entropy on the base classes: the plain encoder that every later stage starts from."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from syntrans_training.data.augment import random_views


class Pretrain:
    """Linear classifier on an encoder, trained on random views of stored pictures.

    Args:
        encoder: module with `feature_dim`.
        pixels: [n, S, S, 3] uint8, on any device; views are made where they lie.
        labels: [n] class numbers in 0..n_classes-1.
        view: arguments of `random_views`.
    """

    def __init__(
        self,
        encoder: nn.Module,
        pixels: Tensor,
        labels: Tensor,
        *,
        n_classes: int,
        device: torch.device,
        view: dict[str, object],
        label_smoothing: float = 0.0,
    ) -> None:
        dim = int(encoder.feature_dim)  # type: ignore[arg-type]
        self.encoder, self.head = encoder, nn.Linear(dim, n_classes)
        self.module: nn.Module = nn.ModuleDict({"encoder": self.encoder, "head": self.head})
        self.module.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.pixels, self.labels, self.device = pixels, labels, device
        self.view, self.label_smoothing = view, label_smoothing
        self.n_items = len(labels)

    def losses(self, items: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        """Cross-entropy of random views of the pictures numbered `items`."""
        batch = self.pixels[items.to(self.pixels.device)].to(self.device)
        with torch.autocast(self.device.type, enabled=False):
            views = random_views(batch, generator, **self.view)  # type: ignore[arg-type]
        logits = self.head(self.encoder(views)).float()
        target = self.labels[items.to(self.labels.device)].to(self.device)
        return {"cross_entropy": F.cross_entropy(logits, target, label_smoothing=self.label_smoothing)}
