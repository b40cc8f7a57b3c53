"""Write the built-in class lists, syntrans/classes/lists/*.tsv, from the published splits.

Usage: python scripts/make_class_lists.py SPLITS_DIR   (a folder with miniimagenet.json, cub_dirs.json, ...)

Without SPLITS_DIR only the embedded world's list is written, from its specification.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from syntrans.classes.entries import slug

OUT = Path(__file__).resolve().parent.parent / "syntrans" / "lists"
Line = tuple[str, str, str]
# CIFAR-100's coarse classes as the definition of a fine one: it says which 'ray' and which 'seal' is meant.
COARSE = {
    "aquatic_mammals": "an aquatic mammal",
    "fish": "a fish",
    "flowers": "a flower",
    "food_containers": "a food container",
    "fruit_and_vegetables": "a fruit or vegetable",
    "household_electrical_devices": "a household electrical device",
    "household_furniture": "a piece of household furniture",
    "insects": "an insect",
    "large_carnivores": "a large carnivore",
    "large_man-made_outdoor_things": "a large man-made outdoor thing",
    "large_natural_outdoor_scenes": "a large natural outdoor scene",
    "large_omnivores_and_herbivores": "a large omnivore or herbivore",
    "medium_mammals": "a medium-sized mammal",
    "non-insect_invertebrates": "an invertebrate that is not an insect",
    "people": "a person",
    "reptiles": "a reptile",
    "small_mammals": "a small mammal",
    "trees": "a kind of tree",
    "vehicles_1": "a vehicle",
    "vehicles_2": "a vehicle",
}


def imagenet(splits: Path, name: str) -> Iterable[Line]:
    """wnid, CLIP's corrected name, WordNet's synonyms where they add something."""
    facts = _load(splits / "imagenet_wnid_names.json")
    for item in _all(splits / f"{name}.json"):
        lemmas = facts.get(item["wnid"], {}).get("wordnet_lemmas", "")
        yield item["wnid"], item["name"], lemmas if lemmas.casefold() != item["name"].casefold() else ""


def cifar(splits: Path, name: str) -> Iterable[Line]:
    """slug, name, the coarse class as the definition."""
    taxonomy = _load(splits / "cifar100_taxonomy.json")["taxonomy"]
    coarse = {slug(fine): COARSE[group] for group, members in taxonomy.items() for fine in members}
    for item in _all(splits / f"{name}.json"):
        yield slug(item), item, coarse[slug(item)]


def cub(splits: Path) -> Iterable[Line]:
    """The data set's folder name as id, the bird's name."""
    for folder, name in zip(_all(splits / "cub_dirs.json"), _all(splits / "cub.json"), strict=True):
        yield folder, name, "a species of bird"


def world() -> Iterable[Line]:
    """The invented classes."""
    from syntrans_world.spec import CLASSES

    for entry in CLASSES:
        yield entry.id, entry.name, ""


def write(name: str, source: str, lines: Iterable[Line]) -> None:
    """One list, with its origin in the first line."""
    body = ["\t".join(part for part in line if part) for line in lines]
    head = f"# {name}: {len(body)} classes. {source} Written by scripts/make_class_lists.py."
    (OUT / f"{name}.tsv").write_text("\n".join([head, *body]) + "\n", encoding="utf-8")


def main() -> None:
    """Write every list whose source is there."""
    OUT.mkdir(exist_ok=True)
    if len(sys.argv) > 1:
        splits = Path(sys.argv[1])
        order = "In the order of the train, validation and test classes of the usual split."
        write("mini", f"miniImageNet. {order}", imagenet(splits, "miniimagenet"))
        write("tiered", f"tieredImageNet. {order}", imagenet(splits, "tieredimagenet"))
        write("cifar-fs", f"CIFAR-FS. {order}", cifar(splits, "cifar_fs"))
        write("fc100", f"FC100. {order}", cifar(splits, "fc100"))
        write("cub", f"CUB-200-2011. {order}", cub(splits))
    if importlib.util.find_spec("syntrans_world.spec"):
        write("world", "The embedded world, in the order base, val, novel.", world())


def _all(path: Path) -> list[Any]:
    splits = _load(path)
    return [item for split in ("train", "val", "test") for item in splits[split]]


def _load(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
