"""The features of a data set's pictures by a trained encoder, as files that `data.path` takes in place of pictures.

Usage: python scripts/write_features.py RUN --out DIR [--file skd-gen0.safetensors] [--config NAME]
                                        [--parts novel] [--set KEY=VALUE]

RUN is a folder of `syntrans train`, which needs no stage after the encoder, or a ready encoder as `syntrans predict`
names it: photo, or onnx:<file>. An encoder can so be trained where there is an accelerator, and everything that follows
be done on features, on another machine (docs/data.md: features). The config and the settings are those of the training;
a ready encoder sees pictures of `data.size`. Numbers are stored in half precision. The files say which encoder made
them, at which size of pictures.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from PIL import Image

from syntrans.config import load_config
from syntrans.files.sealed_parquet import write_sealed
from syntrans.images.folders import PARTS
from syntrans.progress import say
from syntrans_training.config import TrainConfig
from syntrans_training.data import Split
from syntrans_training.data.feature_files import SUFFIX
from syntrans_training.data.load_splits import open_data
from syntrans_training.encoder.build_encoder import build_encoder
from syntrans_training.encoder.features import run_encoder
from syntrans_training.encoder.open_encoder import open_encoder
from syntrans_training.encoder.training import val_accuracy
from syntrans_training.engine.devices import pick_device, pick_precision
from syntrans_training.engine.run_files import ENCODER
from syntrans_training.prediction.encoders.choose import PHOTO, open_image_encoder


def main() -> None:
    """Write the parts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--file", default=ENCODER)
    parser.add_argument("--config", default="miniimagenet")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--set", action="append", default=[], dest="settings")
    arguments = parser.parse_args()
    config = load_config(TrainConfig, arguments.config, kind="training/configs", overrides=arguments.settings)
    features_of = ready(arguments.run) if is_ready(arguments.run) else trained(config, arguments.run, arguments.file)
    for name in arguments.parts:
        split = open_data(config.data, (name,))[name]
        values = features_of(split)
        if name == "val":
            accuracy = val_accuracy(torch.from_numpy(values), split)
            say(f"{arguments.run}: val, 1-shot, prototypes: {100 * accuracy:.2f} %")
        path = arguments.out / f"{name}{SUFFIX}"
        size = config.data.size if is_ready(arguments.run) else config.encoder.test_size
        maker = f"{arguments.run if is_ready(arguments.run) else config.encoder.backbone}, {size} px"
        write_sealed(path, feature_table(split, values).replace_schema_metadata({"encoder": maker}))
        say(f"written: {path}, {len(split)} features of {values.shape[1]} numbers")


def is_ready(encoder: str) -> bool:
    """Whether this names an encoder of `syntrans predict` and no folder of a training."""
    return encoder == PHOTO or encoder.startswith("onnx:")


def trained(config: TrainConfig, run: str, file: str) -> Callable[[Split], np.ndarray]:
    """Features by the encoder of a training."""
    device = pick_device(config.device)
    encoder, _ = open_encoder(Path(run) / file, build_encoder(config.encoder), device)
    precision = pick_precision(config.encoder.precision, device)  # of this device, which need not be the training's
    size = config.encoder.test_size
    return lambda split: run_encoder(encoder, split, size=size, device=device, precision=precision).numpy()


def ready(ref: str) -> Callable[[Split], np.ndarray]:
    """Features by a ready encoder, of the decoded pictures."""
    encoder = open_image_encoder(ref).encoder

    def features(split: Split) -> np.ndarray:
        batches = (split.pixels[start : start + encoder.batch] for start in range(0, len(split), encoder.batch))
        shown = (np.stack([encoder.prepare(Image.fromarray(picture)) for picture in batch]) for batch in batches)
        return np.concatenate([encoder.forward(batch) for batch in shown])

    return features


def feature_table(split: Split, values: np.ndarray) -> pa.Table:
    """One row per picture: its class, its feature, the hash of its file."""
    rows = values.astype(np.float16)
    feature = pa.FixedSizeListArray.from_arrays(pa.array(rows.ravel()), rows.shape[1])
    names = [split.classes[label] for label in split.labels]
    return pa.table({"class": pa.array(names).dictionary_encode(), "feature": feature, "sha256": list(split.sha256)})


if __name__ == "__main__":
    main()
