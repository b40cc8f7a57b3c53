"""README's first commands on a person's own pictures, and what they say when something is missing.

Mining is on the fake engine and training tiny (`SMALL`); everything else is what a user types.
"""

from __future__ import annotations

import json
import re
import shutil
import string
from pathlib import Path

import pytest

from syntrans.cli.app import run
from syntrans.contract.reading import read_metadata
from tests.cli.photos import BIRDS, draw_photos

SMALL = (
    "device=cpu",
    "data.size=16",
    "encoder.method=cross_entropy",
    "encoder.backbone=resnet12-tiny",
    "encoder.train_size=16",
    "encoder.test_size=16",
    "encoder.epochs=1",
    "encoder.precision=fp32",
    "ridge={episodes: 20, lambdas: [1.0], shrinkages: [1.0], alpha_step: 0.5, name_shares: [0.0]}",
    "vsbird={seeds: 1, steps: 0, controls: false, feature_powers: [1.0], shrinkages: [1.0], spread_factors: [1.0]}",
    "vsbird.prior_shrinkages=[1.0]",
    "vsbird.lambdas=[1.0]",
    "baselines={names: [simpleshot], episodes: 10, views: 0}",
)


@pytest.fixture(scope="session")
def text_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random one-layer BERT that knows single letters: real code path, nothing learnt."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder = tmp_path_factory.mktemp("text") / "letters"
    folder.mkdir()
    letters = [*string.ascii_lowercase, *(f"##{letter}" for letter in string.ascii_lowercase)]
    (folder / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters]))
    BertTokenizerFast(vocab=str(folder / "vocab.txt")).save_pretrained(folder)
    torch.manual_seed(0)
    shape = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}
    BertModel(BertConfig(vocab_size=57, **shape)).eval().save_pretrained(folder)
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text('{"pooling_mode_mean_tokens": true}')
    return folder


def small(text_encoder: Path) -> list[str]:
    return [part for setting in (*SMALL, f"text.encoder={text_encoder}") for part in ("--set", setting)]


def readme_commands(repository: Path) -> list[list[str]]:
    """The commands below README's "Use it", word by word."""
    block = re.search(r"## Use it\n```bash\n(.*?)```", (repository / "README.md").read_text(), re.DOTALL)
    assert block is not None
    lines = [line.partition("#")[0].strip() for line in block[1].splitlines()]
    return [line.split()[1:] for line in lines if line.startswith("syntrans ")]


@pytest.mark.slow
def test_the_readmes_commands_use_ones_own_pictures_word_for_word(
    home: Path, repository: Path, artifacts: Path, text_encoder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    commands = readme_commands(repository)
    assert [words[0] for words in commands] == ["mine", "mine", "inspect", "train", "evaluate"]
    said: dict[str, str] = {}
    for words in commands:
        here = [str(next((artifacts / "mine").iterdir())) if word == "artifacts/mine/<run>" else word for word in words]
        more = small(text_encoder) if words[0] == "train" else ["--limit", "20"] if words[0] == "evaluate" else []
        assert run([*here, *more]) == 0, here
        said[words[0]] = capsys.readouterr().err
    mined = next((artifacts / "mine").glob("*/descriptors.parquet"))
    assert (
        f"pictures: {home / 'photos'} ({mined} was mined with them); descriptors: {mined} (the newest)" in said["train"]
    )
    assert "config: photos" in said["train"]
    assert "1 of 9 classes have no descriptors and are left out: ibis" in said["train"]
    assert "4 base" in said["train"]
    report = json.loads(next((artifacts / "train").glob("*/train.json")).read_text())
    assert report["config"]["data"]["path"] == str(home / "photos")
    split = json.loads(next((artifacts / "train").glob("*/split.json")).read_text())
    assert sorted(c for part in ("base", "val", "novel") for c in split[part]) == sorted(BIRDS[:-1])
    summary = json.loads(next((artifacts / "evaluate").glob("*/summary.json")).read_text())
    assert summary["data"]["path"] == str(home / "photos")
    assert summary["episodes"]["ways"] == 2  # the training's: two novel classes
    assert summary["descriptors"]["path"] == str(mined)
    # 25 pictures a class: mining left 20 of each, and they suffice.
    assert len(read_metadata(mined).images_seen) == 5 * 8

    # From anywhere, and after the run's folder has moved; other pictures with the same encoder.
    moved = shutil.move(next((artifacts / "train").iterdir()), home / "moved")
    draw_photos(home / "sketches", ("kite", "lark"), 21)
    assert run(["evaluate", str(moved), "--limit", "5"]) == 0
    capsys.readouterr()
    assert run(["evaluate", str(moved), "--images", "sketches", "--limit", "5"]) == 3
    assert "has no descriptors for 2 of 2 classes" in capsys.readouterr().err
    (home / "told.json").write_text(json.dumps({name: [f"it is like {name[0]}"] for name in ("kite", "lark")}))
    assert run(["import", "told.json", "--format", "cupl"]) == 0
    assert run(["evaluate", str(moved), "--images", "sketches", "--limit", "5", "--json"]) == 0
    captured = capsys.readouterr()
    assert "the newest that has all of their classes" in captured.err
    of_sketches = json.loads(captured.out[captured.out.index("{") :])
    assert of_sketches["data"]["path"] == str(home / "sketches")
    assert of_sketches["data"]["images"] == 42


def test_descriptors_know_the_pictures_they_were_mined_with(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["mine", "--classes", "birds.txt", "--images", "photos"]) == 0
    pictures = read_metadata(capsys.readouterr().out.strip()).pictures
    assert pictures is not None
    assert (pictures.path, pictures.images, len(pictures.sha256)) == (str(home / "photos"), 8 * 25, 64)


def test_pictures_that_have_gone_are_said_with_the_option_that_names_them(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["mine", "--classes", "birds.txt", "--images", "photos"]) == 0
    (home / "photos").rename(home / "elsewhere")
    assert run(["train", "--dry-run"]) == 3
    assert f"was mined with the pictures in {home / 'photos'}, which is not there; --images" in capsys.readouterr().err


def test_an_import_without_pictures_is_refused_instead_of_the_world_taken(
    home: Path, artifacts: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "told.json").write_text(json.dumps({name: [f"it is like {name[0]}"] for name in BIRDS}))
    assert run(["import", "told.json", "--format", "cupl"]) == 0
    capsys.readouterr()
    assert run(["train"]) == 2
    assert "does not say which pictures belong to its classes" in (err := capsys.readouterr().err)
    assert "--images DIR" in err
    assert not (artifacts / "train").exists()
    assert run(["train", "--images", "photos", "--dry-run"]) == 0
    assert "told.json" not in (err := capsys.readouterr().err)
    assert "the newest that has all of their classes" in err


def test_the_world_is_taken_when_there_is_nothing_else_and_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["train", "--dry-run"]) == 0
    captured = capsys.readouterr()
    assert "world (the embedded world: there is neither a descriptor file nor --images)" in captured.err
    assert "path: world" in captured.out


def test_after_a_mining_that_did_not_finish_the_world_is_not_taken(
    artifacts: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (artifacts / "mine" / "20260101-000000-aaaa").mkdir(parents=True)
    assert run(["train", "--dry-run"]) == 2
    assert "20260101-000000-aaaa is not finished and there is no descriptor file" in capsys.readouterr().err


def test_a_dry_run_of_mining_refuses_classes_without_pictures(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "more.txt").write_text("auk\nwolf\n")
    assert run(["mine", "--classes", "more.txt", "--images", "photos", "--dry-run"]) == 3
    assert "wolf" in capsys.readouterr().err


def test_bare_syntrans_says_what_to_do_next(home: Path, artifacts: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([]) == 0
    assert "next: syntrans mine --classes birds.txt --images photos/" in (out := capsys.readouterr().out)
    assert "  evaluate  Evaluate few-shot accuracy against baselines and controls." in out
    assert run(["mine", "--classes", "birds.txt", "--images", "photos"]) == 0
    capsys.readouterr()
    run([])
    assert capsys.readouterr().out.splitlines()[1] == "next: syntrans train"
    (artifacts / "train" / "20990101-000000-aaaa").mkdir(parents=True)
    (artifacts / "train" / "20990101-000000-aaaa" / "request.json").write_text("{}")
    run([])
    assert "was not finished\nnext: the same `syntrans train` again" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        (["train", "--sed", "1"], "syntrans train"),
        (["data", "check", "--nope"], "syntrans data check"),
        (["classes"], "syntrans classes"),
        (["train", "--set", "encoder.epoch=1"], "syntrans train"),
        (["bogus"], "syntrans"),
    ],
)
def test_a_usage_error_points_to_the_help_of_its_own_command(
    arguments: list[str], command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 2
    assert capsys.readouterr().err.endswith(f"(see {command} --help)\n")
