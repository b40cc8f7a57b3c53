"""SynTrans: the bridge's classifier weights (modules/vsbird.py) from supports and from what is known of the classes."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from syntrans_training.methods.base import LinearClassifiers, LinearMethod
from syntrans_training.modules.vsbird import VSBird

BLOCK = 50  # episodes whose weights stay in a core's cache


class SynTrans(LinearMethod):
    """Args: head: a trained bridge; text: [C, s] class vectors of the split; alpha: 0 visual to 1 semantic.

    Supports and queries are phi(x) of modules/shared_space.py.
    """

    def __init__(self, head: VSBird, text: Float[Tensor, "c s"], *, alpha: float) -> None:
        if not 0 <= alpha <= 1:
            raise ValueError(f"alpha must lie between 0 (visual) and 1 (semantic), got {alpha}")
        self.head, self.alpha = head.eval(), alpha
        with torch.no_grad():
            self.memory = head.build_memory()
            self.semantic = head.semantic(text, self.memory)

    def classifiers(self, support: Float[Tensor, "e n k d"], classes: Int[Tensor, "e n"]) -> LinearClassifiers:
        """See `LinearMethod.classifiers`."""
        blocks = zip(torch.split(support, BLOCK), torch.split(classes, BLOCK), strict=True)
        weights, biases = zip(*(self._block(*block) for block in blocks), strict=True)
        return LinearClassifiers(torch.cat(weights), torch.cat(biases))

    @torch.no_grad()
    def _block(
        self, support: Float[Tensor, "e n k d"], classes: Int[Tensor, "e n"]
    ) -> tuple[Float[Tensor, "e n d"], Float[Tensor, "e n"]]:
        shots = support.shape[2]
        mean = self.memory.project(support.mean(2))
        made = self.head.weights(mean, self.semantic[classes], self.memory, shots=shots)
        weight, bias = self.head.classifier(made, shots=shots, alpha=self.alpha)
        return weight @ self.memory.metric.transform, bias
