"""README's first commands on a person's own pictures, and what they say when something is missing.

Mining is on the fake engine and training tiny (`SMALL`); everything else is what a user types.
"""

from __future__ import annotations

import json
import re
import shutil
import string
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from syntrans.cli.app import run
from syntrans.contract.reading import read_metadata

MINING = """
llms: [{name: a, path: fake/a}, {name: b, path: fake/b}]
vlm: {name: v, path: fake/v}
clip: {path: fake/clip}
engine: {kind: fake, workers: 0}
propose: {samples: 1}
"""
BIRDS = ("auk", "barbet", "crake", "dipper", "egret", "finch", "grebe", "hoopoe", "ibis")
SMALL = (
    "device=cpu",
    "data.size=16",
    "encoder.method=cross_entropy",
    "encoder.backbone=resnet12-tiny",
    "encoder.train_size=16",
    "encoder.test_size=16",
    "encoder.epochs=1",
    "encoder.precision=fp32",
    "bridge={episodes: 20, lambdas: [1.0], shrinkages: [1.0], alpha_step: 0.5, name_shares: [0.0]}",
    "vsbird={seeds: 1, steps: 0, controls: false, powers: [1.0], shrinkages: [1.0], noises: [1.0]}",
    "vsbird.prior_shrinkages=[1.0]",
    "vsbird.lambdas=[1.0]",
    "methods={names: [simpleshot], episodes: 10, views: 0}",
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


def draw_photos(root: Path, names: tuple[str, ...], per_class: int) -> Path:
    """One folder a class; its pictures have the class's colour, and noise."""
    for number, name in enumerate(names):
        rng = np.random.default_rng(number)
        colour = rng.integers(40, 215, 3)
        (root / name).mkdir(parents=True)
        for i in range(per_class):
            pixels = (colour + rng.normal(0, 30, (16, 16, 3))).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(root / name / f"{i:02}.png")
    return root


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with birds.txt, photos/ and a mining config that `mine` holds for the fitting one."""
    from syntrans import machine

    folder = tmp_path / "home"
    draw_photos(folder / "photos", BIRDS, 25)
    (folder / "birds.txt").write_text("\n".join(BIRDS[:-1]))  # the ibis has pictures, and is not asked for
    (folder / "fake.yaml").write_text(MINING)
    monkeypatch.chdir(folder)
    monkeypatch.setattr(machine, "fitting_mining_config", lambda: str(folder / "fake.yaml"))
    return folder


def small(text_encoder: Path) -> list[str]:
    return [part for setting in (*SMALL, f"text.encoder={text_encoder}") for part in ("--set", setting)]


def readme_commands(repository: Path) -> list[list[str]]:
    """The commands below README's "Use it", word by word."""
    block = re.search(r"## Use it\n```bash\n(.*?)```", (repository / "README.md").read_text(), re.DOTALL)
    assert block is not None
    lines = [line.partition("#")[0].strip() for line in block[1].splitlines()]
    return [line.split()[1:] for line in lines if line.startswith("syntrans ")]


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


@pytest.mark.parametrize(
    ("names", "per_class", "settings", "words"),
    [
        (BIRDS[:7], 25, (), "7 classes are too few for a training"),
        (BIRDS, 12, (), "has 12 pictures; 5 shots (episodes.shots) and 15 queries (episodes.queries) need 20"),
        (BIRDS, 12, (), "--set episodes.queries=7, or add pictures"),
        (BIRDS, 25, ("episodes.ways=3",), "val has 2 classes, and 3-way tasks (episodes.ways) need 3; add classes"),
        (BIRDS, 25, ("data.split_file=1/2/3",), "three shares of base, val and novel that make 1"),
        (BIRDS, 25, ("data.split_file=none.json",), "is not there, or is no file"),
    ],
)
@pytest.mark.parametrize("dry", [True, False], ids=["dry run", "run"])
def test_too_little_to_train_on_is_one_sentence_before_anything_is_made(
    names: tuple[str, ...],
    per_class: int,
    settings: tuple[str, ...],
    words: str,
    dry: bool,
    tmp_path: Path,
    artifacts: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    photos = draw_photos(tmp_path / "photos", names, per_class)
    chosen = [part for setting in settings for part in ("--set", setting)]
    assert run(["train", "--images", str(photos), *chosen, *(["--dry-run"] if dry else [])]) in (2, 3)
    assert words in capsys.readouterr().err.splitlines()[-1]
    assert list((artifacts / "train").glob("*")) == []


def test_what_mining_looked_at_is_in_the_reason_and_the_key_in_the_cure(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = ["mine", "--classes", "birds.txt", "--images", "photos", "--set", "images.reserve=0"]
    assert run(mine) == 0
    assert run(["train", "--dry-run"]) == 3
    told = capsys.readouterr().err.splitlines()[-1]
    assert "has 25 pictures, 16 of which mining looked at (they are no queries)" in told
    assert "--set episodes.queries=4, or mine again with --set images.reserve=20" in told
    assert run(["data", "check", "photos"]) == 0
    left = capsys.readouterr().out
    assert "warning  left" in left
    assert "has left 9 pictures or more of every val and novel class as queries" in left


def test_the_check_says_what_mining_will_leave(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["data", "check", "photos"]) == 0
    assert "note     left        mining (images.reserve) will leave 20 pictures or more" in capsys.readouterr().out


def test_one_picture_a_class_is_too_few_to_train_on_and_enough_to_predict_with(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos = draw_photos(tmp_path / "photos", BIRDS, 1)
    assert run(["train", "--images", str(photos), "--dry-run"]) == 3
    assert "with fewer, `syntrans predict --support DIR --query DIR` names pictures" in capsys.readouterr().err


@pytest.fixture
def few_features(tmp_path: Path) -> Path:
    """Features of 8 base, 5 val and 5 novel classes, 25 each; one novel class has 8 (feat_few)."""
    rng = np.random.default_rng(0)
    for part, n in {"base": 8, "val": 5, "novel": 5}.items():
        labels = [f"{part} {c}" for c in range(n) for _ in range(8 if (part, c) == ("novel", 3) else 25)]
        values = pa.array(rng.normal(size=(len(labels), 8)).tolist(), pa.list_(pa.float32()))
        pq.write_table(pa.table({"class": labels, "feature": values}), tmp_path / f"{part}.features.parquet")
    return tmp_path


def test_a_novel_class_with_few_pictures_is_said_before_training(
    few_features: Path, artifacts: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["train", "--images", str(few_features)]) == 3
    assert "novel: class novel 3 has 8 pictures; 5 shots" in capsys.readouterr().err
    assert list((artifacts / "train").glob("*")) == []


def test_features_that_are_not_finite_are_said_before_training(
    few_features: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = pq.read_table(few_features / "novel.features.parquet")
    values = table["feature"].to_pylist()
    values[3][0] = float("nan")
    broken = pa.table({"class": table["class"], "feature": pa.array(values, pa.list_(pa.float32()))})
    pq.write_table(broken, few_features / "novel.features.parquet")
    assert run(["train", "--images", str(few_features), "--dry-run"]) == 3
    assert "row 3 is not finite" in capsys.readouterr().err


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
