"""`syntrans mine` as a user runs it, on the fake engine; tests/mining/engines/test_vllm_runs.py has it on real vLLM."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

from syntrans.cli.app import run
from syntrans.contract.reading import check_file, read_descriptors

FAKE = """
llms:
  - {name: a, path: fake/a, args: {A}}
  - {name: b, path: fake/b}
vlm: {name: v, path: fake/v}
clip: {path: fake/clip}
engine: {kind: fake, workers: 0}
propose: {samples: 1}
images: {reserve: 0}
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "fake.yaml"
    path.write_text(FAKE.replace("{A}", "{}"))
    return path


@pytest.fixture
def classes(tmp_path: Path) -> Path:
    path = tmp_path / "birds.txt"
    path.write_text("goldfinch\nhouse finch\n")
    return path


def mine(*arguments: object) -> int:
    return run(["mine", *map(str, arguments)])


def test_the_path_of_the_result_is_all_that_goes_to_stdout(
    config: Path, classes: Path, artifacts: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert mine("--config", config, "--classes", classes) == 0
    written = Path(capsys.readouterr().out.rstrip("\n"))
    assert written.parent.parent == artifacts / "mine"
    for name in ("descriptors.parquet", "semantics.parquet"):
        check_file(written.parent / name)
    assert json.loads((written.parent / "run.json").read_text())["classes"] == 2


def test_a_refused_run_leaves_no_folder_and_one_that_asked_something_does(
    config: Path, classes: Path, artifacts: Path
) -> None:
    assert mine("--config", config, "--classes", classes, "--set", "lint.senses.crow=1") == 3
    assert list((artifacts / "mine").glob("*")) == []
    classes.write_text("crane\nheron\n")
    assert mine("--config", config, "--classes", classes) == 3  # which crane?
    assert len(list((artifacts / "mine").glob("*"))) == 1


def test_steps_without_pictures_are_recorded_as_skipped(config: Path, classes: Path, tmp_path: Path) -> None:
    assert mine("--config", config, "--classes", classes, "--out", tmp_path / "out") == 0
    _, meta = read_descriptors(tmp_path / "out" / "descriptors.parquet")
    assert set(meta.notes["skipped"]) == {"ground", "filter"}
    assert meta.images_seen == []


def test_pictures_that_were_seen_are_recorded(config: Path, classes: Path, picture_tree: Path, tmp_path: Path) -> None:
    arguments = ("--config", config, "--classes", classes, "--images", picture_tree, "--out", tmp_path / "out")
    assert mine(*arguments) == 0
    _, meta = read_descriptors(tmp_path / "out" / "descriptors.parquet")
    assert len(meta.images_seen) == 6


def test_a_limit_takes_the_first_classes(config: Path, classes: Path, tmp_path: Path) -> None:
    assert mine("--config", config, "--classes", classes, "--limit", 1, "--out", tmp_path / "out") == 0
    rows, _ = read_descriptors(tmp_path / "out" / "descriptors.parquet")
    assert {row.class_name for row in rows} == {"goldfinch"}


def test_a_limited_run_leaves_a_page_with_prompts_and_answers(
    config: Path, classes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert mine("--config", config, "--classes", classes, "--limit", 1, "--out", out) == 0
    assert str(out / "report.html") in capsys.readouterr().err
    page = (out / "report.html").read_text(encoding="utf-8")
    (first_prompt, *_) = [json.loads(line) for line in (out / "prompts.jsonl").read_text(encoding="utf-8").splitlines()]
    assert (
        json.dumps(first_prompt["messages"], ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c") in page
    )
    assert mine("--config", config, "--classes", classes, "--out", tmp_path / "whole") == 0
    assert not (tmp_path / "whole" / "report.html").exists()


def test_a_class_without_pictures_ends_with_3_and_is_named(
    config: Path, picture_tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "list.txt").write_text("goldfinch\nwolf\n")
    assert mine("--config", config, "--classes", tmp_path / "list.txt", "--images", picture_tree) == 3
    assert "1 of 2 classes have no picture: wolf" in capsys.readouterr().err


def test_the_first_line_says_what_is_taken_and_warnings_about_the_list_come_after(
    config: Path, picture_tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "list.txt").write_text("goldfinch\ncrane\n")
    assert mine("--config", config, "--classes", tmp_path / "list.txt", "--dry-run") == 0
    first, second = capsys.readouterr().err.splitlines()[:2]
    assert first.startswith(f"syntrans: mining 2 classes of {tmp_path / 'list.txt'}; pictures: none")
    assert second.startswith("syntrans: warning: 'crane' may mean")


def test_broken_pictures_are_skipped_and_named_and_three_of_six_end_with_3_in_a_dry_run_too(
    config: Path, classes: Path, picture_tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (picture_tree / "goldfinch" / "1.png").write_bytes(b"\x89PNG no more")
    (picture_tree / "house_finch" / "0.png").write_bytes(b"")
    arguments = ("--config", config, "--classes", classes, "--images", picture_tree, "--out")
    assert mine(*arguments, tmp_path / "out", "--dry-run") == 0
    assert mine(*arguments, tmp_path / "out") == 0
    said = capsys.readouterr().err
    assert "skipped 2 broken pictures" in said
    assert "goldfinch/1.png is not a readable picture (no known format)" in said
    assert "house_finch/0.png is not a readable picture (no known format)" in said
    assert len(json.loads((tmp_path / "out" / "run.json").read_text())["details"]["pictures"]["broken"]) == 2
    (picture_tree / "house_finch" / "1.png").write_bytes(b"x")
    for more in (["--dry-run"], []):
        assert mine(*arguments, tmp_path / "again", *more) == 3
        assert "3 of 6 images of the classes are broken, images.max_broken_share allows 5.0%" in capsys.readouterr().err
    assert list((tmp_path / "again").glob("*.parquet")) == []


def test_eps_called_png_is_skipped_and_no_program_is_started(
    config: Path, picture_tree: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    programs, marker = picture_tree.parent / "bin", picture_tree.parent / "started"
    programs.mkdir()
    (programs / "gs").write_text(f"#!/bin/sh\ntouch {marker}\n")
    (programs / "gs").chmod(0o755)
    monkeypatch.setenv("PATH", str(programs), prepend=os.pathsep)
    box = "%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n%%EOF\n"
    (picture_tree / "goldfinch" / "z.png").write_text(box)
    assert mine("--config", config, "--classes", picture_tree) == 0
    assert "skipped 1 broken pictures" in capsys.readouterr().err
    assert not marker.exists()


def test_a_folder_is_a_class_list_and_its_pictures_are_taken(
    config: Path, picture_tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert mine("--config", config, "--classes", picture_tree) == 0
    said = capsys.readouterr()
    assert f"pictures: {picture_tree} (in the folder of the classes)" in said.err
    written = Path(said.out.rstrip("\n"))
    assert {row.class_name for row in read_descriptors(written)[0]} == {"goldfinch", "house finch"}
    assert json.loads((written.parent / "run.json").read_text())["images_seen"] == 6


def test_a_crash_ends_with_6_and_the_same_command_goes_on(
    config: Path, classes: Path, artifacts: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config.write_text(FAKE.replace("{A}", "{crash_after: 1}"))
    assert mine("--config", config, "--classes", classes) == 6
    folders = list((artifacts / "mine").iterdir())
    assert len(folders) == 1
    assert list(folders[0].glob("*.parquet")) == []
    # Every run gets one answer further; each takes up the folder of the one before.
    for _ in range(20):
        if mine("--config", config, "--classes", classes) == 0:
            break
    assert list((artifacts / "mine").iterdir()) == folders
    check_file(folders[0] / "descriptors.parquet")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS])
def test_a_disk_that_refuses_ends_with_4_and_leaves_no_result(
    number: int, config: Path, classes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "replace", refuse)
    assert mine("--config", config, "--classes", classes, "--out", tmp_path / "out") == 4
    assert list((tmp_path / "out").glob("*.parquet")) == []


def test_models_that_are_nowhere_end_with_5_and_the_way_out(classes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert mine("--config", "cpu", "--classes", classes) == 5
    message = capsys.readouterr().err.splitlines()[-1]
    assert "not in the local cache" in message
    assert "hf download" in message
    assert "--config world" in message


def test_pictures_that_are_nowhere_are_said_before_models_are_looked_for(
    classes: Path, capsys: pytest.CaptureFixture[str], artifacts: Path
) -> None:
    assert mine("--config", "cpu", "--classes", classes, "--images", "photos") == 3
    assert "photos is not there" in capsys.readouterr().err
    assert not (artifacts / "mine").exists()


def test_a_model_that_is_no_safetensors_ends_with_5(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = tmp_path / "pickled"
    model.mkdir()
    (model / "config.json").write_text("{}")
    (model / "pytorch_model.bin").write_bytes(b"x")
    assert mine("--config", "world", "--set", f"llms.0.path={model}") == 5
    assert "safetensors" in capsys.readouterr().err


@pytest.mark.parametrize("options", [(), ("--images",), ("--dry-run",), ("--images", "--dry-run")])
def test_the_world_knows_its_own_classes_only_with_pictures_and_without(
    options: tuple[str, ...], classes: Path, picture_tree: Path, capsys: pytest.CaptureFixture[str], artifacts: Path
) -> None:
    given = [part for option in options for part in ((option, picture_tree) if option == "--images" else (option,))]
    assert mine("--config", "world", "--classes", classes, *given) == 3
    assert "not goldfinch, house finch; leave out --classes" in capsys.readouterr().err
    assert not (artifacts / "mine").exists()
