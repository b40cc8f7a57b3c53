"""Generation 1 of SKD: keep the teacher's soft labels, and say the same of a picture turned by 180 degrees.

Rajasegaran et al., "Self-supervised Knowledge Distillation for Few-shot Learning" (arXiv 2006.09785), as their code
computes it: no cross-entropy on the labels, and gamma is divided by 3 although one twin of the three is used.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def gen1_loss(
    *,
    student: Float[Tensor, "b c"],
    twin: Float[Tensor, "b c"],
    teacher: Float[Tensor, "b c"],
    temperature: float = 2.0,
    gamma: float = 0.1,
) -> dict[str, Float[Tensor, ""]]:
    """docs/method.md (11): T^2 KL(teacher || student) upright, gamma/3 times the mean distance of the twins' logits.

    Args:
        student: the student's logits of the upright pictures.
        twin: the student's logits of the same pictures turned by 180 degrees.
        teacher: the frozen teacher's logits of the upright pictures.
        temperature: T; softens both distributions.
        gamma: weight of the twins.
    """
    kl = F.kl_div(
        F.log_softmax(student / temperature, dim=1),
        F.log_softmax(teacher / temperature, dim=1),
        reduction="batchmean",
        log_target=True,
    )
    # vector_norm's gradient at equal logits is 0; that of a square root would be NaN.
    distance = torch.linalg.vector_norm(twin - student, dim=1).mean()
    return {"distillation": temperature**2 * kl, "twin": gamma / 3 * distance}
