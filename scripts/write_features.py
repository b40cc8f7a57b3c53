"""The features of a data set's pictures by a trained encoder, as files that `data.path` takes in place of pictures.

Usage: python scripts/write_features.py RUN --out DIR [--file skd-gen0.safetensors] [--config NAME]
                                        [--parts novel] [--set KEY=VALUE]

RUN is a folder of `syntrans train`, which needs no stage after the encoder. An encoder can so be trained where there is
an accelerator, and everything that follows be done on features, on another machine (docs/data.md: features). The config
and the settings are those of the training. Numbers are stored in half precision. The files say which encoder made
them, at which size of pictures.
"""

import argparse
from pathlib import Path

import numpy as np
import pyarrow as pa

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


def main() -> None:
    """Write the parts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--file", default=ENCODER)
    parser.add_argument("--config", default="miniimagenet")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--set", action="append", default=[], dest="settings")
    arguments = parser.parse_args()
    config = load_config(TrainConfig, arguments.config, kind="training/configs", overrides=arguments.settings)
    device = pick_device(config.device)
    encoder, _ = open_encoder(arguments.run / arguments.file, build_encoder(config.encoder), device)
    precision = pick_precision(config.encoder.precision, device)  # of this device, which need not be the training's
    for name in arguments.parts:
        split = open_data(config.data, (name,))[name]
        values = run_encoder(encoder, split, size=config.encoder.test_size, device=device, precision=precision)
        if name == "val":
            say(f"{arguments.file}: val, 1-shot, prototypes: {100 * val_accuracy(values, split):.2f} %")
        path = arguments.out / f"{name}{SUFFIX}"
        maker = f"{config.encoder.backbone}, {config.encoder.test_size} px"
        write_sealed(path, feature_table(split, values.numpy()).replace_schema_metadata({"encoder": maker}))
        say(f"written: {path}, {len(split)} features of {values.shape[1]} numbers")


def feature_table(split: Split, values: np.ndarray) -> pa.Table:
    """One row per picture: its class, its feature, the hash of its file."""
    rows = values.astype(np.float16)
    feature = pa.FixedSizeListArray.from_arrays(pa.array(rows.ravel()), rows.shape[1])
    names = [split.classes[label] for label in split.labels]
    return pa.table({"class": pa.array(names).dictionary_encode(), "feature": feature, "sha256": list(split.sha256)})


if __name__ == "__main__":
    main()
