"""SemAlign at the end where it is visual."""

import torch
from drawn_episodes import TEXT, D, S, draw, module

from syntrans_training.methods import Prototype, SemanticAlignment
from syntrans_training.methods.semalign import Reconstruction
from syntrans_training.modules.semalign import SemAlign


def test_semalign_with_all_weight_on_prototypes_is_visual() -> None:
    task = draw(1.0)
    scores = SemanticAlignment(Reconstruction(module(SemAlign, S, D, hidden=8), TEXT), k=1.0).scores(*task)
    assert torch.allclose(scores, Prototype().scores(*task), atol=1e-6)
