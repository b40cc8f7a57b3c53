"""SynTrans: the bridge's classifier weights (modules/vsbird.py) from supports and from the classes' texts.

Tang, He, Qin, "Connecting Giants: Synergistic Knowledge Transfer of Large Multimodal Models for Few-Shot Learning"
(IJCAI 2025, arXiv 2510.11115). Its equations are not public; what is computed is derived, docs/method.md section 4.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from syntrans_training.methods.base import LinearClassifiers, LinearMethod, ReadsSupports, SupportReader
from syntrans_training.modules.evidence_of_val import EvidenceOfVal
from syntrans_training.modules.fusion import AS_ON_VAL, TaskFusion
from syntrans_training.modules.vsbird import BaseClassMemory, VSBird
from syntrans_training.text.task_alpha import Supports, TextWorth

ROUNDS = 8  # of expectation and maximisation; nothing moves after about six


@dataclass(frozen=True)
class Reading:
    """What a head makes of supports (docs/method.md (19) to (22)): mean, visual weights, and of how many it is."""

    mean: Float[Tensor, "e n d"]
    visual: Float[Tensor, "e n d"]
    shots: int


class BridgeReader(SupportReader):
    """`VSBird.visual_weights` (SynTrans: Tang, He, Qin, IJCAI 2025, arXiv 2510.11115) of the means of supports.

    The generator's query and the units of the reconstructor's network are linear in a picture, so they are made of
    pictures, in one product, and their mean is that of the supports. A generator that recalls nothing, as an untrained
    one, asks nothing. Pictures are in the shared space; readers of one memory are equal.
    """

    def __init__(self, head: VSBird, memory: BaseClassMemory) -> None:
        self.head, self.memory = head, memory

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BridgeReader) and other.memory is self.memory

    def __hash__(self) -> int:
        return id(self.memory)

    @torch.no_grad()
    def of_pictures(self, pictures: Float[Tensor, "b d"], _classes: Int[Tensor, " b"]) -> Float[Tensor, "b r"]:
        """The pictures, and what the query and the network's units are of them but for a constant."""
        return pictures if self._recall is None else torch.cat([pictures, pictures @ self._recall.linear], 1)

    @torch.no_grad()
    def of_mean(self, mean: Float[Tensor, "e n r"], shots: int) -> Reading:
        """See `SupportReader`."""
        generator = self.head.generator
        if generator is None:
            return Reading(mean, mean, shots)
        if self._recall is None:
            return Reading(mean, generator.support_scale * mean, shots)
        mean, linear = torch.split(mean, list(self._recall.linear.shape), -1)
        shares = generator.attention(self._recall.query(linear), self._recall.keys, self.memory.held_out_mask)
        return Reading(mean, torch.addcmul(shares @ self._recall.recalled, generator.support_scale, mean), shots)

    @cached_property
    def _recall(self) -> "_Recall | None":
        generator, memory = self.head.generator, self.memory
        if generator is None or not generator.recall_scale.any():
            return None
        shown, again = memory.read.chunk(2)
        # The last probe is no picture: what is made of it is the constant.
        probes = F.pad(torch.eye(len(memory.metric.precision), device=shown.device), (0, 0, 0, 1))
        text = memory.to_text(probes)
        linear, from_units = [probes @ shown.T + memory.to_visual(text) @ again.T], None
        if (network := self.head.reconstructor.residual) is not None:
            linear.append(network[0](text - memory.to_visual.mean_in))
            linear[0] = linear[0] + memory.layer[-1] @ again.T
            from_units = memory.layer[:-1] @ again.T
        both = torch.cat(linear, 1)
        keys = memory.weights @ shown.T + self.head.semantic_weights(memory.text, memory) @ again.T
        return _Recall(both[:-1] - both[-1], both[-1], from_units, keys, generator.recall_scale * memory.weights)


@dataclass(frozen=True)
class _Recall:
    """What a head asks its base classes by: `linear` and `constant` of w directions of the query, then of h units."""

    linear: Float[Tensor, "d wh"]
    constant: Float[Tensor, " wh"]
    from_units: Float[Tensor, "h w"] | None
    keys: Float[Tensor, "c w"]
    recalled: Float[Tensor, "c d"]

    def query(self, linear: Float[Tensor, "e n wh"]) -> Float[Tensor, "e n w"]:
        """The query, of the linear parts of the mean of the supports."""
        linear = linear + self.constant
        if self.from_units is None:
            return linear
        width = self.keys.shape[1]
        return linear[..., :width] + F.leaky_relu(linear[..., width:], 0.2) @ self.from_units


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
    def judge(self, support: Float[Tensor, "e n k d"], classes: Int[Tensor, "e n"]) -> TaskFusion | None:
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

    def judge(self, reading: Reading, classes: Int[Tensor, "e n"]) -> TaskFusion | None:
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
        of_task = judged or AS_ON_VAL
        return LinearClassifiers(*of.head.classify(weights, shots=shots, alpha=of.alpha, of_task=of_task))


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
    ) -> tuple[Float[Tensor, "e m n"], TaskFusion]:
        """The scores, and how the tasks are fused in the end."""
        head, memory, alpha = self.inductive.head, self.inductive.space, self.inductive.alpha
        shots = support.shape[2]
        shown = Supports(support.mean(2), self.inductive.semantic[classes], shots)
        weights = head.both_weights(shown.mean, shown.semantic, memory, shots=shots)
        counts = torch.full_like(shown.mean[..., :1], shots)
        supports, seen = shown, counts
        for _ in range(ROUNDS):
            judged = replace(self.worth.judge(alpha, supports), cosine=0.0)  # shares are to be those of the model alone
            # What the generator adds to the mean of the supports is added to the mean of all pictures.
            moved = replace(weights, visual=weights.visual + supports.mean - shown.mean)
            weight, bias = head.classify(moved, shots=seen, alpha=alpha, variance_shots=supports.shots, of_task=judged)
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
            weights, shots=shots + worth, alpha=ours.alpha, of_task=judged or AS_ON_VAL,
            variance_shots=shots + worth.mean(1, keepdim=True),
        )  # fmt: skip
        return LinearClassifiers(weight @ ours.space.metric.transform, bias)
