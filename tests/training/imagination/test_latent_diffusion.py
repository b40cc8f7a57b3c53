"""Stable Diffusion's own classes, at toy size, through the code that loads the large ones."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from syntrans.errors import EnvironmentProblem, ModelLoadError, UsageError
from syntrans_training.imagination.diffusion_folder import open_folder
from syntrans_training.imagination.judge import pixels
from syntrans_training.imagination.latent_diffusion import LatentDiffusion, Precision, Sampling
from syntrans_training.imagination.prompts import Job, Prompt

SAMPLING = Sampling(steps=2, guidance=2.0, size=None)
JOBS = [Job(Prompt("a", "a", text), seed, f"key {seed}") for seed, text in enumerate(("a cat", "a dog", "a bird"))]


@pytest.fixture(scope="module")
def diffusion(pipeline_folder: Path) -> LatentDiffusion:
    return LatentDiffusion(open_folder(str(pipeline_folder)), torch.device("cpu"))


def test_it_gives_pictures_and_the_latents_that_decode_to_them(diffusion: LatentDiffusion) -> None:
    pictures = diffusion.make(JOBS, SAMPLING)
    assert [one.latent.shape for one in pictures] == [(4, 8, 8)] * 3
    assert pixels([one.image for one in pictures]).shape == (3, 16, 16, 3)
    again = diffusion.decode(torch.from_numpy(pictures[0].latent).float()[None])
    shown = pixels([pictures[0].image])[0].astype(float) / 127.5 - 1
    assert np.abs(again[0].permute(1, 2, 0).clamp(-1, 1).numpy() - shown).max() < 0.02


def test_a_picture_does_not_depend_on_what_else_is_in_its_batch(diffusion: LatentDiffusion) -> None:
    together = diffusion.make(JOBS, SAMPLING)
    alone = diffusion.make([JOBS[2]], SAMPLING)[0]
    np.testing.assert_allclose(together[2].latent, alone.latent, atol=2e-3)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_every_precision_begins_with_the_numbers_that_fp32_draws(pipeline_folder: Path, precision: Precision) -> None:
    model = LatentDiffusion(open_folder(str(pipeline_folder)), torch.device("cpu"), precision)
    kind = {"fp32": torch.float32, "bf16": torch.bfloat16}[precision]
    first, second = model.noise([torch.Generator().manual_seed(seed) for seed in (7, 8)], side=16)
    drawn = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(7))
    torch.testing.assert_close(first, drawn[0].to(kind), atol=0, rtol=0)
    assert not torch.equal(first, second)


def test_latents_of_real_pictures_are_means_times_the_scaling_factor(diffusion: LatentDiffusion) -> None:
    shown = np.random.default_rng(0).integers(0, 255, (5, 16, 16, 3), np.uint8)
    first, second = diffusion.encode(shown), diffusion.encode(shown, batch=2)
    torch.testing.assert_close(first, second)
    vae = diffusion.vae
    inner = vae.encode(torch.from_numpy(shown).permute(0, 3, 1, 2).float() / 127.5 - 1).latent_dist.mean
    torch.testing.assert_close(first, (inner * vae.config.scaling_factor).detach())


def test_a_shift_of_the_vae_is_respected_both_ways(diffusion: LatentDiffusion, monkeypatch: pytest.MonkeyPatch) -> None:
    latents = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    plain = diffusion.decode(latents)
    diffusion.vae.register_to_config(shift_factor=0.5)
    scale = diffusion.vae.config.scaling_factor
    try:
        torch.testing.assert_close(diffusion.decode(latents - 0.5 * scale), plain, atol=1e-4, rtol=1e-4)
    finally:
        diffusion.vae.register_to_config(shift_factor=None)


def test_a_picture_that_is_not_a_number_is_a_result_with_a_reason(
    diffusion: LatentDiffusion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(diffusion, "decode", lambda latents: torch.full((1, 3, 16, 16), torch.nan))
    picture = diffusion.make(JOBS[:1], SAMPLING)[0]
    assert (picture.image, picture.latent, picture.reason) == (None, None, "not_a_number")


def test_a_picture_that_the_safety_checker_refuses_is_not_shown_and_has_a_reason(
    diffusion: LatentDiffusion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(diffusion.pipeline, "safety_checker", object())
    monkeypatch.setattr(diffusion.pipeline, "run_safety_checker", lambda picture, device, dtype: (picture, [True]))
    result = diffusion.make(JOBS[:1], SAMPLING)[0]
    assert result.image is None
    assert result.reason == "unsafe"


@pytest.fixture
def copy(pipeline_folder: Path, tmp_path: Path) -> Path:
    return shutil.copytree(pipeline_folder, tmp_path / "copy")


@pytest.mark.parametrize("part", ["unet", "vae"])
def test_a_folder_without_a_part_says_which(copy: Path, part: str) -> None:
    index = json.loads((copy / "model_index.json").read_text())
    del index[part]
    (copy / "model_index.json").write_text(json.dumps(index))
    with pytest.raises(ModelLoadError, match=f"has no {part} "):
        open_folder(str(copy))


def test_pickled_weights_are_not_loaded(copy: Path) -> None:
    (copy / "unet" / "diffusion_pytorch_model.safetensors").rename(copy / "unet" / "diffusion_pytorch_model.bin")
    with pytest.raises(ModelLoadError, match=r"no \*\.safetensors in unet/"):
        open_folder(str(copy))


def test_code_of_the_folder_is_not_run(copy: Path) -> None:
    index = json.loads((copy / "model_index.json").read_text())
    index["unet"] = ["my_unet", "Evil"]
    (copy / "model_index.json").write_text(json.dumps(index))
    with pytest.raises(ModelLoadError, match="would run code of that folder"):
        open_folder(str(copy))


@pytest.mark.parametrize("kind", ["StableDiffusionInpaintPipeline", "StableDiffusionImg2ImgPipeline"])
def test_a_pipeline_that_begins_with_a_picture_is_refused(copy: Path, kind: str) -> None:
    index = json.loads((copy / "model_index.json").read_text())
    (copy / "model_index.json").write_text(json.dumps(index | {"_class_name": kind}))
    with pytest.raises(ModelLoadError, match=f"a {kind} does not go from text to pictures"):
        LatentDiffusion(open_folder(str(copy)), torch.device("cpu"))


def test_a_folder_of_something_else_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ModelLoadError, match="no diffusers pipeline"):
        open_folder(str(tmp_path))


def test_weights_of_another_shape_are_said_in_one_line(copy: Path) -> None:
    config = json.loads((copy / "unet" / "config.json").read_text())
    (copy / "unet" / "config.json").write_text(json.dumps(config | {"cross_attention_dim": 12}))
    with pytest.raises(ModelLoadError, match="does not load as a StableDiffusionPipeline") as error:
        LatentDiffusion(open_folder(str(copy)), torch.device("cpu"))
    assert "\n" not in str(error.value)


def test_the_licence_is_that_of_the_card(copy: Path) -> None:
    assert open_folder(str(copy)).licence == "not stated in the folder"
    (copy / "README.md").write_text("---\nlicense: openrail++\n---\n# A model\n")
    assert open_folder(str(copy)).licence == "openrail++"
    (copy / "README.md").write_text("---\nlicense: 'mit'\n---\n")
    assert open_folder(str(copy)).licence == "mit"
    (copy / "README.md").write_text("---\nlicense: other\nlicense_name: stabilityai-community\n---\n")
    assert open_folder(str(copy)).licence == "stabilityai-community"


@pytest.mark.parametrize("index", ["[]", "null", '{"_class_name": "P", "unet": [], "vae": [["a"], "b"]}'])
def test_an_index_of_another_form_is_said_in_one_line(copy: Path, index: str) -> None:
    (copy / "model_index.json").write_text(index)
    with pytest.raises(ModelLoadError, match="not as diffusers writes it"):
        open_folder(str(copy))


@pytest.mark.parametrize(
    ("steps", "size", "said"), [(1001, None, "1000 denoising steps"), (2, 12, "sides of 8, 16"), (2, 4, "sides of 8")]
)
def test_steps_and_sides_that_the_pipeline_refuses_are_said_before(
    pipeline_folder: Path, steps: int, size: int | None, said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        open_folder(str(pipeline_folder)).check(steps, size)


def test_a_unet_may_say_its_side_twice_and_other_shapes_are_refused(copy: Path) -> None:
    config = json.loads((copy / "unet" / "config.json").read_text())
    (copy / "unet" / "config.json").write_text(json.dumps(config | {"sample_size": [8, 8]}))
    open_folder(str(copy)).check(2, 16)
    assert LatentDiffusion(open_folder(str(copy)), torch.device("cpu")).size == 16
    (copy / "unet" / "config.json").write_text(json.dumps(config | {"sample_size": [8, 16]}))
    with pytest.raises(ModelLoadError, match="only squares"):
        open_folder(str(copy)).check(2, None)


def test_a_latent_that_16_bits_cannot_hold_has_a_reason(
    diffusion: LatentDiffusion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(diffusion, "decode", lambda latent: torch.zeros(1, 3, 16, 16))
    result = diffusion._finished(torch.full((1, 4, 8, 8), 1e5))
    assert (result.image, result.latent, result.reason) == (None, None, "not_a_number")


@pytest.mark.parametrize(
    "full", [torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("DefaultCPUAllocator: can't allocate memory")]
)
def test_a_memory_that_is_too_small_is_one_line(
    diffusion: LatentDiffusion, monkeypatch: pytest.MonkeyPatch, full: RuntimeError
) -> None:
    def fill(*_arguments: object) -> None:
        raise full

    monkeypatch.setattr(diffusion, "noise", fill)
    with pytest.raises(EnvironmentProblem, match="does not hold 3 pictures at once; lower batch"):
        diffusion.make(JOBS, SAMPLING)
    with pytest.raises(EnvironmentProblem, match="lower size"):
        diffusion.make(JOBS[:1], SAMPLING)
