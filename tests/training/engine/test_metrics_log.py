"""metrics.jsonl: a row an epoch, whatever stopped the runs before this one."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syntrans_training.engine.metrics_log import Log, read_rows


@pytest.fixture(scope="module")
def metrics(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("log") / "metrics.jsonl"


def write(metrics: Path, epochs: int) -> None:
    metrics.write_text("".join(f'{{"epoch": {epoch}, "loss": 0.5}}\n' for epoch in range(1, epochs + 1)))


@given(st.lists(st.text(max_size=9), max_size=4))
@settings(max_examples=40)
def test_any_line_that_is_no_row_is_left_out(metrics: Path, damage: list[str]) -> None:
    good = ['{"epoch": 1, "loss": 0.5}', '{"epoch": 2, "loss": 0.25}']
    metrics.write_text("\n".join([good[0], *damage, good[1]]), encoding="utf-8")
    assert read_rows(metrics) == [json.loads(line) for line in good]


def test_a_log_that_does_not_exist_has_no_rows(tmp_path: Path) -> None:
    assert read_rows(tmp_path / "metrics.jsonl") == []


@given(epochs=st.integers(0, 5), state=st.integers(-1, 5))
@settings(max_examples=20)
def test_what_lies_beyond_the_state_that_a_run_goes_on_from_is_dropped(epochs: int, state: int, metrics: Path) -> None:
    write(metrics, epochs)
    Log(metrics, state)
    assert [row["epoch"] for row in read_rows(metrics)] == list(range(1, min(epochs, state) + 1))


def test_a_row_that_a_full_disk_cut_short_does_not_spoil_the_next(metrics: Path) -> None:
    write(metrics, 2)
    with metrics.open("a") as file:
        file.write('{"epoch": 3, "lo')
    Log(metrics, 2).add({"epoch": 3, "loss": 0.1})
    assert [row["epoch"] for row in read_rows(metrics)] == [1, 2, 3]


def test_a_run_that_begins_anew_has_no_curves_of_the_one_before(metrics: Path) -> None:
    log = Log(metrics, -1)
    log.add({"epoch": 1, "loss": 0.1})
    assert len(list(log.curves.iterdir())) == 1
    assert not Log(metrics, -1).curves.exists()
    assert Log(metrics, 0).curves == metrics.parent / "tensorboard" / "metrics"
