"""`syntrans imagine`: what it leaves, what it does not do twice, what it refuses."""

import errno
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from syntrans.cli.app import run as cli
from syntrans.contract.imagined import read_imagined
from syntrans.contract.rows import DescriptorRow, FileMetadata
from syntrans.contract.writing import write_descriptors
from syntrans_training.imagination.latent_diffusion import LatentDiffusion

CLIP = "package:syntrans_world/weights/clip"


@pytest.fixture
def mined(descriptor: Callable[..., DescriptorRow], tmp_path: Path) -> Path:
    rows = [descriptor(c, text) for c in ("w001", "w002") for text in ("a red body", "a star shape", f"mark {c}")]
    meta = FileMetadata(run_id="r", class_list_sha256="0" * 64)
    write_descriptors(tmp_path / "descriptors.parquet", rows, meta)
    return tmp_path


@pytest.fixture
def command(mined: Path, pipeline_folder: Path) -> Callable[..., int]:
    told = {
        "model": pipeline_folder,
        "clip": CLIP,
        "per_class": 3,
        "steps": 1,
        "batch": 4,
    }
    settings = [part for key, value in told.items() for part in ("--set", f"{key}={value}")]
    return lambda *more: cli(["imagine", "--descriptors", str(mined), "--config", "imagine", *settings, *more])


@pytest.mark.slow
def test_a_run_leaves_pictures_latents_a_sheet_and_a_report_and_makes_nothing_twice(
    command: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    assert command("--out", str(out)) == 0
    rows, meta = read_imagined(out / "imagined.parquet")
    assert [row.class_id for row in rows] == ["w001"] * 3 + ["w002"] * 3
    assert {row.latent.shape for row in rows} == {(4, 8, 8)}
    assert all(row.kept == (row.margin > 0) and row.neighbour != row.class_id for row in rows)
    assert len({row.seed for row in rows}) == 6
    report = json.loads((out / "run.json").read_text())
    assert report["made_now"] == 6
    assert report["model"]["precision"] == "fp32"  # `auto` on a CPU: with it, a row's seed makes its picture again
    assert report["kept"] + report["reasons"].get("other_class", 0) == 6
    assert meta["revision"] == rows[0].revision
    assert (out / "contact_sheet.png").read_bytes().startswith(b"\x89PNG")
    capsys.readouterr()

    monkeypatch.setattr(LatentDiffusion, "make", None)  # it would be called for any picture that is missing
    assert command("--out", str(out)) == 0
    again, _ = read_imagined(out / "imagined.parquet")
    assert [(row.picture_id, row.image) for row in again] == [(row.picture_id, row.image) for row in rows]


@pytest.mark.slow
def test_a_dry_run_shows_model_licence_origin_size_and_time_and_makes_nothing(
    command: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("--dry-run", "--out", str(tmp_path / "out")) == 0
    printed = capsys.readouterr().out
    for word in ("StableDiffusionPipeline", "licence    not stated", "a local folder", "6 (2 classes", "16x16", "time"):
        assert word in printed
    assert not (tmp_path / "out").exists()
    assert command("--dry-run", "--set", "size=60") == 2
    assert "sides of 8, 16" in capsys.readouterr().err


def test_a_disk_that_fills_leaves_no_half_file_and_the_same_command_ends_the_run(
    command: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_args, **_named) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr("pyarrow.parquet.ParquetWriter.write_table", full)
        assert command("--out", str(out)) == 4
    assert "the disk is full; free some room" in capsys.readouterr().err.splitlines()[-1]
    assert {path.name for path in out.glob("*parquet*")} == set()
    monkeypatch.setattr(LatentDiffusion, "make", None)  # all pictures were kept
    assert command("--out", str(out)) == 0
    assert len(read_imagined(out / "imagined.parquet")[0]) == 6


@pytest.mark.parametrize(
    ("part", "told"), [("unet", "has no unet"), ("vae", "has no vae"), ("pickle", "no *.safetensors")]
)
def test_a_folder_that_is_no_latent_diffusion_model_ends_with_5_and_one_line(
    part: str,
    told: str,
    command: Callable[..., int],
    pipeline_folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    copy = shutil.copytree(pipeline_folder, tmp_path / "copy")
    if part == "pickle":
        weights = copy / "vae" / "diffusion_pytorch_model.safetensors"
        weights.rename(weights.with_suffix(".bin"))
    else:
        index = json.loads((copy / "model_index.json").read_text())
        (copy / "model_index.json").write_text(json.dumps({key: value for key, value in index.items() if key != part}))
    for more in ([], ["--dry-run"]):
        assert command("--set", f"model={copy}", "--out", str(tmp_path / "out"), *more) == 5
        assert told in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "out").exists()


def test_a_hub_id_without_a_network_is_one_line(
    command: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for more in ([], ["--dry-run"]):
        assert command("--set", "model=some-org/some-model", "--out", str(tmp_path / "out"), *more) == 5
        told = [line for line in capsys.readouterr().err.splitlines() if "error" in line]
        assert len(told) == 1
        assert "'some-org/some-model' is not in the local cache and HF_HUB_OFFLINE forbids fetching it" in told[0]
        assert "of imagine: imagine-world" in told[0]
    assert not (tmp_path / "out").exists()


def test_without_a_model_it_says_how_to_name_one(
    command: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("--set", "model=null") == 2
    assert "no diffusion model is named" in capsys.readouterr().err


def test_a_class_that_keeps_no_descriptor_is_refused_before_anything_is_made(
    command: Callable[..., int],
    descriptor: Callable[..., DescriptorRow],
    mined: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    rows = [descriptor("w001", "a red body"), descriptor("w002", "a blue body", kept=False)]
    write_descriptors(mined / "descriptors.parquet", rows, FileMetadata(run_id="r", class_list_sha256="0" * 64))
    assert command("--out", str(tmp_path / "out")) == 3
    assert "1 of 2 classes keep no descriptor (class w002)" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_file_without_a_row_is_refused(
    command: Callable[..., int], mined: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    meta = FileMetadata(run_id="r", class_list_sha256="0" * 64)
    write_descriptors(mined / "descriptors.parquet", [], meta)
    assert command("--dry-run") == 3
    assert "has no descriptor of any class" in capsys.readouterr().err


def test_some_classes_can_be_named_and_an_unknown_one_is_told(
    command: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("--set", "classes=['class w002']", "--dry-run") == 0
    assert "3 (1 classes" in capsys.readouterr().out
    assert command("--set", "classes=[w009]", "--dry-run") == 3
    assert "does not know w009" in capsys.readouterr().err


def test_a_name_that_two_classes_share_is_an_error_that_gives_their_ids(
    command: Callable[..., int],
    descriptor: Callable[..., DescriptorRow],
    mined: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    ids = ("n02012849", "n03126707")
    rows = [descriptor(class_id, "a red body").model_copy(update={"class_name": "crane"}) for class_id in ids]
    write_descriptors(mined / "descriptors.parquet", rows, FileMetadata(run_id="r", class_list_sha256="0" * 64))
    assert command("--set", "classes=[crane]", "--dry-run") == 3
    assert "n02012849 or n03126707" in capsys.readouterr().err.replace("'", "")


def test_an_unknown_key_is_told_with_its_neighbour(
    command: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("--set", "guidence=3") == 2
    assert "did you mean guidance" in capsys.readouterr().err
