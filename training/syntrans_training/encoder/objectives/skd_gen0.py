"""SKD generation 0: an encoder that must also say which way up a picture stands.

Rajasegaran et al. (arXiv 2006.09785): the batch is seen in four orientations, all of them carry the class label, and a
second linear map reads the orientation off the class logits (not off the features).
"""

import torch
from jaxtyping import Int
from torch import Tensor, nn

from syntrans_training.backbones import Encoder, place
from syntrans_training.data.augment import Pictures
from syntrans_training.losses.rotation import four_rotations, gen0_loss


class SKDGen0:
    """Generation 0 of Rajasegaran et al., "Self-supervised Knowledge Distillation for Few-shot Learning".

    https://arxiv.org/abs/2006.09785 (2020), docs/method.md (10). Encoder, class head and rotation head; a batch of b
    pictures costs 4b. `gamma` weighs the rotation loss, `label_smoothing` is a share in [0, 1).
    """

    def __init__(
        self, encoder: Encoder, pictures: Pictures, *, n_classes: int, gamma: float = 2.0, label_smoothing: float = 0.0
    ) -> None:
        self.pictures, self.n_items = pictures, len(pictures)
        self.gamma, self.label_smoothing = gamma, label_smoothing
        self.encoder, self.head = encoder, nn.Linear(encoder.feature_dim, n_classes)
        self.rotation_head = nn.Linear(n_classes, 4)
        parts = {"encoder": self.encoder, "head": self.head, "rotation_head": self.rotation_head}
        self.module: nn.Module = place(nn.ModuleDict(parts), pictures.device)

    def losses(self, items: Int[Tensor, " b"], generator: torch.Generator) -> dict[str, Tensor]:
        """Cross-entropy and rotation loss of random views of the pictures numbered `items`."""
        views, labels = self.pictures.batch(items, generator)
        logits = self.head(self.encoder(four_rotations(views)))
        rotation_logits = self.rotation_head(logits)
        return gen0_loss(
            labels=labels,
            logits=logits.float(),
            rotation_logits=rotation_logits.float(),
            gamma=self.gamma,
            label_smoothing=self.label_smoothing,
        )
