"""Evidence fusion where alpha of val stands: what does not depend on a task is computed once, per class."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from syntrans_training.modules.fusion import parts
from syntrans_training.modules.vsbird import BaseClassMemory, VSBird


class EvidenceOfVal:
    """Classifiers of one head and the texts of a split, where fusion is `evidence` and alpha of val stands.

    Those of `VSBird.classify`, docs/method.md (22) and (23): every direction has one precision in all tasks, so what
    does not depend on a task is made once, per class. Of a task only its visual weights are gone through.

    Args: semantic: [C, d] what the texts of the split's classes predict; alpha: of val; shots: of every class.
    """

    def __init__(
        self, head: VSBird, memory: BaseClassMemory, semantic: Float[Tensor, "c d"], *, alpha: float, shots: int
    ) -> None:
        precision, (self.of_pictures, of_text) = memory.metric.precision, parts(alpha)
        total = self.of_pictures * shots + of_text * precision
        self.scaled = head.log_scale.exp() / (1 + 1 / total)  # of the logits, by the variance of a query
        self.visual = self.of_pictures * shots / total
        self.text = of_text * precision / total * semantic
        self.weight = self.scaled * self.text
        self.square = (self.weight * self.text).sum(-1)
        self.gate = head.text_gate
        rho = 1 / (1 / shots + 1 / precision)
        self.expected, self.plain = rho * semantic, semantic.square() @ rho / 2

    def __call__(
        self, mean: Float[Tensor, "e n d"], visual: Float[Tensor, "e n d"], classes: Int[Tensor, "e n"]
    ) -> tuple[Float[Tensor, "e n d"], Float[Tensor, "e n"]]:
        """Weights and biases of tasks with these classes of the split, from supports' means and visual weights."""
        gate = self._gate(mean, classes)
        visual = self.visual * visual
        crossed = gate * _own(visual @ self.weight.T, classes)
        weight = self.scaled * visual
        square = torch.linalg.vecdot(weight, visual) + 2 * crossed + gate.square() * self.square[classes]
        return weight.addcmul_(gate.unsqueeze(-1), self.weight[classes]), -square / 2

    def _gate(self, mean: Float[Tensor, "e n d"], classes: Int[Tensor, "e n"]) -> Float[Tensor, "e n"]:
        if self.gate is None:
            return torch.ones_like(classes, dtype=mean.dtype)
        evidence = _own(mean @ self.expected.T, classes) - self.plain[classes]
        return 1 - self.of_pictures * (1 - self.gate.opened(evidence))


def _own(products: Float[Tensor, "e n c"], classes: Int[Tensor, "e n"]) -> Float[Tensor, "e n"]:
    """Of products with all classes those of each with its own."""
    return products.gather(-1, classes.unsqueeze(-1)).squeeze(-1)
