"""`syntrans pack`: a run as a folder for a dataset hub."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml

from syntrans.cli.app import run
from syntrans.contract.reading import read_descriptors, read_semantics
from syntrans.contract.schemas import DESCRIPTOR_SCHEMA
from syntrans.descriptors.card import COLUMNS, markdown
from syntrans.descriptors.pack import pack, without_places

FAKE = """
llms:
  - {name: a, path: /home/somebody/models/llm-a, licence: apache-2.0}
  - {name: b, path: org/llm-b, licence: mit}
vlm: {name: v, path: ./eye, licence: mit}
clip: {path: /home/somebody/clip, licence: mit}
engine: {kind: fake, workers: 0}
images: {reserve: 0}
propose: {samples: 1}
crosscheck: {threshold: 0.5}
"""


@pytest.fixture
def mined(tmp_path: Path, picture_tree: Path) -> Path:
    (tmp_path / "fake.yaml").write_text(FAKE)
    (tmp_path / "birds.txt").write_text("goldfinch\nhouse finch\n")
    where = ["--classes", str(tmp_path / "birds.txt"), "--images", str(picture_tree), "--out", str(tmp_path / "mined")]
    assert run(["mine", "--config", str(tmp_path / "fake.yaml"), *where]) == 0
    return tmp_path / "mined"


@pytest.fixture
def imported(tmp_path: Path) -> Path:
    lines = [
        {"class": "wolf | <b>", "text": "fur [x](http://y) `z` | *grey*", "author": "org/llm"},
        {"class": "crow", "text": "{{ 7 * 7 }} and {text}\x1b[2J"},
    ]
    (tmp_path / "lines.jsonl").write_text("\n".join(map(json.dumps, lines)))
    where = ["--format", "jsonl", "--out", str(tmp_path / "imported")]
    assert run(["import", str(tmp_path / "lines.jsonl"), *where]) == 0
    return tmp_path / "imported"


def front_matter(folder: Path) -> dict[str, Any]:
    _, text, _ = (folder / "README.md").read_text().split("---\n", 2)
    values: dict[str, Any] = yaml.safe_load(text)
    return values


def test_accepted_and_rejected_together_are_the_ledger(mined: Path, tmp_path: Path) -> None:
    packed = pack(mined, tmp_path / "out")
    parts = [read_descriptors(packed / "data" / f"{name}-00000-of-00001.parquet") for name in ("accepted", "rejected")]
    assert all(row.kept for row in parts[0][0])
    assert not any(row.kept for row in parts[1][0])
    rows, meta = read_descriptors(mined / "descriptors.parquet")
    by_id = {row.descriptor_id: row for row in rows}
    assert {row.descriptor_id: row for part, _ in parts for row in part} == by_id
    assert {part_meta.run_id for _, part_meta in parts} == {meta.run_id}
    assert read_semantics(packed / "data" / "semantics-00000-of-00001.parquet")[0]


def test_the_front_matter_says_what_a_hub_asks_for(mined: Path, tmp_path: Path) -> None:
    packed = pack(mined, tmp_path / "out")
    values = front_matter(packed)
    assert [config["config_name"] for config in values["configs"]] == ["accepted", "rejected", "semantics", "runs"]
    assert [config.get("default") for config in values["configs"]] == [True, None, None, None]
    for config in values["configs"]:
        assert (packed / config["data_files"][0]["path"]).is_file()
    assert values["license"] == ["apache-2.0", "mit"]
    assert values["annotations_creators"] == ["machine-generated"]
    assert values["language"] == ["en"]
    assert values["size_categories"] == ["n<1K"]
    assert "&id" not in (packed / "README.md").read_text()


def test_prompts_are_attached_as_they_were_used(mined: Path, tmp_path: Path) -> None:
    packed = pack(mined, tmp_path / "out")
    _, meta = read_descriptors(mined / "descriptors.parquet")
    assert meta.prompt_sha256
    for prompt, sha256 in meta.prompt_sha256.items():
        assert hashlib.sha256((packed / "prompts" / f"{prompt}.yaml").read_bytes()).hexdigest() == sha256


def test_no_file_tells_where_the_models_or_pictures_lay(mined: Path, picture_tree: Path, tmp_path: Path) -> None:
    packed = pack(mined, tmp_path / "out")
    for path in packed.rglob("*"):
        if path.is_file():
            table = pq.read_table(path) if path.suffix == ".parquet" else None
            told = f"{table.schema.metadata} {table.to_pylist()}" if table else path.read_text()
            for secret in ("somebody", str(picture_tree), str(tmp_path)):
                assert secret not in told, path
    config = yaml.safe_load((packed / "config.yaml").read_text())
    assert [config["llms"][0]["path"], config["llms"][1]["path"], config["vlm"]["path"]] == [
        "llm-a",
        "org/llm-b",
        "eye",
    ]


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("/a/b/c", "c"),
        ("../weights/llm", "llm"),
        ("~/x", "x"),
        ("org/name@main", "org/name@main"),
        ("package:p/w/llm", "package:p/w/llm"),
        ("http://10.0.0.1:8000/v1", "not told"),
        ("a photo of a {name}, which has {descriptor}", "a photo of a {name}, which has {descriptor}"),
        ("propose.v1", "propose.v1"),
        (0.5, 0.5),
    ],
)
def test_places_become_names_and_everything_else_stays(value: object, told: object) -> None:
    assert without_places({"a": [{"b": value}]}) == {"a": [{"b": told}]}


def test_runs_has_the_figures_of_the_run(mined: Path, tmp_path: Path) -> None:
    packed = pack(mined, tmp_path / "out")
    (row,) = pq.read_table(packed / "data" / "runs-00000-of-00001.parquet").to_pylist()
    report = json.loads((mined / "run.json").read_text())
    assert row["wall_seconds"] == report["wall_seconds"]
    assert {stage["stage"] for stage in row["stages"]} == set(report["stages"])
    n_asked = {(call["stage"], call["model"]): call["asked"] for call in row["calls"]}
    assert n_asked["propose", "a"] == report["stages"]["propose"]["models"]["a"]["asked"]
    assert len(row["images_seen"]) == 6
    assert [(model["name"], model["licence"]) for model in row["models"]] == [
        ("a", "apache-2.0"),
        ("b", "mit"),
        ("v", "mit"),
        ("clip", "mit"),
    ]


def test_the_card_explains_every_column_of_the_contract(mined: Path, tmp_path: Path) -> None:
    assert list(COLUMNS) == DESCRIPTOR_SCHEMA.names
    page = (pack(mined, tmp_path / "out") / "README.md").read_text()
    for part in (
        "`crosscheck.threshold` | 0.5 |",
        "6 pictures were shown",
        "`prompts/propose.v1.yaml`",
        "apache-2.0 |",
    ):
        assert part in page


def test_what_others_wrote_is_no_markup_in_the_card(imported: Path, tmp_path: Path) -> None:
    page = (pack(imported, tmp_path / "out") / "README.md").read_text()
    row = next(line for line in page.splitlines() if line.startswith("| wolf"))
    assert row == r"| wolf \| \<b\> | fur \[x\](http:\//y) \`z\` \| \*grey\* | llm |"
    assert r"\{\{ 7 \* 7 \}\} and \{text\} | unknown |" in page
    assert "\x1b" not in page


def test_markdown_keeps_plain_words_as_they_are() -> None:
    assert markdown("a red-brown (dark) back, 3.5 cm!") == "a red-brown (dark) back, 3.5 cm!"


def test_an_import_is_packed_without_what_it_has_not(imported: Path, tmp_path: Path) -> None:
    packed = pack(imported, tmp_path / "out")
    values = front_matter(packed)
    assert [config["config_name"] for config in values["configs"]] == ["accepted", "runs"]
    assert values["license"] == "unknown"
    assert values["source_datasets"] == ["extended|other-jsonl"]
    assert "language" not in values  # JSON lines may be in any
    assert "rejected" not in (packed / "README.md").read_text()
    assert "No licence is recorded for org/llm, unknown." in (packed / "README.md").read_text()


def test_published_english_descriptions_are_packed_as_english(tmp_path: Path) -> None:
    source = tmp_path / "cupl.json"
    source.write_text(json.dumps({"wolf": ["A wolf is grey."]}))
    assert run(["import", str(source), "--format", "cupl", "--out", str(tmp_path / "in")]) == 0
    values = front_matter(pack(tmp_path / "in", tmp_path / "out"))
    assert (values["language"], values["source_datasets"]) == (["en"], ["extended|other-cupl"])


def test_a_folder_with_files_is_not_written_into(imported: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["pack", str(imported), "--out", str(imported)]) == 3
    assert "is not empty" in capsys.readouterr().err
    assert [path.name for path in imported.iterdir()] == ["descriptors.parquet"]


def test_an_unfinished_run_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["pack", str(tmp_path)]) == 3
    assert "descriptors.parquet is not there" in capsys.readouterr().err


def test_the_folder_is_all_that_goes_to_stdout(
    imported: Path, artifacts: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert run(["pack", str(imported / "descriptors.parquet")]) == 0
    assert Path(capsys.readouterr().out.rstrip("\n")) == artifacts / "pack" / "imported"


@pytest.mark.slow
def test_datasets_loads_every_config_of_a_packed_run(mined: Path, tmp_path: Path) -> None:
    import datasets

    packed = pack(mined, tmp_path / "out")
    rows, _ = read_descriptors(mined / "descriptors.parquet")
    assert datasets.get_dataset_config_names(str(packed)) == ["accepted", "rejected", "semantics", "runs"]

    def load(*config: str) -> Any:
        return datasets.load_dataset(str(packed), *config, split="train", cache_dir=str(tmp_path / "cache"))

    assert load().column_names == DESCRIPTOR_SCHEMA.names
    assert load("accepted").num_rows == sum(row.kept for row in rows)
    assert load("rejected").num_rows == sum(not row.kept for row in rows)
    assert load("semantics").num_rows == 2
    assert load("runs")[0]["models"][0]["licence"] == "apache-2.0"
