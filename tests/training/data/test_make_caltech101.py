"""scripts/make_caltech101.py: the archive's folders and CuPL's sentences under the class names of our split."""

import hashlib
import json
from pathlib import Path

import make_caltech101
import pytest

from syntrans_training.data import class_split

SPLIT = json.loads((Path(class_split.__file__).parent / "subsets" / "caltech101.json").read_text())
NAMES = [name for part in SPLIT.values() for name in part]


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """The folders of the archive, empty."""
    folder_of = {name: folder for folder, name in make_caltech101.CLASSES.items()}
    for folder in [*(folder_of.get(name, name.replace(" ", "_")) for name in NAMES), *make_caltech101.LEFT_OUT]:
        (tmp_path / "archive" / folder).mkdir(parents=True)
    return tmp_path / "archive"


def published(tmp_path: Path, sentences):
    """A file with CuPL's keys."""
    keys = {make_caltech101.SENTENCES.get(name, name): texts for name, texts in sentences.items()}
    file = tmp_path / "cal_prompts_full.json"
    file.write_text(json.dumps(keys | {"background": ["A background."], "centered face": ["A face."]}))
    return file


def test_every_class_of_the_split_has_its_folder_and_its_sentences(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = published(tmp_path, {name: [f"A {name}."] for name in NAMES})
    text = make_caltech101.sentences_of([*make_caltech101.class_folders(archive)], file)
    monkeypatch.setattr(make_caltech101, "SENTENCES_SHA256", hashlib.sha256(text.encode()).hexdigest())
    make_caltech101.main(archive, file, tmp_path / "out")
    assert sorted(link.name for link in (tmp_path / "out" / "photos").iterdir()) == sorted(NAMES)
    assert (tmp_path / "out" / "photos" / "face").resolve() == archive / "Faces"
    written = json.loads((tmp_path / "out" / "cupl_descriptions.json").read_text())
    assert written == {name: [f"A {name}."] for name in NAMES}


def test_other_sentences_than_those_of_our_numbers_are_refused(archive: Path, tmp_path: Path) -> None:
    file = published(tmp_path, {name: [f"A {name}."] for name in NAMES})
    with pytest.raises(SystemExit, match="do not compare"):
        make_caltech101.main(archive, file, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_sentences_here_are_what_it_writes(archive: Path, tmp_path: Path, shared_data: Path) -> None:
    ours = json.loads((shared_data / "caltech101" / "cupl_descriptions.json").read_text())
    make_caltech101.main(archive, published(tmp_path, ours), tmp_path / "out")
    assert json.loads((tmp_path / "out" / "cupl_descriptions.json").read_text()) == ours
