"""The file of trained bridges: what is read is what was written, also by earlier versions."""

import pytest
import torch

from syntrans.errors import InputError
from syntrans_training.bridge.trained_bridges import read_bridges
from syntrans_training.engine import checkpoint
from syntrans_training.modules.shared_space import Metric
from syntrans_training.modules.vsbird import VSBird

D, S, C = 4, 3, 6
BEFORE = {
    "transform_change": "turn",
    "log_precision_factor": "belief",
    "text_gate.bias": "trust.bias",
    "text_gate.slope": "trust.slope",
    "generator.support_scale": "generator.own",
    "generator.recall_scale": "generator.recalled",
}


@pytest.fixture
def head():
    """A head whose every learned number is another than at the start."""
    torch.manual_seed(0)
    head = VSBird(Metric(torch.eye(D), torch.ones(D)), torch.randn(C, D), torch.randn(C, S))
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return head


def write(path, head, *, names=()):
    """A file of one head as the bridge stage leaves it; `names` are what its tensors are called instead."""
    tensors = {f"kept.1.0.{dict(names).get(name, name)}": tensor for name, tensor in head.state_dict().items()}
    of_task = {"variant": "kept", "shots": 1}
    note = {"space": {"power": 0.5}, "parts": {}, "heads": [of_task | {"seed": 0}], "choices": [of_task]}
    checkpoint.save(path, tensors | {"phi.mean": torch.zeros(D)}, note)
    return path


@pytest.mark.parametrize("names", [{}, BEFORE], ids=["today's names", "names of before"])
def test_a_head_is_read_as_it_was_written_under_whatever_names(tmp_path, head, names):
    read = read_bridges(write(tmp_path / "file", head, names=names)).heads["kept", 1][0]
    assert read.state_dict().keys() == head.state_dict().keys()
    assert all(torch.equal(tensor, read.state_dict()[name]) for name, tensor in head.state_dict().items())


def test_a_head_that_was_read_is_not_trained_further_by_accident(tmp_path, head):
    read = read_bridges(write(tmp_path / "file", head)).heads["kept", 1][0]
    assert not read.training
    assert not any(parameter.requires_grad for parameter in read.parameters())


def test_variants_are_those_of_the_heads(tmp_path, head):
    assert read_bridges(write(tmp_path / "file", head)).variants == ("kept",)


def test_a_missing_file_says_to_train_again(tmp_path):
    with pytest.raises(InputError, match="run `syntrans train` again"):
        read_bridges(tmp_path / "none")
