"""`compare` pairs two evaluations episode by episode, and says when it cannot."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from syntrans.errors import InputError
from syntrans.files.sealed_json import sealed_json
from syntrans_training.evaluation.compare import compare, render


@pytest.fixture
def evaluation(tmp_path: Path) -> Callable[..., Path]:
    """Writes the two files of an evaluation with one number of shots; returns its folder."""

    def write(name, fused, am3=None, *, key="k", data="d", numbers=None, shots=1):
        folder = tmp_path / name
        folder.mkdir()
        summary = {"episodes": {"keys": {str(shots): key}}, "data": {"key": data}}
        (folder / "summary.json").write_text(json.dumps(summary))
        n = len(fused)
        columns = {"shots": np.full(n, shots, np.int32), "episode": np.arange(n) if numbers is None else numbers}
        pq.write_table(
            pa.table({**columns, "syntrans": fused, "am3": fused if am3 is None else am3}),
            folder / "accuracies.parquet",
        )
        return folder

    return write


def test_an_evaluation_is_not_distinguishable_from_itself(evaluation: Callable[..., Path]) -> None:
    folder = evaluation("a", [0.5, 0.7, 0.9])
    line = compare(str(folder), str(folder))["shots"]["1"]
    assert (line["mean"], line["half_width"], line["verdict"]) == (0.0, 0.0, "not distinguishable at 95 %")
    assert (line["wins"], line["ties"], line["losses"]) == (0, 3, 0)


def test_the_difference_is_paired_and_has_its_sign(evaluation: Callable[..., Path]) -> None:
    a, b = [0.5, 0.7, 0.9, 0.6], [0.4, 0.7, 0.7, 0.5]
    line = compare(str(evaluation("a", a)), str(evaluation("b", b)))["shots"]["1"]
    difference = 100 * (np.array(a) - np.array(b))
    assert line["mean"] == pytest.approx(difference.mean(), abs=1e-3)
    assert line["half_width"] == pytest.approx(1.96 * difference.std(ddof=1) / 2, abs=1e-3)
    assert (line["wins"], line["ties"], line["losses"], line["verdict"]) == (3, 1, 0, "better")


def test_rows_of_one_evaluation_can_be_compared(evaluation: Callable[..., Path]) -> None:
    folder = evaluation("a", [0.5, 0.7, 0.9], [0.8, 0.9, 0.95])
    comparison = compare(f"{folder}:syntrans", f"{folder}/summary.json:am3")
    assert comparison["shots"]["1"]["verdict"] == "worse"
    assert "a is worse" in render(comparison)
    assert "loses 3 of 3 episodes" in render(comparison)


@pytest.mark.parametrize("change", [{"key": "other"}, {"data": "other"}])
def test_other_episodes_or_other_pictures_are_refused(evaluation: Callable[..., Path], change) -> None:
    a, b = evaluation("a", [0.5, 0.7]), evaluation("b", [0.5, 0.7], **change)
    with pytest.raises(InputError, match=r"different 1-shot episodes.*episodes\.file") as caught:
        compare(str(a), str(b))
    assert caught.value.exit_code == 3


def test_episodes_that_one_side_left_out_do_not_count(evaluation: Callable[..., Path]) -> None:
    a = evaluation("a", [0.1, 0.2, 0.3, 0.4])
    b = evaluation("b", [0.2, 0.4], numbers=[1, 3])
    line = compare(str(a), str(b))["shots"]["1"]
    assert (line["n"], line["ties"]) == (2, 2)


def test_no_shots_in_common_is_said(evaluation: Callable[..., Path]) -> None:
    with pytest.raises(InputError, match="1-shot episodes.*5-shot episodes"):
        compare(str(evaluation("a", [0.1, 0.2])), str(evaluation("b", [0.1, 0.2], shots=5)))


def test_an_unknown_row_names_the_known_ones(evaluation: Callable[..., Path]) -> None:
    folder = evaluation("a", [0.1, 0.2])
    with pytest.raises(InputError, match="no row 'best'; it has syntrans, am3"):
        compare(f"{folder}:best", str(folder))


@pytest.mark.parametrize("broken", ["{", "{}", '{"episodes": {"keys": {}}}'])
def test_a_summary_of_something_else_is_named(evaluation: Callable[..., Path], broken: str) -> None:
    folder = evaluation("a", [0.1, 0.2])
    (folder / "summary.json").write_text(broken)
    with pytest.raises(InputError, match="holds no evaluation"):
        compare(str(folder), str(folder))


def test_a_summary_that_was_damaged_is_named(evaluation: Callable[..., Path]) -> None:
    folder = evaluation("a", [0.1, 0.2])
    summary = json.loads((folder / "summary.json").read_text())
    (folder / "summary.json").write_text(sealed_json(summary).replace('"d"', '"e"'))
    with pytest.raises(InputError, match="is damaged"):
        compare(str(folder), str(folder))


def test_a_folder_without_an_evaluation_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no summary\.json"):
        compare(str(tmp_path), str(tmp_path))
