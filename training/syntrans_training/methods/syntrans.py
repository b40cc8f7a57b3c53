"""SynTrans: the bridge's classifier weights (modules/vsbird.py) from supports and from what is known of the classes."""

from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from syntrans_training.methods.base import LinearClassifiers, LinearMethod
from syntrans_training.modules.fusion import fuse_evidence
from syntrans_training.modules.vsbird import VSBird
from syntrans_training.text.task_alpha import Judged, Supports, TextWorth

ROUNDS = 8  # of expectation and maximisation; nothing moves after about six


class SynTrans(LinearMethod):
    """Args: head: a trained bridge; text: [C, s] class vectors of the split; alpha: 0 visual to 1 semantic, of val.

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
        blind: bool = False,
    ) -> None:
        if not 0 <= alpha <= 1:
            raise ValueError(f"alpha must lie between 0 (visual) and 1 (semantic), got {alpha}")
        self.head, self.alpha, self.worth, self.blind = head.eval(), alpha, worth, blind
        with torch.no_grad():
            self.memory = head.build_memory()
            self.semantic = head.semantic(text, self.memory)

    def judge(self, support: Float[Tensor, "e n k d"], classes: Int[Tensor, "e n"]) -> Judged | None:
        """How every task is fused; None where alpha of val stands."""
        if self.worth is None:
            return None
        if self.blind:
            return self.worth.prior(self.alpha, tasks=len(classes))
        with torch.no_grad():
            return self.worth.judge(self.alpha, Supports.of(self.memory.project(support), self.semantic[classes]))

    def classifiers(self, support: Float[Tensor, "e n k d"], classes: Int[Tensor, "e n"]) -> LinearClassifiers:
        """See `LinearMethod.classifiers`."""
        with torch.no_grad():
            shots = support.shape[2]
            mean = self.memory.project(support.mean(2))
            made = self.head.weights(mean, self.semantic[classes], self.memory, shots=shots)
            fused = {"alpha": self.alpha} if (judged := self.judge(support, classes)) is None else vars(judged)
            weight, bias = self.head.classifier(made, shots=shots, **fused)
            return LinearClassifiers(weight @ self.memory.metric.transform, bias)


class TransductiveSynTrans:
    """SynTrans whose classes are also what the unlabelled queries show, docs/method.md (34): a `Method`.

    Expectation: how probably a query shows each class, all classes being as likely. Maximisation: the posterior mean of
    every class from its supports, those shares of the queries and its text, whose weight is judged by all of them.
    """

    def __init__(self, inductive: SynTrans) -> None:
        if inductive.worth is None or inductive.head.fusion != "evidence":
            raise ValueError("queries count as pictures only where fusion is `evidence` and judges the text's worth")
        self.inductive, self.worth = inductive, inductive.worth

    def scores(
        self, support: Float[Tensor, "e n k d"], query: Float[Tensor, "e m d"], classes: Int[Tensor, "e n"]
    ) -> Float[Tensor, "e m n"]:
        """See `Method.scores`; log-likelihoods of a query, up to a number that is the same for all classes."""
        return self.settle(support, query, classes)[0]

    @torch.no_grad()
    def settle(
        self, support: Float[Tensor, "e n k d"], query: Float[Tensor, "e m d"], classes: Int[Tensor, "e n"]
    ) -> tuple[Float[Tensor, "e m n"], Judged]:
        """The scores, and how the tasks are fused in the end."""
        head, memory = self.inductive.head, self.inductive.memory
        pictures, queries = memory.project(support), memory.project(query)
        shown = Supports.of(pictures, self.inductive.semantic[classes])
        made = head.weights(shown.mean, shown.semantic, memory, shots=support.shape[2])
        squares = pictures.square().sum((1, 2)) + queries.square().sum(1)
        counts = torch.full_like(shown.mean[..., :1], support.shape[2])
        found, seen = shown, counts
        for _ in range(ROUNDS):
            judged = self.worth.judge(self.inductive.alpha, found)
            # What the generator adds to the mean of the supports is added to the mean of all pictures.
            visual, semantic = made.visual + found.mean - shown.mean, judged.slope * made.semantic
            of_task: dict[str, Any] = {"alpha": judged.alpha, "trust": made.trust, "offset": judged.offset}
            fused, _ = fuse_evidence(visual, semantic, made.precision, shots=seen, **of_task)
            # One variance for all classes: with its own, the largest class would draw all queries to itself.
            _, variance = fuse_evidence(visual, semantic, made.precision, shots=found.shots, alpha=judged.alpha)
            scores = queries @ (fused / variance).mT - (fused.square() / variance).sum(-1).unsqueeze(1) / 2
            belief = (head.log_scale.exp() * scores).softmax(-1)
            seen = counts + belief.sum(1).unsqueeze(-1)
            average = (counts * shown.mean + belief.mT @ queries) / seen
            scatter = squares - (seen * average.square()).sum(1)
            found = replace(found, mean=average, shots=float(seen.mean()), scatter=scatter)
        return head.log_scale.exp() * scores, judged
