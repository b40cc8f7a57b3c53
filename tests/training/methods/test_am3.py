"""AM3, beside its formula."""

import torch
import torch.nn.functional as F
from drawn_episodes import TEXT, D, E, S, draw, module

from syntrans_training.methods import AM3
from syntrans_training.modules.am3_gate import AM3Gate


def test_am3_ranks_as_the_distance_to_the_mixed_prototypes() -> None:
    support, query, classes = draw(1.0)
    gate = module(AM3Gate, S, D, hidden=8).eval()
    scores = AM3(gate, TEXT).scores(support, query, classes)
    for e in range(E):
        p = F.normalize(F.normalize(support[e], dim=-1).mean(1), dim=-1)
        w = F.normalize(gate.transform(TEXT[classes[e]]), dim=-1)
        share = torch.sigmoid(gate.share(w))
        distance = torch.cdist(query[e], share * p + (1 - share) * w).square()
        expected = 10 * (query[e].square().sum(-1, keepdim=True) - distance)
        assert torch.allclose(scores[e], expected, atol=2e-3)
