"""Checkpoints: what is written is read, what was damaged is not, and a file of another run is nobody's."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from syntrans.errors import InputError
from syntrans_training.engine import checkpoint

NAMES = st.text("abc.", min_size=1, max_size=5)
SHAPES = st.lists(st.integers(0, 3), max_size=3)
DTYPES = st.sampled_from([torch.float32, torch.bfloat16, torch.int64, torch.bool])
TENSORS = st.dictionaries(NAMES, st.builds(lambda shape, dtype: torch.ones(shape, dtype=dtype), SHAPES, DTYPES))
NOTES = st.dictionaries(st.text(max_size=4), st.none() | st.integers() | st.text(max_size=9) | st.lists(st.booleans()))


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    equal = (one[k].dtype == other[k].dtype and torch.equal(one[k], other[k]) for k in one)
    return one.keys() == other.keys() and all(equal)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("checkpoint") / "file.safetensors"


@settings(max_examples=25)
@given(tensors=TENSORS, note=NOTES)
def test_tensors_and_note_come_back_as_they_were(tensors: dict, note: dict, file: Path) -> None:
    checkpoint.save(file, tensors, note)
    tensors_read, read = checkpoint.load(file)
    assert same(tensors_read, tensors)
    assert read == checkpoint.read_note(file) == note
    assert [path.name for path in file.parent.iterdir()] == [file.name]


@settings(max_examples=25)
@given(place=st.integers(0, 10**6), mask=st.integers(1, 255))
def test_a_changed_byte_is_noticed(place: int, mask: int, file: Path) -> None:
    checkpoint.save(file, {"weight": torch.arange(6.0)}, {"identity": "a"})
    data = bytearray(file.read_bytes())
    data[place % len(data)] ^= mask
    file.write_bytes(data)
    try:
        tensors, note = checkpoint.load(file)
    except InputError:
        return
    assert same(tensors, {"weight": torch.arange(6.0)})  # a byte that says nothing, as of the format's padding
    assert note == {"identity": "a"}


@settings(max_examples=25)
@given(TENSORS)
def test_equal_tensors_have_an_equal_hash_whatever_the_order_and_place_in_memory(tensors: dict) -> None:
    other = {name: tensors[name].clone() for name in reversed(tensors)}
    assert checkpoint.weights_hash(other) == checkpoint.weights_hash(tensors)


@pytest.mark.parametrize(
    "change",
    [
        lambda weight: {"other": weight},
        lambda weight: {"weight": weight.reshape(3, 2)},
        lambda weight: {"weight": weight.double()},
        lambda weight: {"weight": weight + 1},
    ],
    ids=["name", "shape", "dtype", "value"],
)
def test_another_name_shape_dtype_or_value_has_another_hash(change: Callable[[torch.Tensor], dict]) -> None:
    weight = torch.arange(6.0).reshape(2, 3)
    assert checkpoint.weights_hash(change(weight)) != checkpoint.weights_hash({"weight": weight})


def test_a_file_of_another_identity_or_none_is_not_taken_up(file: Path, tmp_path: Path) -> None:
    checkpoint.save(file, {"weight": torch.ones(2)}, {"identity": "a"})
    assert checkpoint.load_matching(file, "b") is None
    assert checkpoint.load_matching(tmp_path / "none.safetensors", "a") is None
    assert checkpoint.load_or_begin(file, "b", {"heads": []}) == ({}, {"identity": "b", "heads": []})


def test_a_damaged_file_of_the_right_identity_is_passed_over_and_said(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint.save(file, {"weight": torch.ones(2)}, {"identity": "a"})
    assert checkpoint.load_matching(file, "a") is not None
    file.write_bytes(file.read_bytes()[:-1])
    assert checkpoint.load_matching(file, "a") is None
    assert "passed over" in capsys.readouterr().err


def test_a_part_is_what_stands_under_its_name_without_it() -> None:
    tensors = {name: torch.tensor(i) for i, name in enumerate(["head.a", "head.b.c", "header.a", "a.head.b"])}
    assert checkpoint.part(tensors, "head") == {"a": tensors["head.a"], "b.c": tensors["head.b.c"]}


@pytest.mark.parametrize("kind", [torch.optim.SGD, torch.optim.AdamW])
def test_an_optimizer_goes_on_from_its_state_as_if_it_had_not_stopped(kind: type[torch.optim.Optimizer]) -> None:
    def start() -> tuple[torch.nn.Linear, torch.optim.Optimizer]:
        torch.manual_seed(0)
        layer = torch.nn.Linear(3, 2)
        options: dict[str, Any] = {"lr": 0.1, "momentum": 0.9} if kind is torch.optim.SGD else {"lr": 0.1}
        return layer, kind(layer.parameters(), **options)

    def step(layer: torch.nn.Linear, optimizer: torch.optim.Optimizer) -> None:
        optimizer.zero_grad()
        layer(torch.ones(1, 3)).square().sum().backward()
        optimizer.step()

    layer, optimizer = start()
    step(layer, optimizer)
    other, resumed = start()
    other.load_state_dict(layer.state_dict())
    kept = {name: value.clone() for name, value in checkpoint.pack_optimizer(optimizer).items()}  # as a file does
    checkpoint.unpack_optimizer(resumed, kept)
    step(layer, optimizer)
    step(other, resumed)
    assert torch.equal(layer.weight, other.weight)
