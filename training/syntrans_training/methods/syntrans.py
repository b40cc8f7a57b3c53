"""SynTrans: the bridge's classifier weights (modules/vsbird.py) from supports and from the classes' texts.

Tang, He, Qin, "Connecting Giants: Synergistic Knowledge Transfer of Large Multimodal Models for Few-Shot Learning"
(IJCAI 2025, arXiv 2510.11115). Its equations are not public; what is computed is derived, docs/method.md section 4.
"""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from syntrans_training.methods.base import LinearClassifiers, LinearMethod, ReadsSupports
from syntrans_training.methods.bridge_reader import BridgeReader, Reading
from syntrans_training.modules.evidence_of_val import EvidenceOfVal
from syntrans_training.modules.vsbird import BaseClassMemory, VSBird
from syntrans_training.text.task_alpha import Judged, Supports, TextWorth

ROUNDS = 8  # of expectation and maximisation; nothing moves after about six


class SynTrans(LinearMethod):
    """SynTrans (Tang, He, Qin, IJCAI 2025, arXiv 2510.11115), formulas derived.

    Args: head: a trained bridge; text: [C, s] class vectors of the split; alpha: 0 visual to 1 semantic, of val.

    With `worth` every task is fused as its supports say, and as nothing else says (inductive); with `blind` too, as
    domains have it on average, whatever the task shows.
    Supports and queries are phi(x) of modules/shared_space.py.
    """

    def __init__(
        self,
        head: VSBird,
        text: Float[Tensor, "c s"],
        *,
        alpha: float,
        worth: TextWorth | None = None,
        memory: BaseClassMemory | None = None,
        blind: bool = False,
    ) -> None:
        if not 0 <= alpha <= 1:
            raise ValueError(f"alpha must lie between 0 (visual) and 1 (semantic), got {alpha}")
        self.head, self.alpha, self.worth, self.blind = head.eval(), alpha, worth, blind
        with torch.no_grad():
            self.space = memory or head.build_memory()
            self.semantic = head.semantic_weights(text, self.space)
        self.reader = BridgeReader(head, self.space)
        self._of_val: dict[int, EvidenceOfVal] = {}

    @property
    def within(self) -> "SynTransWithin":
        """See `InSpace`."""
        return SynTransWithin(self)

    def of_val(self, shots: int) -> EvidenceOfVal:
        """The classifiers where alpha of val stands, for a number of shots."""
        if shots not in self._of_val:
            self._of_val[shots] = EvidenceOfVal(self.head, self.space, self.semantic, alpha=self.alpha, shots=shots)
        return self._of_val[shots]

    @torch.no_grad()
    def judge(self, support: Float[Tensor, "e n k d"], classes: Int[Tensor, "e n"]) -> Judged | None:
        """How every task is fused; None where alpha of val stands."""
        within = self.within
        return within.judge(within.read(self.space.project(support), classes), classes)

    def classifiers(self, support: Float[Tensor, "e n k d"], classes: Int[Tensor, "e n"]) -> LinearClassifiers:
        """See `LinearMethod.classifiers`."""
        with torch.no_grad():
            within = self.within.classifiers(self.space.project(support), classes)
            return replace(within, weight=within.weight @ self.space.metric.transform)


class SynTransWithin(ReadsSupports):
    """`SynTrans` of pictures in the shared space (docs/method.md section 4)."""

    def __init__(self, method: SynTrans) -> None:
        self.method, self.reader = method, method.reader

    def judge(self, reading: Reading, classes: Int[Tensor, "e n"]) -> Judged | None:
        """How every task is fused; None where alpha of val stands."""
        of = self.method
        if of.worth is None:
            return None
        if of.blind:
            return of.worth.prior(of.alpha, reading.shots, tasks=len(classes))
        return of.worth.judge(of.alpha, Supports(reading.mean, of.semantic[classes], reading.shots))

    @torch.no_grad()
    def classify(self, reading: Reading, classes: Int[Tensor, "e n"], shots: int) -> LinearClassifiers:
        """See `ReadsSupports`."""
        of, judged = self.method, self.judge(reading, classes)
        if judged is None and of.head.fusion == "evidence":
            return LinearClassifiers(*of.of_val(shots)(reading.mean, reading.visual, classes))
        weights = of.head.both_weights(reading.mean, of.semantic[classes], of.space, shots=shots, visual=reading.visual)
        of_task = {} if judged is None else vars(judged)
        return LinearClassifiers(*of.head.classify(weights, shots=shots, alpha=of.alpha, **of_task))


class TransductiveSynTrans:
    """SynTrans whose classes are also what the unlabelled queries show, docs/method.md (34): a `Method`.

    Expectation: how probably a query shows each class, all classes being as likely. Maximisation: the posterior mean of
    every class from its supports, those shares of the queries and its text, whose weight is judged by all of them.
    """

    def __init__(self, inductive: SynTrans) -> None:
        if inductive.worth is None or inductive.head.fusion != "evidence":
            raise ValueError("queries count as pictures only where fusion is `evidence` and judges the text's worth")
        self.inductive, self.worth = inductive, inductive.worth

    @property
    def space(self) -> BaseClassMemory:
        """See `InSpace`."""
        return self.inductive.space

    @property
    def within(self) -> "TransductiveWithin":
        """See `InSpace`."""
        return TransductiveWithin(self.inductive, self.worth)

    @torch.no_grad()
    def scores(
        self, support: Float[Tensor, "e n k d"], query: Float[Tensor, "e m d"], classes: Int[Tensor, "e n"]
    ) -> Float[Tensor, "e m n"]:
        """See `Method.scores`; log-likelihoods of a query, up to a number that is the same for all classes."""
        return self.within.scores(self.space.project(support), self.space.project(query), classes)


@dataclass(frozen=True)
class TransductiveWithin:
    """`TransductiveSynTrans` of pictures in the shared space, docs/method.md (34)."""

    inductive: SynTrans
    worth: TextWorth

    @torch.no_grad()
    def scores(
        self, support: Float[Tensor, "e n k d"], query: Float[Tensor, "e m d"], classes: Int[Tensor, "e n"]
    ) -> Float[Tensor, "e m n"]:
        """See `Method.scores`."""
        return self.settle(support, query, classes)[0]

    @torch.no_grad()
    def settle(
        self, support: Float[Tensor, "e n k d"], query: Float[Tensor, "e m d"], classes: Int[Tensor, "e n"]
    ) -> tuple[Float[Tensor, "e m n"], Judged]:
        """The scores, and how the tasks are fused in the end."""
        head, memory, alpha = self.inductive.head, self.inductive.space, self.inductive.alpha
        shots = support.shape[2]
        shown = Supports(support.mean(2), self.inductive.semantic[classes], shots)
        weights = head.both_weights(shown.mean, shown.semantic, memory, shots=shots)
        counts = torch.full_like(shown.mean[..., :1], shots)
        supports, seen = shown, counts
        for _ in range(ROUNDS):
            judged = self.worth.judge(alpha, supports)
            # What the generator adds to the mean of the supports is added to the mean of all pictures.
            moved = replace(weights, visual=weights.visual + supports.mean - shown.mean)
            weight, bias = head.classify(moved, shots=seen, alpha=alpha, variance_shots=supports.shots, **vars(judged))
            scores = weight @ query.mT + bias.unsqueeze(-1)  # a class a row: a third faster than a query a row
            probabilities = scores.softmax(1)
            seen = counts + probabilities.sum(-1, keepdim=True)
            average = torch.baddbmm(counts * shown.mean, probabilities, query) / seen
            supports = replace(supports, mean=average, shots=float(seen.mean()))
        return scores.mT.contiguous(), judged


class ImaginedSynTrans(LinearMethod):
    """docs/method.md (38). Args: inductive: SynTrans without them; mean: [C, d] mean phi of the imagined pictures of
    every class; worth: [C] real supports that they count as together.

    They move the class mean and add to the number of supports in the fusion. What judges the text, the gate and alpha,
    sees the real supports alone: imagined pictures come from that very text and would always agree with it.
    """

    def __init__(self, inductive: SynTrans, mean: Float[Tensor, "c d"], worth: Float[Tensor, " c"]) -> None:
        if inductive.head.fusion != "evidence":
            raise ValueError("imagined pictures count as supports only where fusion is `evidence`")
        self.inductive, self.worth = inductive, worth
        self.mean = inductive.space.project(mean)

    @torch.no_grad()
    def classifiers(self, support: Float[Tensor, "e n k d"], classes: Int[Tensor, "e n"]) -> LinearClassifiers:
        """See `LinearMethod.classifiers`."""
        ours, shots = self.inductive, support.shape[2]
        mean = ours.space.project(support.mean(2))
        weights = ours.head.both_weights(mean, ours.semantic[classes], ours.space, shots=shots)
        worth = self.worth[classes].unsqueeze(-1)
        average = (shots * mean + worth * self.mean[classes]) / (shots + worth)
        # What the generator adds to the mean of the supports is added to the mean of all.
        weights, judged = replace(weights, visual=weights.visual + average - mean), ours.judge(support, classes)
        weight, bias = ours.head.classify(
            weights, shots=shots + worth, alpha=ours.alpha, variance_shots=shots + worth.mean(1, keepdim=True),
            **({} if judged is None else vars(judged)),
        )  # fmt: skip
        return LinearClassifiers(weight @ ours.space.metric.transform, bias)
