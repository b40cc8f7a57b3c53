"""SynTrans whose supports are joined by imagined pictures, which a diffusion model made from the classes' texts."""

from dataclasses import replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from syntrans_training.methods.base import LinearClassifiers, LinearMethod
from syntrans_training.methods.syntrans import SynTrans
from syntrans_training.modules.fusion import fuse_evidence


class ImaginedSynTrans(LinearMethod):
    """docs/method.md (35). Args: inductive: SynTrans without them; mean: [C, d] mean phi of the imagined pictures of
    every class; worth: [C] real supports that they count as together.

    They move the class mean and add to the number of supports in the fusion. What judges the text, the gate and alpha,
    sees the real supports alone: imagined pictures come from that very text and would always agree with it.
    """

    def __init__(self, inductive: SynTrans, mean: Float[Tensor, "c d"], worth: Float[Tensor, " c"]) -> None:
        if inductive.head.fusion != "evidence":
            raise ValueError("imagined pictures count as supports only where fusion is `evidence`")
        self.inductive, self.worth = inductive, worth
        self.mean = inductive.memory.project(mean)

    @torch.no_grad()
    def classifiers(self, support: Float[Tensor, "e n k d"], classes: Int[Tensor, "e n"]) -> LinearClassifiers:
        """See `LinearMethod.classifiers`."""
        ours, shots = self.inductive, support.shape[2]
        mean = ours.memory.project(support.mean(2))
        made = ours.head.weights(mean, ours.semantic[classes], ours.memory, shots=shots)
        worth = self.worth[classes].unsqueeze(-1)
        average = (shots * mean + worth * self.mean[classes]) / (shots + worth)
        # What the generator adds to the mean of the supports is added to the mean of all.
        made = replace(made, visual=made.visual + average - mean)
        alpha, told = ours.alphas(support, classes), (made.visual, made.semantic, made.precision)
        fused, _ = fuse_evidence(*told, shots=shots + worth, alpha=alpha, trust=made.trust)
        # One variance for all classes of a task, also where some have no imagined picture.
        _, variance = fuse_evidence(*told, shots=shots + worth.mean(1, keepdim=True).expand_as(worth), alpha=alpha)
        scale = ours.head.log_scale.exp()
        weight, bias = scale * fused / variance, -scale * (fused.square() / variance).sum(-1) / 2
        return LinearClassifiers(weight @ ours.memory.metric.transform, bias)
