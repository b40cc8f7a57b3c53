"""Write the published class splits, training/syntrans_training/data/splits/*.json, and their SHA256SUMS.

Usage: python scripts/make_splits.py SPLITS_DIR   (a folder with miniimagenet.json, cub_dirs.json, ...)
       cd training/syntrans_training/data/splits && sha256sum -c SHA256SUMS

A file holds, for train, val and test, the classes as the data set's own key ("id") and a readable name.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

OUT = Path(__file__).resolve().parent.parent / "training" / "syntrans_training" / "data" / "splits"
PARTS = ("train", "val", "test")
Classes = dict[str, list[dict[str, str]]]

# The split of sicara/easy-few-shot-learning, data/CUB/*.json at commit c14366769b40e65100991b3956c7425c5885b1a3,
# by the number in the folder's name; the remaining 140 classes are its train part.
EASYFSL_VAL = (
    *(44, 51, 52, 55, 57, 61, 64, 66, 68, 72, 76, 80, 84, 96, 113),
    *(121, 127, 136, 140, 145, 150, 155, 159, 162, 172, 176, 178, 198, 199, 200),
)
EASYFSL_TEST = (
    *(8, 9, 15, 20, 28, 30, 35, 39, 45, 46, 82, 85, 94, 101, 103),
    *(112, 118, 122, 128, 133, 134, 137, 147, 148, 163, 168, 169, 170, 193, 194),
)


def imagenet(source: Mapping[str, list[dict[str, str]]]) -> Classes:
    """The wnid and CLIP's corrected name."""
    return {part: [{"id": item["wnid"], "name": item["name"]} for item in source[part]] for part in PARTS}


def cifar(source: Mapping[str, list[str]]) -> Classes:
    """The archive's fine label and its words."""
    return {part: [{"id": name.replace(" ", "_"), "name": name} for name in source[part]] for part in PARTS}


def cub(source: Mapping[str, list[str]]) -> Classes:
    """The archive's folder and the bird's name."""
    return {part: [_bird(folder) for folder in source[part]] for part in PARTS}


def cub_easyfsl(source: Mapping[str, list[str]]) -> Classes:
    """The same 200 folders, divided by their numbers."""
    folders = sorted(folder for part in PARTS for folder in source[part])
    part_of = dict.fromkeys(EASYFSL_VAL, "val") | dict.fromkeys(EASYFSL_TEST, "test")
    classes: Classes = {part: [] for part in PARTS}
    for folder in folders:
        classes[part_of.get(int(folder[:3]), "train")].append(_bird(folder))
    return classes


def _bird(folder: str) -> dict[str, str]:
    return {"id": folder, "name": folder.partition(".")[2].replace("_", " ")}


# name: input file, how it is read, who published the split
SPLITS: dict[str, tuple[str, Callable[[Any], Classes], str]] = {
    "mini": ("miniimagenet.json", imagenet, "miniImageNet, split of Ravi and Larochelle (2017)"),
    "tiered": ("tieredimagenet.json", imagenet, "tieredImageNet, Ren et al. (2018)"),
    "cifar-fs": ("cifar_fs.json", cifar, "CIFAR-FS, Bertinetto et al. (2019)"),
    "fc100": ("fc100.json", cifar, "FC100, Oreshkin et al. (2018)"),
    "cub": ("cub_dirs.json", cub, "CUB-200-2011, split of CloserLookFewShot, Chen et al. (2019); also torchmeta's"),
    "cub-feat": ("cub_feat_dirs.json", cub, "CUB-200-2011, split of FEAT, Ye et al. (2020)"),
    "cub-easyfsl": ("cub_dirs.json", cub_easyfsl, "CUB-200-2011, split of easyfsl (140/30/30 classes)"),
}


def main() -> None:
    """Write every split, then the sums."""
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    folder = Path(sys.argv[1])
    OUT.mkdir(exist_ok=True)
    sums = []
    for name, (file, read, title) in SPLITS.items():
        classes = read(json.loads((folder / file).read_text(encoding="utf-8")))
        text = json.dumps({"title": title, **classes}, indent=1, ensure_ascii=False) + "\n"
        (OUT / f"{name}.json").write_text(text, encoding="utf-8")
        sums.append(f"{hashlib.sha256(text.encode()).hexdigest()}  {name}.json\n")
        print(name, {part: len(items) for part, items in classes.items()})
    (OUT / "SHA256SUMS").write_text("".join(sums), encoding="utf-8")


if __name__ == "__main__":
    main()
