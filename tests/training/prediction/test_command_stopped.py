"""`syntrans predict` that is stopped, or finds no room on the disk."""

from pathlib import Path

import numpy as np
import pytest
from prediction_world import ColourEncoder, Words, opened, predict, write_task

from syntrans_training.prediction import task
from syntrans_training.prediction.encoders import journal
from syntrans_training.prediction.encoders.choose import LazyText
from syntrans_training.prediction.inputs.photos import open_queries


@pytest.fixture(autouse=True)
def colours(monkeypatch: pytest.MonkeyPatch) -> None:
    """The encoder at hand sees colours, and reads their names."""
    monkeypatch.setattr(task, "open_image_encoder", lambda _ref: opened(LazyText("words", Words)))
    monkeypatch.setattr(task, "require_packages", lambda _ref: None)


def test_a_full_disk_leaves_nothing_half_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    support, query = write_task(tmp_path, shots=1, queries=1)

    def full(*_) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("syntrans.paths.os.replace", full)
    code, _, err = predict(capsys, "--support", support, "--query", query, "--out", tmp_path / "o" / "out.csv")
    assert code == 4
    assert "the disk is full" in err
    assert list((tmp_path / "o").iterdir()) == []


def test_a_disk_that_fills_while_pictures_are_sorted_leaves_no_half_copy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    support, query = write_task(tmp_path, shots=1, queries=1)

    def full(_source, target) -> None:
        target.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("shutil.copy2", full)
    code, rows, err = predict(capsys, "--support", support, "--query", query, "--sort-into", tmp_path / "sorted")
    assert (code, rows) == (4, [])
    assert "the disk is full" in err
    assert [path for path in (tmp_path / "sorted").rglob("*") if path.is_file()] == []


def test_features_that_find_no_room_are_one_line_and_leave_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    support, query = write_task(tmp_path, shots=1)
    monkeypatch.setattr(journal, "EVERY", 1)

    def full(*_) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("syntrans.paths.os.replace", full)
    code, _, err = predict(capsys, "--support", support, "--query", query, "--out", tmp_path / "out.csv")
    assert code == 4
    assert "the disk is full" in err
    assert not (tmp_path / "out.csv").exists()


def test_a_command_that_was_stopped_goes_on_and_gives_the_same_answers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    support, query = write_task(tmp_path, shots=2, queries=20)
    monkeypatch.setattr(journal, "EVERY", 16)
    (query / "blue_torn.png").write_bytes(b"no picture")
    arguments = ("--support", support, "--query", query, "--out")
    predict(capsys, *arguments, tmp_path / "whole.csv")
    looked_at: list[int] = []
    forward = ColourEncoder.forward
    before = 3 + 6 + 1  # swatches, supports and a grey picture

    def stopping(self, batch):
        if sum(looked_at) == before + 31:
            looked_at.append(0)
            raise KeyboardInterrupt
        looked_at.append(len(batch))
        return forward(self, batch)

    monkeypatch.setattr(ColourEncoder, "batch", 8)
    monkeypatch.setattr(ColourEncoder, "forward", stopping)
    code, _, err = predict(capsys, *arguments, tmp_path / "out.csv")
    assert code == 130
    assert f"31 pictures are kept in {tmp_path / '.out.csv.partial'}" in err
    looked_at.clear()
    monkeypatch.setattr(
        ColourEncoder, "forward", lambda self, batch: looked_at.append(len(batch)) or forward(self, batch)
    )
    code, _, err = predict(capsys, *arguments, tmp_path / "out.csv")
    assert code == 0
    assert "31 pictures were read before the last stop" in err
    assert sum(looked_at) == before + 60 - 31
    assert (tmp_path / "out.csv").read_text() == (tmp_path / "whole.csv").read_text()
    assert not (tmp_path / ".out.csv.partial").exists()


def test_what_another_encoder_kept_is_read_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    support, query = write_task(tmp_path, shots=1)
    kept = journal.FeatureJournal(tmp_path / ".out.csv.partial", ColourEncoder())
    kept._encoder = "another"
    names = [ref.sha256 for ref in open_queries(str(query))[0]]
    kept.add(names, np.zeros((len(names), 9), np.float32))
    kept.save()
    code, _, err = predict(capsys, "--support", support, "--query", query, "--out", tmp_path / "out.csv")
    assert code == 0
    assert "before the last stop" not in err


def test_kept_features_that_were_damaged_are_read_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept = journal.FeatureJournal(tmp_path / "kept", ColourEncoder())
    kept.add(["a", "b"], np.arange(18, dtype=np.float32).reshape(2, 9))
    kept.save()
    assert [*journal.FeatureJournal(tmp_path / "kept", ColourEncoder()).features] == ["a", "b"]
    (path,) = (tmp_path / "kept").iterdir()
    data = path.read_bytes()
    for place in (-1, data.index(b'"pictures"') + 14):  # a number, and a name
        path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 or len(data) :])
        assert journal.FeatureJournal(tmp_path / "kept", ColourEncoder()).features == {}
        assert "passed over" in capsys.readouterr().err


def test_a_file_of_the_longest_name_has_a_folder_of_features_of_its_own(tmp_path: Path) -> None:
    names = ["ü" * 123 + f"{end}.csv" for end in "ab"]
    folders = {journal.journal_folder(tmp_path / name) for name in names}
    assert len(folders) == 2
    for folder in folders:
        folder.mkdir()
