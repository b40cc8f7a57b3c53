"""A multimodal teacher: pictures and what is known of their classes, mapped into one space and added there.

Derived, docs/method.md (15), from "Cross-modal knowledge distillation for fine-grained one-shot classification" (ICASSP
2021), whose teacher sees pictures and domain knowledge, and the same group's Mirror Mapping Network (ICME 2020), which
maps both into one semantic space "with two directions":
    v = norm(V(h)),  e_c = norm(E(k_c)),  m = v + norm(E(k))
A support sees the knowledge k of its class. A query's class is what the task asks for, so it gets the mixture
sum_c softmax_c(g cos(v, e_c)) k_c of the task's classes, predicted from its picture alone.
What we do differently: features are normalised by LayerNorm without weights, since teachers look at encoders of very
different scales; g and the scale of the task's logits are learned.
"""

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn


@dataclass(frozen=True)
class Taught:
    """What the teacher makes of t tasks: m and v of supports [t n k w] and queries [t m w], and e [t n w]."""

    support: Float[Tensor, "t n k w"]
    query: Float[Tensor, "t m w"]
    support_view: Float[Tensor, "t n k w"]
    query_view: Float[Tensor, "t m w"]
    knowledge: Float[Tensor, "t n w"]

    @property
    def prototypes(self) -> Float[Tensor, "t n w"]:
        """Mean m of each class's supports."""
        return self.support.mean(2)


class MirrorTeacher(nn.Module):
    """Zhao et al., "Cross-modal knowledge distillation for fine-grained one-shot classification" (ICASSP 2021).

    Its abstract alone could be read; the equations are derived, docs/method.md (15).

    Args:
        feature_dim, knowledge_dim: lengths h of a picture's features and s of class vectors.
        width: length w of the space that both are mapped to.
    """

    def __init__(self, feature_dim: int, knowledge_dim: int, *, width: int = 512) -> None:
        super().__init__()
        self.view = nn.Sequential(nn.LayerNorm(feature_dim, elementwise_affine=False), nn.Linear(feature_dim, width))
        self.explain = nn.Linear(knowledge_dim, width)
        self.sharpness = nn.Parameter(torch.tensor(10.0))  # g
        self.scale = nn.Parameter(torch.tensor(5.0))  # of squared distances to prototypes

    def forward(
        self,
        support: Float[Tensor, "t n k h"],
        query: Float[Tensor, "t m h"],
        knowledge: Float[Tensor, "t n s"],
    ) -> Taught:
        """Features of t tasks and the class vectors of their n classes; there is no argument for query labels."""
        v_support, v_query = (F.normalize(self.view(h), dim=-1) for h in (support, query))
        e = F.normalize(self.explain(knowledge), dim=-1)
        likely = (self.sharpness * v_query @ e.mT).softmax(-1)
        predicted = F.normalize(self.explain(likely @ knowledge), dim=-1)
        return Taught(v_support + e.unsqueeze(2), v_query + predicted, v_support, v_query, e)

    def told(
        self, support: Float[Tensor, "t n k h"], query: Float[Tensor, "t m h"], knowledge: Float[Tensor, "t n s"]
    ) -> Taught:
        """An upper bound: each query, sorted by class, sees the knowledge of its own class, as a support does."""
        taught: Taught = self(support, query, knowledge)
        of_query = taught.knowledge.repeat_interleave(query.shape[1] // knowledge.shape[1], 1)
        return replace(taught, query=taught.query_view + of_query)

    def logits(self, taught: Taught) -> Float[Tensor, "t m n"]:
        """-scale |m_q - p_c|^2: the teacher as a prototypical network."""
        gap = taught.query.unsqueeze(2) - taught.prototypes.unsqueeze(1)
        return -self.scale * gap.square().sum(-1)

    def mirror_loss(self, taught: Taught, labels: Int[Tensor, "t m"]) -> Float[Tensor, ""]:
        """Both directions between pictures and knowledge: each picture finds its class, each class its pictures.

        Cross-entropy of g * cosine over the task's classes, and of every picture among all pictures for its class.
        `labels` [t m] are places of the queries' classes; they enter the loss, never what the teacher says of a query.
        """
        t, n, k, _ = taught.support_view.shape
        of_supports = torch.arange(n, device=labels.device).repeat_interleave(k).expand(t, -1)
        labels = torch.cat([of_supports, labels], 1)
        views = torch.cat([taught.support_view.flatten(1, 2), taught.query_view], 1)
        similar = self.sharpness * views @ taught.knowledge.mT
        to_class = F.cross_entropy(similar.flatten(0, 1), labels.flatten())
        # Many pictures are right for a class: the mean of their log-probabilities.
        log_share = similar.log_softmax(1).gather(2, labels.unsqueeze(2))
        return (to_class - log_share.mean()) / 2
