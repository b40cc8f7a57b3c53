"""What others wrote: special files, depth, size, encodings, YAML that grows; each is one line, at once."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from syntrans.cli.app import run
from syntrans.config import StrictModel, load_config
from syntrans.descriptors.importers import import_descriptions
from syntrans.errors import InputError, UsageError
from syntrans.files.bounded_yaml import parse_yaml
from syntrans.files.input_files import parse_json, read_bytes, read_model_json, read_text

DEEP = "[" * 10_000 + "]" * 10_000


class Small(StrictModel):
    rate: float = 0.5


def alias_bomb() -> str:
    levels = [f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 9)]
    return "\n".join(["a0: &a0 [1]", *levels])


def merge_bomb() -> str:
    levels = [f"k{i}: &k{i} {{<<: [{','.join([f'*k{i - 1}'] * 9)}], z{i}: 1}}" for i in range(1, 9)]
    return "\n".join(["k0: &k0 {z: 1}", *levels])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (alias_bomb(), "values with every alias written out"),
        (merge_bomb(), "values with every alias written out"),
        ("\n".join(f"k{i}: 1" for i in range(20_000)), "more than 20,000 values"),
        ("[" * 900 + "]" * 900, "nested deeper than 50"),
        ("&a {x: *a}", "inside its own anchor"),
        ("x" * 300_000, "longer than 262,144 characters"),
        ("a: 1\na: 2", "key 'a' given twice"),
        ("!!python/object/apply:os.system [true]", "could not determine a constructor"),
        ("a: !!int ''", "not of plain values"),
        ("? {a: 1}\n: 2", "unhashable"),
    ],
)
def test_yaml_that_grows_or_is_no_plain_value_is_a_value_error_of_one_line(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        parse_yaml(text)
    assert "\n" not in str(caught.value)


def test_an_alias_that_is_used_twice_is_still_yaml() -> None:
    assert parse_yaml("a: &x [1]\nb: [*x, *x]") == {"a": [1], "b": [[1], [1]]}


@pytest.mark.parametrize("value", [".inf", "-.inf", ".nan"])
def test_a_number_of_a_config_must_be_finite(value: str, tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(f"rate: {value}")
    with pytest.raises(UsageError, match="rate: .*finite"):
        load_config(Small, tmp_path / "small.yaml", kind="mining/configs")


@pytest.mark.parametrize("value", ["&a {x: *a}", "[" * 900, "1" + "0" * 5000, "2020-13-45"])
def test_a_setting_that_is_no_value_is_one_short_line(value: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["train", "--dry-run", "--set", f"ridge.lambdas={value}"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert len(lines[0]) < 400


def test_deep_json_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="nested too deep"):
        parse_json(DEEP)


def test_a_file_that_is_too_long_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "long.txt").open("wb") as file:
        file.truncate(3 << 20)  # sparse: nothing is written
    with pytest.raises(InputError, match="has 3 MiB, and at most 2 are read"):
        read_bytes(tmp_path / "long.txt", 2 << 20)


def test_what_is_no_text_is_named_with_its_first_such_byte(tmp_path: Path) -> None:
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9 au lait")
    with pytest.raises(InputError, match=r"latin\.txt is not UTF-8 text \(byte 3\)"):
        read_text(tmp_path / "latin.txt")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="a system without FIFOs")
@pytest.mark.parametrize("name", ["fifo", "/dev/zero", "folder"])
@pytest.mark.parametrize(
    "command",
    [
        ["import", "FILE", "--format", "cupl"],
        ["import", "FILE", "--format", "jsonl"],
        ["import", "FILE"],
        ["inspect", "FILE"],
        ["classes", "check", "FILE"],
        ["train", "--dry-run", "--config", "FILE"],
        ["mine", "--classes", "mini", "--config", "FILE"],
    ],
)
def test_a_pipe_a_device_and_a_folder_are_not_opened(name: str, command: list[str], tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()
    path = name if name.startswith("/") else str(tmp_path / name)
    assert run([path if word == "FILE" else word for word in command]) in (2, 3)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="a system without FIFOs")
@pytest.mark.parametrize("name", ["fifo", "/dev/zero", "folder"])
def test_what_is_no_plain_file_is_refused_by_its_looks(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()
    monkeypatch.setattr(os, "open", lambda *_: pytest.fail("it was opened"))
    with pytest.raises(InputError, match="is not a plain file"):
        read_bytes(tmp_path / name)


def test_a_pipe_that_takes_the_place_of_a_file_at_the_last_moment_is_refused_and_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, fifo, opened = tmp_path / "file", tmp_path / "fifo", os.open
    file.write_text("{}")
    os.mkfifo(fifo)
    monkeypatch.setattr(os, "open", lambda _, flags: opened(fifo, flags))
    with pytest.raises(InputError, match="is not a plain file"):
        read_bytes(file)


@pytest.mark.parametrize("text", [DEEP, '{"a":' * 10_000 + "1" + "}" * 10_000, '{"a": 1' + "0" * 5000 + "}"])
@pytest.mark.parametrize("form", ["cupl", "jsonl"])
def test_an_import_that_is_nested_too_deep_ends_with_3(text: str, form: str, tmp_path: Path) -> None:
    (tmp_path / "deep.json").write_text(text)
    assert run(["import", str(tmp_path / "deep.json"), "--format", form]) == 3


def test_half_a_character_in_an_import_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "half.json").write_text('{"a\\ud800": ["\\ud800 red"]}')
    assert run(["import", str(tmp_path / "half.json"), "--format", "cupl"]) == 3
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "half of a character" in error


def test_a_line_of_an_import_is_bounded(tmp_path: Path) -> None:
    (tmp_path / "long.jsonl").write_text('{"class": "a", "text": "' + "x" * (2 << 20) + '"}\n')
    with pytest.raises(InputError, match="line 1 is longer than 1,048,576 bytes"):
        import_descriptions([tmp_path / "long.jsonl"], tmp_path / "out", formats=["jsonl"])


def test_a_class_list_and_a_model_config_that_are_too_deep_end_with_a_line(tmp_path: Path) -> None:
    from syntrans.errors import ModelLoadError
    from syntrans_mining.engines.base import EngineSpec
    from syntrans_mining.placement.model_sizes import memory_need_of

    (tmp_path / "list.jsonl").write_text(DEEP + "\n")
    assert run(["classes", "check", str(tmp_path / "list.jsonl")]) == 3
    (tmp_path / "config.json").write_text(DEEP)
    with pytest.raises(ModelLoadError, match="nested too deep"):
        memory_need_of(EngineSpec("deep", "vllm", str(tmp_path)))


def test_a_header_of_safetensors_that_is_too_deep_is_a_damaged_model(tmp_path: Path) -> None:
    from syntrans.errors import ModelLoadError
    from syntrans_mining.models import check_model_dir

    header = DEEP.encode()
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    with pytest.raises(ModelLoadError, match="damaged or incomplete"):
        check_model_dir(tmp_path)


def test_an_import_is_written_class_by_class_whatever_the_order_of_its_lines(tmp_path: Path) -> None:
    from syntrans.contract.reading import read_descriptors

    lines = [json.dumps({"class": f"bird {i % 7}", "text": f"mark {i}"}) for i in range(70)]
    (tmp_path / "mixed.jsonl").write_text("\n".join(lines))
    done = import_descriptions([tmp_path / "mixed.jsonl"], tmp_path / "out")
    rows = read_descriptors(done.descriptors)[0]
    assert [row.class_id for row in rows] == sorted(row.class_id for row in rows)
    assert (done.n_rows, done.n_classes, len(rows)) == (70, 7, 70)
    assert [row.text for row in rows if row.class_name == "bird 3"] == [f"mark {i}" for i in range(3, 70, 7)]


@pytest.mark.parametrize(("text", "read"), [('{"a": 1}', {"a": 1}), ("[1]", {}), (None, {})])
def test_a_file_of_a_model_is_an_object_or_nothing(text: str | None, read: dict[str, int], tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / "config.json").write_text(text)
    assert read_model_json(tmp_path / "config.json") == read


def test_a_damaged_file_of_a_model_says_to_download_it_again(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(InputError, match="download the model again"):
        read_model_json(tmp_path / "config.json")
