"""Hashes of picture files: remembered while a file is untouched, never longer."""

import hashlib
import os
import time
from pathlib import Path
from unittest.mock import Mock

import pytest

from syntrans.images import hashes
from syntrans.images.decode import read_file
from syntrans.images.hashes import sha256_of
from syntrans.images.reference import UNREADABLE


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"{i}.png" for i in range(5)]
    for i, file in enumerate(paths):
        file.write_bytes(bytes([i]) * 100)
    return paths


@pytest.fixture
def old(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files count as old enough to be remembered."""
    later = time.time_ns() + 10**10
    monkeypatch.setattr(time, "time_ns", lambda: later)


def expected(files):
    return [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]


def test_hashes_come_in_the_order_of_the_files(files: list[Path]) -> None:
    assert sha256_of(files[::-1]) == expected(files)[::-1]


def test_untouched_files_are_read_once(files: list[Path], old: None, monkeypatch: pytest.MonkeyPatch) -> None:
    first = sha256_of(files)
    monkeypatch.setattr(hashes, "read_file", lambda _: pytest.fail("read again"))
    assert sha256_of(files) == first


def test_where_nothing_is_to_be_read_no_bar_is_shown(
    files: list[Path], old: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    sha256_of(files)
    monkeypatch.setattr(hashes, "track", lambda *_: pytest.fail("a bar"))
    assert sha256_of(files) == expected(files)
    assert sha256_of([]) == []


def test_a_changed_file_is_read_again_even_with_its_old_size_and_time(files: list[Path], old: None) -> None:
    sha256_of(files)
    stat = files[2].stat()
    files[2].write_bytes(b"x" * 100)
    os.utime(files[2], ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert sha256_of(files) == expected(files)


def test_a_file_that_was_just_written_is_not_remembered(files: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    sha256_of(files)
    read = Mock(wraps=read_file)
    monkeypatch.setattr(hashes, "read_file", read)
    sha256_of(files)
    assert read.call_count == 5


def test_a_file_that_is_not_there_has_the_hash_of_nothing(files: list[Path], tmp_path: Path) -> None:
    assert sha256_of([files[0], tmp_path / "none.png"]) == [*expected(files[:1]), UNREADABLE]


def test_a_damaged_cache_only_costs_time(files: list[Path], artifacts: Path) -> None:
    (artifacts / "cache").mkdir(parents=True)
    (artifacts / "cache" / "hashes.sqlite").write_bytes(b"no database" * 100)
    assert sha256_of(files) == expected(files)
