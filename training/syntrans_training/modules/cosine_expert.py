"""A second classifier beside that of the shared space, for pictures of another domain: cosines in a rounder metric.

The metric of the shared space is that of base classes. Directions in which those scatter are held down, and in another
domain they may tell classes apart; so here the scatter is pulled half way to a sphere. Log-likelihoods of the one
classifier and cosines of the other are added: a product of experts, Hinton, "Training Products of Experts by Minimizing
Contrastive Divergence" (Neural Computation 14(8), 2002). Derived, docs/method.md (35a).
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from syntrans_training.modules.fusion import add

PULL = 1.0  # of the sphere, in units of the scatter: half way


@dataclass(frozen=True)
class CosineExpert:
    """`rounded` [d, d] takes rows of the shared space to where they are compared, by z M^T; `length` [] is how long a
    base picture is there (root of the mean square).
    """

    rounded: Float[Tensor, "d d"]
    length: Float[Tensor, ""]

    def weights(
        self,
        visual: Float[Tensor, "e n d"],
        semantic: Float[Tensor, "e n d"],
        *,
        shots: float | Float[Tensor, "e n 1"],
        believed: float | Float[Tensor, "e 1 1"],
    ) -> Float[Tensor, "e n d"]:
        """Of classes, for pictures z of the shared space: z @ w is the cosine of a picture that is as long as most.

        The text counts as `believed` / K supports beside those of the class, as FS-KTN has it (docs/method.md (25)).
        """
        both = (x @ self.rounded.T for x in (visual, semantic))
        return add(*both, shots=shots, alpha=believed) @ self.rounded / self.length


def cosine_expert(transform: Float[Tensor, "d d"], base: Float[Tensor, "c d"]) -> CosineExpert:
    """Of the space that `transform` A leads to, in which pictures scatter by 1 around the `base` class means.

    The scatter before A is (A^T A)^(-1), so a sphere of its trace is A A^T in the space but for a factor.
    """
    values, vectors = torch.linalg.eigh((transform @ transform.T).double())
    values = values.clamp(min=1e-9 * float(values[-1]))
    scatter = (1 + PULL * (1 / values).mean() * values) / (1 + PULL)
    rounded = ((vectors * scatter.rsqrt()) @ vectors.T).to(transform.dtype)
    return CosineExpert(rounded, (rounded.square().sum() + (base @ rounded.T).square().sum(1).mean()).sqrt())
