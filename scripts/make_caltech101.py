"""Give Caltech-101's folders and CuPL's sentences the class names of the split `caltech101`.

    python scripts/make_caltech101.py 101_ObjectCategories cal_prompts_full.json caltech101

Writes links to the class folders into caltech101/photos, and caltech101/cupl_descriptions.json. Where both come from:
docs/data.md. Stops if the sentences are not those that this project's numbers were measured with.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

SENTENCES_SHA256 = "cc22dd83f942dc0989f7207055a78c8c71153dfef595ad86ae61cfbb258c25ee"
LEFT_OUT = ("BACKGROUND_Google", "Faces_easy")
CLASSES = {  # folder -> class; every other folder is its class with spaces for underscores
    "Faces": "face",
    "Leopards": "leopard",
    "Motorbikes": "motorbike",
    "airplanes": "airplane",
    "car_side": "side of a car",
    "cougar_body": "body of a cougar",
    "cougar_face": "face of a cougar",
    "crocodile_head": "head of a crocodile",
    "flamingo_head": "head of a flamingo",
    "garfield": "Garfield (cartoon cat)",
    "rhino": "rhinoceros",
    "snoopy": "Snoopy (cartoon beagle)",
    "water_lilly": "water lily",
    "yin_yang": "yin and yang symbol",
}
SENTENCES = {  # class -> CuPL's key, where it is another
    "face": "off-center face",
    "body of a cougar": "body of a cougar cat",
    "face of a cougar": "face of a cougar cat",
    "Garfield (cartoon cat)": "garfield",
    "rhinoceros": "rhino",
    "Snoopy (cartoon beagle)": "snoopy (cartoon beagle)",
    "water lily": "water lilly",
}


def class_folders(photos: Path) -> dict[str, Path]:
    """Folder by class, in the order of the folders' names."""
    folders = sorted(folder for folder in photos.iterdir() if folder.is_dir() and folder.name not in LEFT_OUT)
    return {CLASSES.get(folder.name, folder.name.replace("_", " ")): folder for folder in folders}


def sentences_of(classes: list[str], file: Path) -> str:
    """The sentences of these classes, as JSON."""
    known = json.loads(file.read_text(encoding="utf-8"))
    return json.dumps({name: known[SENTENCES.get(name, name)] for name in classes}, indent=1)


def main(photos: Path, file: Path, out: Path) -> None:
    """Read, check, write."""
    folders = class_folders(photos)
    text = sentences_of([*folders], file)
    if hashlib.sha256(text.encode()).hexdigest() != SENTENCES_SHA256:
        raise SystemExit(f"{photos} and {file} are not those of docs/data.md; numbers made with them do not compare")
    (out / "photos").mkdir(parents=True)
    for name, folder in folders.items():
        (out / "photos" / name).symlink_to(folder.resolve(), target_is_directory=True)
    (out / "cupl_descriptions.json").write_text(text, encoding="utf-8")
    print(f"{len(folders)} classes in {out}")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
