"""AM3's gate: how much of a class's prototype comes from its pictures and how much from its text."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


class AM3Gate(nn.Module):
    """Xing, Rostamzadeh, Oreshkin, Pinheiro, "Adaptive Cross-Modal Few-Shot Learning" (NeurIPS 2019).

    https://arxiv.org/abs/1902.07104, equations (3)-(5), for a prototype p and a class vector s:
        w' = g(s),    lambda = 1 / (1 + exp(-h(w'))),    p' = lambda * p + (1 - lambda) * w'
    with g and h of one hidden layer each. Scores are -scale * |x - p'|^2, as in its ProtoNet form.
    What we do differently: the encoder is frozen, features are of unit length, and so is w'; the scale is learned;
    lambda begins at 0.88.

    Args:
        text_dim, feature_dim: lengths s and d of class vectors and of features.
        hidden: units of the hidden layer of both networks.
        dropout, share_dropout: probabilities in [0, 1) inside g and inside h.
    """

    def __init__(
        self, text_dim: int, feature_dim: int, *, hidden: int = 300, dropout: float = 0.5, share_dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.transform = nn.Sequential(
            nn.Linear(text_dim, hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, feature_dim)
        )
        last = nn.Linear(hidden, 1)
        unit = nn.Sequential(nn.ReLU(), nn.Dropout(share_dropout))
        self.share = nn.Sequential(nn.Linear(feature_dim, hidden), unit, last)
        nn.init.constant_(last.bias, 2.0)  # begin near the prototypes: the text has to earn its share
        self.scale = nn.Parameter(torch.tensor(10.0))

    def forward(self, prototypes: Float[Tensor, "e n d"], text: Float[Tensor, "e n s"]) -> Float[Tensor, "e n d"]:
        """Mixed prototypes p' of unit `prototypes` and class vectors `text`, episode by episode."""
        semantic, visual_share = self.of_text(text)
        return visual_share * prototypes + (1 - visual_share) * semantic

    def of_text(self, text: Float[Tensor, "*b s"]) -> tuple[Float[Tensor, "*b d"], Float[Tensor, "*b 1"]]:
        """What the classes' texts say: w', and lambda, the prototypes' share."""
        semantic = F.normalize(self.transform(text), dim=-1)
        return semantic, torch.sigmoid(self.share(semantic))
