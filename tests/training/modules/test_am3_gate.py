"""AM3's gate mixes a prototype with what its text is turned into, and begins near the prototype."""

import torch
import torch.nn.functional as F
from torch import nn

from syntrans_training.modules.am3_gate import AM3Gate

D, S = 4, 3


def rows(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def gate() -> AM3Gate:
    torch.manual_seed(0)
    return AM3Gate(S, D, hidden=8).eval()


def test_a_mixed_prototype_lies_between_both() -> None:
    prototypes, text, mixer = F.normalize(rows(2, 5, D), dim=-1), rows(2, 5, S, seed=1), gate()
    semantic = F.normalize(mixer.transform(text), dim=-1)
    share = (mixer(prototypes, text) - semantic) / (prototypes - semantic)
    assert torch.allclose(share, share[..., :1].expand_as(share), atol=1e-3)
    assert ((share > 0) & (share < 1)).all()


def test_the_text_has_to_earn_its_share() -> None:
    mixer = gate()
    last = mixer.share[-1]
    assert isinstance(last, nn.Linear)
    nn.init.zeros_(last.weight)
    prototypes, text = F.normalize(rows(1, 2, D), dim=-1), rows(1, 2, S, seed=1)
    semantic = F.normalize(mixer.transform(text), dim=-1)
    assert torch.allclose(mixer(prototypes, text), 0.8808 * prototypes + 0.1192 * semantic, atol=1e-4)


def test_a_class_does_not_depend_on_its_neighbours() -> None:
    prototypes, text, mixer = rows(1, 5, D), rows(1, 5, S, seed=1), gate()
    assert torch.allclose(mixer(prototypes, text)[:, 2:3], mixer(prototypes[:, 2:3], text[:, 2:3]), atol=1e-6)


def test_dropout_acts_while_it_trains_alone() -> None:
    prototypes, text, mixer = rows(1, 5, D), rows(1, 5, S, seed=1), gate()
    assert torch.equal(mixer(prototypes, text), mixer(prototypes, text))
    mixer.train()
    assert not torch.equal(mixer(prototypes, text), mixer(prototypes, text))
