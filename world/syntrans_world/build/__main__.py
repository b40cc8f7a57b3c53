"""Build the world's weights: `python -m syntrans_world.build [NAME ...] [--out DIR]`.

NAME is any of llm-a, llm-b, llm-c, vlm-vision, vlm-language, clip, diffusion, diffusion-patterns, manifest (default:
all, in this order). Each is written as soon as it is done; vlm-language starts from the vision tower that vlm-vision
wrote, diffusion from the text tower of clip, diffusion-patterns from what diffusion wrote. The training of these two
goes on in artifacts/build where it was stopped. The manifest holds every file's sha256, the version of these scripts
and the measured quality.
"""

import argparse
import sys
from pathlib import Path

import torch

from syntrans.paths import artifacts_root
from syntrans_world.build.corpus import everything_said

WEIGHTS = Path(__file__).parents[1] / "weights"
VLM_STAGES = ("vlm-vision", "vlm-language")
NAMES = ("llm-a", "llm-b", "llm-c", *VLM_STAGES, "clip", "diffusion", "diffusion-patterns")


def build(name: str, out: Path) -> None:
    """Train one model and write it below `out` in the format of its library."""
    if name == "clip":
        from syntrans_world.build.clip import build_clip

        build_clip(out / name)
        return
    if name == "diffusion":
        from syntrans_world.build.diffusion.pipeline import build_diffusion

        build_diffusion(out / "clip", out / name, artifacts_root() / "build" / name)
        return
    if name == "diffusion-patterns":
        from syntrans_world.build.diffusion.pipeline import retrain_for_patterns

        retrain_for_patterns(out / "clip", out / "diffusion", artifacts_root() / "build" / name)
        return
    from syntrans_world.build import tokenizer as tokenizers

    tokenizer = tokenizers.train_chat_tokenizer(everything_said())
    if name in VLM_STAGES:
        from syntrans_world.build.vlm import build_language, build_vision

        (build_vision if name == "vlm-vision" else build_language)(tokenizer, out / "vlm")
        return
    from syntrans_world.build.llm import RECIPES, train_llm

    recipe = next(recipe for recipe in RECIPES if recipe.name == name)
    model = train_llm(recipe, tokenizer)
    model.half().save_pretrained(out / name)
    tokenizers.save(tokenizer, out / name)


def main() -> int:
    """Command line; see the module's text."""
    parser = argparse.ArgumentParser(prog="syntrans_world.build", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}, or manifest; default: all")
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    arguments = parser.parse_args()
    wanted = arguments.names or [*NAMES, "manifest"]
    if unknown := set(wanted) - {*NAMES, "manifest"}:
        parser.error(f"unknown: {', '.join(sorted(unknown))}; choose from {', '.join(NAMES)}, manifest")
    torch.set_num_threads(arguments.threads)
    for name in wanted:
        if name == "manifest":
            from syntrans_world.build.manifest import write_manifest

            write_manifest(arguments.out)
        else:
            build(name, arguments.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
