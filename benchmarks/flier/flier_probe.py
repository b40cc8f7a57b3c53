"""What latents and CLIP's features say of each attribute of the embedded world, and where the autoencoder loses it.

Usage: python benchmarks/flier/flier_probe.py [--pictures 2000] [--quick]

Pictures of attribute combinations that no model of the world was trained on; three quarters to fit, a quarter to test.
Linear probes of latents, of CLIP's vectors, and of CLIP's vectors once the pictures went through the autoencoder; and
FLIER's own latent encoder (two convolutions), trained on the attributes themselves. Also what a classifier could reach
that sees every attribute and knows every class.
"""

from __future__ import annotations

import argparse

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.quick import add_quick
from syntrans_training.flier.latent_encoder import LatentEncoder
from syntrans_training.imagination.clip_space import open_clip_space
from syntrans_training.imagination.diffusion_folder import open_folder
from syntrans_training.imagination.latent_diffusion import LatentDiffusion
from syntrans_world.build.pictures import draw_pool
from syntrans_world.spec import CLASSES, REDRAW, SLOTS, VALUES

WORLD = "package:syntrans_world/weights"


def main() -> None:
    """Print a table of accuracies in percent."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=2000)
    add_quick(parser)
    given = parser.parse_args()
    n = 80 if given.quick else given.pictures
    pictures, attributes = draw_pool(n, seed=71, held_out=True)
    shown = pictures.permute(0, 2, 3, 1).numpy()
    device = torch.device("cpu")
    clip, diffusion = (
        open_clip_space(f"{WORLD}/clip", device),
        LatentDiffusion(open_folder(f"{WORLD}/diffusion"), device),
    )
    latents = diffusion.encode(shown)
    decoded = torch.cat([diffusion.decode(part) for part in torch.split(latents, 50)]).clamp(-1, 1)
    again = ((decoded + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy()
    print(f"{'percent':<30}" + "".join(f"{slot:>12}" for slot in SLOTS))
    print(f"{'chance':<30}" + "".join(f"{100 / len(VALUES[slot]):>12.1f}" for slot in SLOTS))
    for name, values in {
        "latents, linear": latents.flatten(1),
        "CLIP, linear": clip.project(clip.before_projection(shown)),
        "CLIP after autoencoder, linear": clip.project(clip.before_projection(again)),
    }.items():
        tell(name, linear(values.numpy(), attributes.numpy()))
    for part in ("val", "novel"):
        print(f"best possible accuracy, {part} classes: {100 * ceiling(part):.1f}")
    tell("latents, two convolutions", convolutional(latents, attributes, steps=5 if given.quick else 600))


def ceiling(part: str, draws: int = 2000) -> float:
    """Accuracy over all classes of a part for who sees every attribute and knows every class's true ones.

    A picture shows an attribute of its class, or with probability REDRAW any of the slot's.
    """
    codes = np.array([entry.attributes for entry in CLASSES if entry.split == part])
    rng, sizes = np.random.default_rng(0), np.array([len(VALUES[slot]) for slot in SLOTS])
    labels = np.repeat(np.arange(len(codes)), draws)
    anew = rng.integers(sizes, size=(len(labels), len(SLOTS)))
    shown = np.where(rng.random(anew.shape) < REDRAW, anew, codes[labels])
    worth = np.log(1 - REDRAW + REDRAW / sizes) - np.log(REDRAW / sizes)
    scores = (shown[:, None] == codes) @ worth
    best = np.isclose(scores, scores.max(1, keepdims=True))
    return float((best[np.arange(len(labels)), labels] / best.sum(1)).mean())


def tell(name: str, accuracies: list[float]) -> None:
    """A line of the table."""
    print(f"{name:<30}" + "".join(f"{100 * one:>12.1f}" for one in accuracies), flush=True)


def linear(values: np.ndarray, attributes: np.ndarray) -> list[float]:
    """Accuracy of a logistic regression of each slot."""
    fitted, accuracies = 3 * len(values) // 4, []
    for i in range(len(SLOTS)):
        probe = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=300))
        probe.fit(values[:fitted], attributes[:fitted, i])
        accuracies.append(float(probe.score(values[fitted:], attributes[fitted:, i])))
    return accuracies


def convolutional(latents: torch.Tensor, attributes: torch.Tensor, *, steps: int) -> list[float]:
    """Accuracy of FLIER's latent encoder with a linear head for each slot, all trained together."""
    torch.manual_seed(0)
    _, c, h, w = latents.shape
    sizes, fitted = [len(VALUES[slot]) for slot in SLOTS], 3 * len(latents) // 4
    model = torch.nn.Sequential(LatentEncoder((c, h, w), 128, width=32), torch.nn.Linear(128, sum(sizes)))
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        index = torch.randint(fitted, (64,))
        said = torch.split(model(latents[index]).mul(10), sizes, 1)
        loss = torch.stack([F.cross_entropy(one, attributes[index, i]) for i, one in enumerate(said)]).sum()
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        schedule.step()
    with torch.no_grad():
        said = torch.split(model.eval()(latents[fitted:]), sizes, 1)
    return [float((one.argmax(1) == attributes[fitted:, i]).float().mean()) for i, one in enumerate(said)]


if __name__ == "__main__":
    main()
