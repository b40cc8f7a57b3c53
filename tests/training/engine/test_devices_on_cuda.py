"""On a CUDA device the numbers are the CPU's, within rounding (`pytest -m gpu`)."""

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from syntrans_training.backbones import build
from syntrans_training.data.augment import Pictures
from syntrans_training.encoder.features import encode_batch
from syntrans_training.encoder.objectives.cross_entropy import CrossEntropy
from syntrans_training.encoder.objectives.skd_gen0 import SKDGen0
from syntrans_training.engine import devices
from syntrans_training.engine.devices import pick_device, pick_precision
from syntrans_training.engine.metrics_log import read_rows
from syntrans_training.engine.trainer import Recipe, fit
from syntrans_training.imagination.diffusion_folder import open_folder
from syntrans_training.imagination.latent_diffusion import LatentDiffusion, Sampling
from syntrans_training.imagination.prompts import Job, Prompt
from syntrans_training.prediction.encoders.choose import TorchEncoder

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")]

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
PIXELS = np.random.default_rng(3).integers(0, 256, (24, 16, 16, 3), np.uint8)


def make_task(device, objective=CrossEntropy):
    torch.manual_seed(0)
    pictures = Pictures(PIXELS, np.arange(24) % 3, device=device, view={"size": 16})
    return objective(build("resnet12-tiny"), pictures, n_classes=3)


def train(folder: Path, task, device, *, precision="fp32", epochs=2):
    folder.mkdir(exist_ok=True)
    recipe = Recipe(epochs=epochs, batch_size=8, seed=5, lr=0.01, precision=precision)
    fit(task, recipe, device=device, identity="a", state_file=folder / "state", metrics_file=folder / "m.jsonl")
    return [row["loss"] for row in read_rows(folder / "m.jsonl")]


def features(device, kind):
    torch.manual_seed(0)
    encoder = build("resnet12-tiny").eval().to(device)
    with torch.inference_mode(), torch.autocast(device.type, kind, enabled=kind != torch.float32):
        return encode_batch(encoder, torch.from_numpy(PIXELS).to(device), 16).float().cpu()


def test_auto_takes_the_device_and_numbers_that_it_multiplies_natively() -> None:
    device = pick_device("auto")
    assert device.type == "cuda"
    assert pick_precision("auto", device) in ("bf16", "fp16")


def test_predict_looks_at_pictures_on_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    for device in (CPU, CUDA):
        torch.manual_seed(0)
        monkeypatch.setattr(devices, "pick_device", lambda _name, device=device: device)
        encoder = TorchEncoder("resnet12-tiny")
        seen.append(encoder.forward(np.stack([encoder.prepare(Image.fromarray(pixels)) for pixels in PIXELS])))
    assert seen[1] == pytest.approx(seen[0], rel=1e-3, abs=1e-3)


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16, torch.float16], ids=str)
def test_features_are_those_of_the_cpu(kind: torch.dtype) -> None:
    here, there = features(CPU, torch.float32), features(CUDA, kind)
    assert torch.nn.functional.cosine_similarity(here, there).min() > 0.999


@pytest.mark.parametrize("objective", [CrossEntropy, SKDGen0])
def test_a_training_follows_that_of_the_cpu(objective: type, tmp_path: Path) -> None:
    here = train(tmp_path / "cpu", make_task(CPU, objective), CPU)
    there = train(tmp_path / "cuda", make_task(CUDA, objective), CUDA)
    assert there == pytest.approx(here, rel=0.02)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_begins_as_the_whole_one_does(precision: str, tmp_path: Path) -> None:
    whole = train(tmp_path / "fp32", make_task(CUDA), CUDA, epochs=1)
    half = train(tmp_path / "half", make_task(CUDA), CUDA, precision=precision, epochs=1)
    assert half == pytest.approx(whole, rel=0.1)


COMPILED = """
import torch
from syntrans_training.backbones import build, place

encoder = place(build("resnet12-tiny"), torch.device("cuda")).eval()
x = torch.rand(4, 3, 32, 32, device="cuda")
plain = encoder(x)
encoder.compile()
assert torch.allclose(encoder(x), plain, atol=1e-3)
"""


def test_a_compiled_encoder_gives_the_same_features() -> None:
    # In a process of its own: the compiler cannot look through the shape checks that tests run under.
    subprocess.run([sys.executable, "-c", COMPILED], check=True)


def test_a_training_that_is_stopped_goes_on_as_if_it_had_not_been(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", True)
    whole = train(tmp_path / "whole", make_task(CUDA), CUDA, epochs=3)
    stopped = make_task(CUDA)
    losses, steps = stopped.losses, iter(range(100))

    def interrupted(items, generator):
        if next(steps) == 4:
            signal.raise_signal(signal.SIGTERM)
        return losses(items, generator)

    stopped.losses = interrupted
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "stopped", stopped, CUDA, epochs=3)
    assert train(tmp_path / "stopped", make_task(CUDA), CUDA, epochs=3) == pytest.approx(whole, rel=1e-4)


def test_pictures_are_imagined_from_the_same_seeds_as_on_the_cpu(repository: Path) -> None:
    folder = open_folder(str(repository / "world/syntrans_world/weights/diffusion"))
    jobs = [Job(Prompt("a", "a", text), 7, text) for text in ("a red circle", "a blue striped square")]
    sampling = Sampling(steps=5, guidance=2.0, size=None)
    here = LatentDiffusion(folder, CPU, "fp32").make(jobs, sampling)
    there = LatentDiffusion(folder, CUDA, "fp32").make(jobs, sampling)
    half = LatentDiffusion(folder, CUDA, "auto").make(jobs, sampling)
    for cpu, cuda, rounded in zip(here, there, half, strict=True):
        np.testing.assert_allclose(cuda.latent, cpu.latent, atol=0.02)
        np.testing.assert_allclose(rounded.latent, cpu.latent, atol=0.2)
