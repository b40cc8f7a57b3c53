"""Generation 0 of SKD: classify the class in every orientation, and from the class logits the orientation.

Rajasegaran et al., "Self-supervised Knowledge Distillation for Few-shot Learning" (arXiv 2006.09785), as their code
computes it.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor


def four_rotations(images: Float[Tensor, "b c s s"]) -> Float[Tensor, "4*b c s s"]:
    """Blocks of the batch turned counter-clockwise by 0, 90, 180 and 270 degrees."""
    return torch.cat([torch.rot90(images, k, (2, 3)) for k in range(4)])


def gen0_loss(
    *,
    labels: Int[Tensor, " b"],
    logits: Float[Tensor, "4*b c"],
    rotation_logits: Float[Tensor, "4*b 4"],
    gamma: float = 2.0,
    label_smoothing: float = 0.0,
) -> dict[str, Float[Tensor, ""]]:
    """docs/method.md (10): cross-entropy over all orientations, and `gamma` times the rotation loss.

    The rotation loss is a binary cross-entropy against the one-hot orientation, the mean over all 4B x 4 entries.
    Rows are in `four_rotations`' order.
    """
    orientation = torch.arange(4, device=labels.device).repeat_interleave(len(labels))
    target = F.one_hot(orientation, 4).to(rotation_logits.dtype)
    return {
        "cross_entropy": F.cross_entropy(logits, labels.repeat(4), label_smoothing=label_smoothing),
        "rotation": gamma * F.binary_cross_entropy_with_logits(rotation_logits, target),
    }
