"""Images per second of the encoder's training: this project's path beside the authors', on one machine in one run.

Usage: python benchmarks/training/encoder_throughput.py [--backbone resnet12-narrow] [--size 84] [--batch 64]
           [--rounds 3]

One training step of SKD's generation 0 (a batch of b pictures seen in four orientations), three ways, in turns:

authors   their data path, written anew from its description: the pictures lie decoded in one
          array; a DataLoader's workers make each one a PIL image, crop it with padding, change its colours, mirror
          and normalise it; then fp32, the ordinary memory layout, four rotations in one batch, SGD.
ours      `loop.fit`'s own step: batched views, the precision and layout that `auto` takes here, SGD.
bare      forward, backward and SGD of the same model at our precision and layout on one batch prepared beforehand: the
          limit that no data path can beat.

Same weights, batch, picture size and number of threads. The authors' loader may use `--workers` processes; the ratio is
taken against its best setting, with and without them. Pictures count once, however often they are turned.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from benchmarks.quick import add_quick, target
from syntrans.paths import atomic_write_text
from syntrans.provenance import made_by
from syntrans_training import backbones
from syntrans_training.backbones.resnet12 import ResNet12
from syntrans_training.data.augment import Pictures
from syntrans_training.encoder.objectives.skd_gen0 import SKDGen0
from syntrans_training.engine.devices import autocast, pick_precision
from syntrans_training.engine.metrics_log import read_rows
from syntrans_training.engine.trainer import Recipe, fit
from syntrans_training.losses.rotation import four_rotations, gen0_loss

if TYPE_CHECKING:
    from numpy.typing import NDArray

CLASSES = 64
CPU = torch.device("cpu")
QUICK = {"backbone": "resnet12-tiny", "size": 32, "batch": 4, "steps": 1, "rounds": 1, "workers": 1, "threads": 1}
RESULT = Path(__file__).parents[1] / "results" / "encoder_throughput.json"


class PublishedBlock(nn.Module):
    """A block in the published order, activation before pooling; the weights are those of `block`."""

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.block = block

    def forward(self, x: Tensor) -> Tensor:
        """Body plus shortcut, activated, halved."""
        part = self.block.get_submodule
        activations: Tensor = part("pool")(part("activation")(part("body")(x) + part("shortcut")(x)))
        return activations


class PublishedNet(nn.Module):
    """ResNet-12, class head, and the rotation head on its logits."""

    def __init__(self, backbone: str) -> None:
        super().__init__()
        tower = ResNet12(backbones.RESNETS[backbone])
        self.blocks = nn.Sequential(*[PublishedBlock(block) for block in tower.blocks])
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier, self.rotation = nn.Linear(tower.feature_dim, CLASSES), nn.Linear(CLASSES, 4)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Class logits and rotation logits."""
        logits = self.classifier(self.pool(self.blocks(x)).flatten(1))
        return logits, self.rotation(logits)


class PilPictures(Dataset[tuple[Tensor, int]]):
    """Decoded pictures, each made a PIL image and transformed by itself."""

    def __init__(self, pixels: NDArray[np.uint8], labels: NDArray[np.int64], size: int, pad: int) -> None:
        self.pixels, self.labels = pixels, labels
        mean, std = [120.396 / 255, 115.594 / 255, 104.540 / 255], [70.682 / 255, 68.276 / 255, 72.545 / 255]
        self.transform = transforms.Compose(
            [
                transforms.RandomCrop(size, padding=pad),
                transforms.ColorJitter(brightness=0.4, contrast=0.4, saturation=0.4),
                transforms.RandomHorizontalFlip(),
                transforms.ToTensor(),
                transforms.Normalize(mean, std),
            ]
        )

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, i: int) -> tuple[Tensor, int]:
        return self.transform(Image.fromarray(self.pixels[i])), int(self.labels[i])


def authors_rate(data: PilPictures, backbone: str, batch: int, steps: int, workers: int) -> float:
    """Images per second of the authors' path over `steps` steps, after one that is not counted."""
    net = PublishedNet(backbone).train()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4)
    loader = DataLoader(data, batch, shuffle=True, drop_last=True, num_workers=workers)

    def step(x: Tensor, labels: Tensor) -> None:
        turned = [x, x.transpose(2, 3).flip(2), x.flip(2).flip(3), x.flip(2).transpose(2, 3)]
        logits, rotation = net(torch.cat(turned))
        target = F.one_hot(torch.arange(4).repeat_interleave(len(x)), 4).float()
        loss = F.cross_entropy(logits, labels.repeat(4)) + 2.0 * F.binary_cross_entropy_with_logits(rotation, target)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()

    batches: Iterator[tuple[Tensor, Tensor]] = iter(loader)
    step(*next(batches))
    began = time.perf_counter()
    for _ in range(steps):
        step(*next(batches))
    return steps * batch / (time.perf_counter() - began)


def make_task(pixels: NDArray[np.uint8], labels: NDArray[np.int64], backbone: str, size: int, pad: int) -> SKDGen0:
    """Our generation 0 with the same augmentation."""
    view = {"size": size, "crop_pad": pad, "jitter": 0.4}
    pictures = Pictures(pixels, labels, device=CPU, view=view)
    return SKDGen0(backbones.build(backbone), pictures, n_classes=CLASSES)


def ours_rate(task: SKDGen0, recipe: Recipe, steps: int) -> float:
    """Images per second as `loop.fit` itself writes them down, in its second epoch of `steps` steps."""
    task.n_items = recipe.batch_size * steps
    with tempfile.TemporaryDirectory() as folder:
        metrics = Path(folder) / "metrics.jsonl"
        state = Path(folder) / "state.safetensors"
        fit(task, recipe, device=CPU, identity="benchmark", state_file=state, metrics_file=metrics)
        return float(read_rows(metrics)[-1]["images_per_s"])


def bare_rate(task: SKDGen0, precision: str, batch: int, steps: int) -> float:
    """Images per second of forward, backward and SGD on one batch that lies ready in four orientations."""
    views, labels = task.pictures.batch(torch.arange(batch), torch.Generator().manual_seed(0))
    turned = four_rotations(views).contiguous(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(task.module.parameters(), lr=0.05, momentum=0.9, nesterov=True, weight_decay=5e-4)
    task.module.train()

    def step() -> None:
        with autocast(CPU, precision):
            logits = task.head(task.encoder(turned))
            rotation = task.rotation_head(logits)
        losses = gen0_loss(labels=labels, logits=logits.float(), rotation_logits=rotation.float())
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(torch.stack(list(losses.values())).sum())
        optimizer.step()

    step()
    began = time.perf_counter()
    for _ in range(steps):
        step()
    return steps * batch / (time.perf_counter() - began)


def measure(options: argparse.Namespace) -> dict[str, list[float]]:
    """Images per second of every way, a number per round; the ways take turns."""
    n = options.batch * (options.steps + 3)
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (n, options.size, options.size, 3), np.uint8)
    labels = rng.integers(0, CLASSES, n)
    precision = pick_precision("auto", CPU)
    data = PilPictures(pixels, labels, options.size, options.pad)
    task = make_task(pixels, labels, options.backbone, options.size, options.pad)
    shape = (options.batch, options.steps)
    recipe = Recipe(2, options.batch, 0.05, precision=precision, compiled=options.compile)
    ways: dict[str, Callable[[], float]] = {
        "authors_0_workers": lambda: authors_rate(data, options.backbone, *shape, 0),
        f"authors_{options.workers}_workers": lambda: authors_rate(data, options.backbone, *shape, options.workers),
        "ours": lambda: ours_rate(task, recipe, options.steps),
        "bare": lambda: bare_rate(task, precision, *shape),
    }
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for i in range(options.rounds):
        for name, way in ways.items():
            rates[name].append(round(way(), 2))
            print(f"round {i + 1}  {name:<18} {rates[name][-1]:8.1f} images/s", flush=True)
    return rates


def main() -> None:
    """Measure, print the two ratios, write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbone", default="resnet12-narrow", choices=sorted(backbones.RESNETS))
    for name, default in {
        "size": 84,
        "pad": 8,
        "batch": 64,
        "steps": 3,
        "rounds": 3,
        "workers": 2,
        "threads": 2,
    }.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--compile", action="store_true", help="encoder.compile=always, for ours and for the limit")
    parser.add_argument("--out", type=Path)
    add_quick(parser)
    options = parser.parse_args()
    if options.quick:
        vars(options).update(QUICK)
    torch.set_num_threads(options.threads)
    rates = measure(options)
    middle = {name: statistics.median(values) for name, values in rates.items()}
    theirs = max(value for name, value in middle.items() if name.startswith("authors"))
    ratios = {
        "ours_to_authors": round(middle["ours"] / theirs, 2),
        "ours_to_bare": round(middle["ours"] / middle["bare"], 3),
    }
    print(f"ours / authors {ratios['ours_to_authors']} (bar 3)   ours / bare {ratios['ours_to_bare']} (bar 0.9)")
    shown = {key: value for key, value in vars(options).items() if key not in ("out", "quick")}
    result = {"schema_version": 1, **ratios, "images_per_s": middle, "rounds": rates, "options": shown}
    result["precision"] = pick_precision("auto", CPU)
    result["made_by"] = made_by(threads=torch.get_num_threads())
    out = target(options.out, RESULT, quick=options.quick)
    atomic_write_text(out, json.dumps(result, indent=2) + "\n")
    print(out)


if __name__ == "__main__":
    main()
