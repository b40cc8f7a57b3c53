"""What latents and CLIP's features say of each attribute of the embedded world, by a linear probe.

Usage: python benchmarks/flier_probe.py [--pictures 2000] [--quick]

Pictures of attribute combinations that no model of the world was trained on; three quarters to fit, a quarter to test.
"""

from __future__ import annotations

import argparse

import torch
from quick import add_quick
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from syntrans_training.imagination.clip_space import open_clip_space
from syntrans_training.imagination.diffusion_folder import open_folder
from syntrans_training.imagination.latent_diffusion import LatentDiffusion
from syntrans_world.build.pictures import draw_pool
from syntrans_world.spec import SLOTS, VALUES

WORLD = "package:syntrans_world/weights"


def main() -> None:
    """Print a table of accuracies in percent."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=2000)
    add_quick(parser)
    given = parser.parse_args()
    n = 80 if given.quick else given.pictures
    pictures, attributes = draw_pool(n, seed=71, held_out=True)
    shown = pictures.permute(0, 2, 3, 1).numpy()
    device = torch.device("cpu")
    clip = open_clip_space(f"{WORLD}/clip", device)
    features = {
        "latents, 256 numbers": LatentDiffusion(open_folder(f"{WORLD}/diffusion"), device).encode(shown).flatten(1),
        "CLIP, 128 numbers": clip.project(clip.before_projection(shown)),
    }
    fitted = 3 * n // 4
    print(f"{'percent':<22}" + "".join(f"{slot:>12}" for slot in SLOTS))
    print(f"{'chance':<22}" + "".join(f"{100 / len(VALUES[slot]):>12.1f}" for slot in SLOTS))
    for name, values in features.items():
        cells = []
        for i in range(len(SLOTS)):
            probe = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=300))
            probe.fit(values[:fitted].numpy(), attributes[:fitted, i].numpy())
            cells.append(100 * probe.score(values[fitted:].numpy(), attributes[fitted:, i].numpy()))
        print(f"{name:<22}" + "".join(f"{cell:>12.1f}" for cell in cells))


if __name__ == "__main__":
    main()
