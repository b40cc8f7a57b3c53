"""Damaged bytes are refused, or asked again; nobody is ever given something else than what was written."""

from __future__ import annotations

import contextlib
import json
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from syntrans.contract.reading import read_descriptors
from syntrans.contract.rows import Clip, DescriptorRow, FileMetadata, SemanticsRow, descriptor_id
from syntrans.contract.writing import write_descriptors
from syntrans.errors import InputError
from syntrans.files.sealed_json import read_sealed_json, sealed_json
from syntrans.files.sealed_parquet import read_sealed, write_sealed
from syntrans_mining.engines.base import Response
from syntrans_mining.requests.response_cache import ResponseCache, Vector

META = FileMetadata(run_id="r", class_list_sha256="0" * 64)


def row(text: str = "a red breast", **more: Any) -> DescriptorRow:
    values = {"class_id": "robin", "class_name": "robin", "text": text, "facet": "part", "authors": [], "kept": True}
    return DescriptorRow.model_validate({**values, "descriptor_id": descriptor_id("robin", text), **more})


def test_every_single_byte_of_a_descriptor_file_counts(tmp_path: Path) -> None:
    path = write_descriptors(tmp_path / "descriptors.parquet", [row(f"mark {i}", rank=i + 1) for i in range(30)], META)
    data, true = path.read_bytes(), read_descriptors(path)
    for place in range(0, len(data), 29):
        path.write_bytes(data[:place] + bytes([data[place] ^ 16]) + data[place + 1 :])
        with contextlib.suppress(InputError):
            assert read_descriptors(path) == true


def test_pages_carry_checksums_that_other_programs_can_check(tmp_path: Path) -> None:
    table = pa.table({"text": ["a red breast"] * 2000})
    write_sealed(tmp_path / "a.parquet", table, compression="none")
    data = bytearray((tmp_path / "a.parquet").read_bytes())
    data[data.index(b"a red breast")] ^= 1
    (tmp_path / "a.parquet").write_bytes(bytes(data))
    with pytest.raises(OSError, match="CRC"):
        pq.ParquetFile(tmp_path / "a.parquet", page_checksum_verification=True).read()


def test_any_program_reads_a_sealed_file_and_what_it_writes_is_read_again(tmp_path: Path) -> None:
    path = write_descriptors(tmp_path / "descriptors.parquet", [row()], META)
    table = pq.read_table(path)
    pq.write_table(table, tmp_path / "again.parquet")
    assert read_descriptors(tmp_path / "again.parquet") == read_descriptors(path)


def test_metadata_that_is_no_text_is_one_line(tmp_path: Path) -> None:
    table = pa.table({"a": [1]}).replace_schema_metadata({b"schema_version": b"\xff\xfe"})
    pq.write_table(table, tmp_path / "descriptors.parquet")
    with pytest.raises(InputError, match="its metadata is not text"):
        read_descriptors(tmp_path / "descriptors.parquet")


def test_an_id_that_is_not_that_of_the_text_is_refused(tmp_path: Path) -> None:
    path = write_descriptors(tmp_path / "descriptors.parquet", [row(descriptor_id="0" * 16)], META)
    with pytest.raises(InputError, match=r"row 0: descriptor_id 0{16}: it is not the id of class and text"):
        read_descriptors(path)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"rank": 0}, "rank"),
        ({"rank": 1_073_741_827 * 4}, "rank"),
        ({"weight": -0.5}, "weight"),
        ({"agreement": 1.5}, "agreement"),
        ({"clip": {"model": "c", "similarity": 3.0, "tokens": 5, "truncated": False}}, "clip.similarity"),
        ({"clip": {"model": "c", "similarity": 0.1, "margin": 9.0, "tokens": 5, "truncated": False}}, "clip.margin"),
        ({"clip": {"model": "c", "similarity": 0.1, "tokens": -1, "truncated": False}}, "clip.tokens"),
    ],
)
def test_numbers_out_of_their_range_are_refused(values: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        row(**values)


def test_the_edges_of_the_ranges_are_allowed() -> None:
    assert row(rank=1, weight=0.0, agreement=1.0, clip=Clip(model="c", similarity=-1.0, tokens=0, truncated=False))
    assert SemanticsRow(
        class_id="a", class_name="a", summary="", n_kept=0, encoder="e", encoder_revision="r", embedding=[0.0]
    )


def test_a_report_that_was_damaged_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_text(sealed_json({"rows": 12, "stages": {"merge": {"seconds": 0.1}}}))
    assert read_sealed_json(path, "again")["rows"] == 12
    path.write_text(path.read_text().replace("12", "13"))
    with pytest.raises(InputError, match=r"run\.json is damaged or was edited"):
        read_sealed_json(path, "again")
    path.write_text('{"rows": 12}')  # of an earlier version
    assert read_sealed_json(path, "again") == {"rows": 12}


def test_a_report_may_name_a_file_whose_name_is_no_text(tmp_path: Path) -> None:
    path, report = tmp_path / "train.json", {"path": "caf\udce9", "class": "Ara\u00e7ari"}
    path.write_bytes(sealed_json(report).encode())
    assert read_sealed_json(path, "again") == report


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[ResponseCache]:
    """Two answers and a vector."""
    with closing(ResponseCache(tmp_path / "journal.sqlite")) as journal:
        journal.put("ground", "eye", Response("aa", "It is red.", p_yes=0.75))
        journal.put("ground", "eye", Response("bb"))
        journal.put_vectors([("vv", Vector(np.array([0.6, 0.8], np.float32), 3))])
        yield journal


CELLS = [None, 7, 1.5, b"\xff\xfe", "not JSON", "[1]", "null", '{"text": 5}', '{"text": "It is rad.", "p_yes": 0.75}']
CELLS += ['{"unknown": 1}', '{"p_yes": 7}', "[" * 10_000]


@pytest.mark.parametrize("with_digest", [True, False])
@pytest.mark.parametrize("cell", CELLS)
def test_a_damaged_answer_is_not_there_and_can_be_kept_anew(
    cell: object, with_digest: bool, journal: ResponseCache
) -> None:
    if cell == CELLS[8] and not with_digest:
        pytest.skip("a true answer, for all that an early version kept of it")
    with closing(sqlite3.connect(journal.path)) as db, db:
        db.execute("UPDATE answers SET answer = ? WHERE key = 'aa'", [cell])
        if not with_digest:
            db.execute("UPDATE answers SET digest = NULL")
    assert journal.get(["aa", "bb"]) == {"bb": Response("bb")}
    assert journal.damaged == {"aa"}
    journal.put("ground", "eye", Response("aa", "It is red."))
    assert journal.get(["aa"]) == {"aa": Response("aa", "It is red.")}


@pytest.mark.parametrize("with_digest", [True, False])
@pytest.mark.parametrize("cell", [None, 7, "text", b"", b"abc", bytes(8), np.array([np.nan, 1], "f4").tobytes()])
def test_a_damaged_vector_is_not_there(cell: object, with_digest: bool, journal: ResponseCache) -> None:
    with closing(sqlite3.connect(journal.path)) as db, db:
        db.execute("UPDATE vectors SET vector = ?", [cell])
        if not with_digest:
            db.execute("UPDATE vectors SET digest = NULL")
    assert journal.get_vectors(["vv"]) == {}
    assert journal.damaged == {"vv"}


def test_a_journal_whose_damage_sqlite_cannot_even_spell_is_named(journal: ResponseCache) -> None:
    journal.close()
    with closing(sqlite3.connect(journal.path)) as db:
        db.execute("PRAGMA journal_mode=DELETE")
    data = journal.path.read_bytes()
    for part in (b"CREATE TABLE", b"answers (key", b"PRIMARY KEY", b"vectors"):
        journal.path.write_bytes(data.replace(part, b"\xc5\xff\x80 (" + part[4:]))
        with pytest.raises(InputError, match=r"journal\.sqlite is"):
            ResponseCache(journal.path)


def test_an_answer_under_the_key_of_another_question_is_not_believed(journal: ResponseCache) -> None:
    with closing(sqlite3.connect(journal.path)) as db, db:
        db.execute("DELETE FROM answers WHERE key = 'bb'")
        db.execute("UPDATE answers SET key = 'bb'")
    assert journal.get(["aa", "bb"]) == {}


def test_a_journal_of_an_earlier_version_is_read_and_gains_digests(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "journal.sqlite")) as db, db:
        db.execute("CREATE TABLE answers (key TEXT PRIMARY KEY, stage TEXT, model TEXT, answer TEXT) WITHOUT ROWID")
        db.execute("CREATE TABLE vectors (key TEXT PRIMARY KEY, vector BLOB, tokens INTEGER, truncated INTEGER)")
        db.execute("INSERT INTO answers VALUES ('aa', 'ground', 'eye', ?)", [json.dumps({"text": "It is red."})])
        unit = np.array([0.6, 0.8], np.float32)
        db.execute("INSERT INTO vectors VALUES ('vv', ?, 3, 0)", [unit.tobytes()])
    with closing(ResponseCache(tmp_path / "journal.sqlite")) as journal:
        assert journal.get(["aa"]) == {"aa": Response("aa", "It is red.")}
        assert journal.get_vectors(["vv"])["vv"].tokens == 3
        journal.put("ground", "eye", Response("bb"))
        assert set(journal.get(["aa", "bb"])) == {"aa", "bb"}


def test_a_run_with_damaged_answers_ends_as_a_whole_one(mined: Callable[[Path], Any], tmp_path: Path) -> None:
    whole, out = tmp_path / "whole" / "run", tmp_path / "damaged" / "run"
    expected = mined(whole)
    shutil.copytree(whole, out)
    with closing(sqlite3.connect(out / "journal.sqlite")) as db, db:
        db.execute("UPDATE answers SET answer = replace(answer, 'red', 'rad')")
        db.execute("UPDATE vectors SET tokens = 'many' WHERE rowid % 3 = 0")
    assert mined(out) == expected


@pytest.fixture
def mined() -> Callable[[Path], Any]:
    """Mines two classes with fake engines into a folder; the rows."""
    from syntrans.classes.entries import ClassEntry
    from syntrans.progress import Silent
    from syntrans_mining.config import MiningConfig
    from syntrans_mining.run.mine import mine

    values = {
        "llms": [{"name": name, "path": name} for name in ("ann", "bob")],
        "clip": {"path": "fake"},
        "engine": {"kind": "fake", "workers": 0},
    }
    config = MiningConfig.model_validate(values)
    entries = [ClassEntry("heron", "heron"), ClassEntry("ibis", "ibis")]

    def go(out: Path) -> Any:
        return read_descriptors(mine(config, entries, None, out, progress=Silent()).descriptors)

    return go


def test_read_sealed_names_what_is_no_parquet(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1 no, not really PAR1")
    with pytest.raises(InputError, match=r"a\.parquet is not a readable Parquet file"):
        read_sealed(tmp_path / "a.parquet")
