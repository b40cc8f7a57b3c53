"""Attention over the classifier weights of the base classes: Gidaris' few-shot weight generator."""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn


class AttentionGenerator(nn.Module):
    """Gidaris, Komodakis, "Dynamic Few-Shot Visual Learning without Forgetting" (CVPR 2018).

    https://arxiv.org/abs/1804.09458, equations (2)-(4), with these symbols:
        w = d_avg * mean_k z_k + d_att * mean_k sum_b softmax_b(g * cos(phi(z_k), key_b)) * w_b,  z, w_b of unit length
        logits = s * (cos(x, w) + bias)
    What we do differently: the base weights w_b are handed in and stay as they are, since our encoder is frozen.

    Args:
        base: [C, d] classifier weights of the base classes, the memory that supports attend to; of any length.
    """

    base: Float[Tensor, "c d"]

    def __init__(self, base: Float[Tensor, "c d"]) -> None:
        super().__init__()
        classes, d = base.shape
        self.register_buffer("base", base.clone())
        self.keys = nn.Parameter(torch.randn(classes, d) * (2 / d) ** 0.5)
        self.query = nn.Linear(d, d)
        with torch.no_grad():
            self.query.weight.copy_(torch.eye(d) + 1e-3 * torch.randn(d, d))
            self.query.bias.zero_()
        self.average = nn.Parameter(torch.ones(d))
        self.attended = nn.Parameter(torch.ones(d))
        self.sharpness = nn.Parameter(torch.tensor(10.0))
        self.scale = nn.Parameter(torch.tensor(10.0))
        self.bias = nn.Parameter(torch.tensor(0.0))

    def attention(
        self, support: Float[Tensor, "e n k d"], held_out_mask: Bool[Tensor, "e c"] | None = None
    ) -> Float[Tensor, "e n k c"]:
        """Share of every base class in the answer to every support; zero where `held_out_mask`."""
        queries = F.normalize(self.query(F.normalize(support, dim=-1)), dim=-1)
        similarity = self.sharpness * (queries @ F.normalize(self.keys, dim=-1).T)
        if held_out_mask is not None:
            similarity = similarity.masked_fill(held_out_mask[:, None, None, :], float("-inf"))
        return similarity.softmax(-1)

    def forward(
        self, support: Float[Tensor, "e n k d"], held_out_mask: Bool[Tensor, "e c"] | None = None
    ) -> Float[Tensor, "e n d"]:
        """Classifier weights of the episodes' classes, not normalised."""
        average = F.normalize(support, dim=-1).mean(2)
        recalled = (self.attention(support, held_out_mask) @ F.normalize(self.base, dim=-1)).mean(2)
        return self.average * average + self.attended * recalled

    def logits(self, query: Float[Tensor, "e m d"], weights: Float[Tensor, "e n d"]) -> Float[Tensor, "e m n"]:
        """Scaled cosines of queries with classifier weights."""
        return self.scale * (F.normalize(query, dim=-1) @ F.normalize(weights, dim=-1).mT + self.bias)
