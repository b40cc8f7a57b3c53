"""Which folder belongs to which class of a split file."""

import json
from pathlib import Path

import archives
import pytest

from syntrans.errors import InputError
from syntrans_training.data import load_splits


def base(tmp_path: Path, folders, split, n=1):
    """The base split of these folders, divided by this split file."""
    archives.class_folders(tmp_path / "photos", folders, n, 8)
    path = tmp_path / "split.json"
    path.write_text(json.dumps(split))
    return load_splits(str(tmp_path / "photos"), size=8, split_file=str(path), names=("base",))["base"]


def test_two_classes_of_one_name_are_called_by_their_keys(tmp_path: Path) -> None:
    cranes = [{"id": key, "name": "crane"} for key in ("n02012849", "n03126707")]
    classes = [*cranes, {"id": "wolf", "name": "grey wolf"}]
    opened = base(tmp_path, ["n02012849", "n03126707", "wolf"], {"base": classes}, n=2)
    assert opened.classes == ("grey wolf", "n02012849", "n03126707")
    assert len(opened) == 6


@pytest.mark.parametrize("part", ["base", "val"])
def test_one_folder_is_never_two_classes_of_a_split(part: str, tmp_path: Path) -> None:
    split = {"base": ["human-brain", "wolf"]}
    split.setdefault(part, []).append("Human_Brain")
    with pytest.raises(InputError, match="'human brain' could belong to the classes 'human-brain' and 'Human_Brain'"):
        base(tmp_path, ["human brain", "wolf"], split)


def test_two_folders_for_one_class_are_an_error_that_names_both(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="'Human_Brain' or 'human brain'"):
        base(tmp_path, ["human brain", "Human_Brain"], {"base": ["human-brain"]})


def test_a_class_without_a_folder_is_named_with_the_nearest_one(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"lacks 2 of the 2 base classes: Bär, goldfinch \(nearest: goldfinches\)"):
        base(tmp_path, ["Bar", "goldfinches"], {"base": ["Bär", "goldfinch"]})


def test_decomposed_folders_are_met_by_composed_names(tmp_path: Path) -> None:
    opened = base(tmp_path, ["Ba\u0308r", "Bar"], {"base": ["Bar", "B\u00e4r"]})
    assert opened.classes == ("Bar", "B\u00e4r")


def test_one_name_in_two_unicode_spellings_is_one_class_in_all_parts(tmp_path: Path) -> None:
    archives.class_folders(tmp_path / "base", ["B\u00e4r", "Bar"], 1, 8)
    archives.class_folders(tmp_path / "novel", ["Ba\u0308r"], 1, 8)
    with pytest.raises(InputError, match="'Bär' is in base and in novel"):
        load_splits(str(tmp_path), size=8, names=("base",))
    archives.class_folders(tmp_path / "base", ["Ba\u0308r"], 1, 8)
    with pytest.raises(InputError, match=r"'Ba\\u0308r' and 'B\\xe4r' are both called 'Bär'"):
        load_splits(str(tmp_path), size=8, names=("base",))
