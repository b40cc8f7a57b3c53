"""What every package writes about where a result came from."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

import pytest

from syntrans import provenance
from syntrans.descriptors.run_facts import hardware_of


def test_the_machine_is_described_as_in_the_runs_of_before_so_that_plans_find_them() -> None:
    assert list(provenance.hardware()) == ["processor", "cores", "memory_gib", "gpus"]
    assert f"{provenance.hardware()['cores']} cores" in hardware_of({"hardware": provenance.hardware()})


def test_settings_of_the_machine_stand_beside_its_parts() -> None:
    made_by = provenance.made_by(threads=3)
    assert made_by["hardware"]["threads"] == 3
    assert "threads" not in provenance.hardware()


@pytest.mark.parametrize("started", ["bin/syntrans", "site-packages/syntrans/__main__.py"])
def test_the_command_names_the_program_and_no_place_of_it(started: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", [started, "evaluate", "RUN"])
    assert provenance.made_by()["command"] == "syntrans evaluate RUN"


def test_packages_that_are_not_installed_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def version(name: str) -> str:
        if name == "torch":
            return "2.0"
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    assert provenance.package_versions.__wrapped__() == {"torch": "2.0"}


@pytest.mark.parametrize(("status", "commit"), [("", "c0ffee"), (" M syntrans/paths.py", "c0ffee+changes")])
def test_a_checkout_with_changes_says_so(status: str, commit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = {"rev-parse": "c0ffee", "ls-files": "provenance.py", "status": status}
    monkeypatch.setattr(provenance, "git", lambda _folder, verb, *_: answers[verb])
    assert provenance.git_commit.__wrapped__() == commit


def test_a_copy_in_a_repository_that_does_not_hold_it_has_no_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provenance, "git", lambda _folder, verb, *_: "" if verb == "ls-files" else "c0ffee")
    assert provenance.git_commit.__wrapped__() is None


def test_the_hash_of_a_file_is_that_of_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"")
    digest = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert provenance.file_sha256(tmp_path / "empty") == digest
