"""Cross-entropy on the base classes: the plain encoder."""

import torch
import torch.nn.functional as F
from jaxtyping import Int
from torch import Tensor, nn

from syntrans_training.backbones import Encoder, place
from syntrans_training.data.augment import Pictures


class CrossEntropy:
    """A linear classifier on an encoder, trained on random views."""

    def __init__(self, encoder: Encoder, pictures: Pictures, *, n_classes: int, label_smoothing: float = 0.0) -> None:
        self.pictures, self.n_items, self.label_smoothing = pictures, len(pictures), label_smoothing
        self.encoder, self.head = encoder, nn.Linear(encoder.feature_dim, n_classes)
        self.module: nn.Module = place(nn.ModuleDict({"encoder": self.encoder, "head": self.head}), pictures.device)

    def losses(self, items: Int[Tensor, " b"], generator: torch.Generator) -> dict[str, Tensor]:
        """Cross-entropy of random views of the pictures numbered `items`."""
        views, labels = self.pictures.batch(items, generator)
        logits = self.head(self.encoder(views)).float()
        return {"cross_entropy": F.cross_entropy(logits, labels, label_smoothing=self.label_smoothing)}
