"""The file that `syntrans report` writes: whole in itself, and nothing in it runs but what is ours."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html import unescape
from pathlib import Path

import pytest
from hostile import HOSTILE

from syntrans.cli.app import run
from syntrans.views.report.page import render_page
from syntrans.views.report.runs import parts_of


@pytest.fixture
def page(
    mined: Path, evaluated: Path, trained: Path, predicted: Path, figures: Path, flier_trained: Path, imagined: Path
) -> str:
    return render_page(parts_of([mined, evaluated, trained, predicted, figures, flier_trained, imagined]))


def scripts(page: str) -> list[str]:
    return re.findall(r"<script[^>]*>(.*?)</script>", page, flags=re.DOTALL)


def test_hostile_text_in_every_field_ends_no_element_and_comes_out_as_it_was(page: str) -> None:
    data, code = scripts(page)
    assert page.count("<script") == 2
    assert "<!--" not in page
    assert "onerror" not in code
    part = json.loads(data)["parts"][0]
    assert any(text.endswith("סוף") for text in part["columns"]["rows"]["text"])
    assert part["prompts"] == [{"stage": HOSTILE, "model": HOSTILE, "messages": [
        {"role": "user", "text": HOSTILE, "picture": True}], "answer": HOSTILE, "p_yes": None}]  # fmt: skip


def test_the_policy_allows_the_script_and_style_of_the_page_and_nothing_else(page: str) -> None:
    policy = unescape(re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1])
    style = re.search(r"<style>(.*?)</style>", page, flags=re.DOTALL)[1]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    for rule, text in (("script-src", scripts(page)[1]), ("style-src", style)):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert rules.pop(rule) == f"'sha256-{digest}'"
    assert rules == {"default-src": "'none'", "img-src": "data:", "base-uri": "'none'", "form-action": "'none'"}


def test_the_page_names_no_address_but_the_one_that_svg_is_called_by(page: str) -> None:
    code = "".join([scripts(page)[1], *re.findall(r"<style>.*?</style>", page, flags=re.DOTALL)])
    assert set(re.findall(r"https?:[^\s\"']*", code)) == {"http://www.w3.org/2000/svg"}
    assert not re.search(r"@import|url\(|innerHTML|eval\(", code)
    assert not re.search(r"<(link|iframe|img|object|embed)\b", page)


def test_numbers_that_json_does_not_know_are_never_written(
    evaluated: Path, artifacts: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    summary = evaluated / "summary.json"
    summary.write_text(summary.read_text().replace('"mean": 60.0', '"mean": NaN'))
    assert run(["report", str(evaluated)]) == 3
    assert "NaN" in capsys.readouterr().err
    assert not (artifacts / "report").exists()


def test_a_title_is_text(mined: Path) -> None:
    page = render_page(parts_of([mined]), title=HOSTILE)
    assert page.count("<script") == 2
    assert unescape(re.search("<title>(.*?)</title>", page, flags=re.DOTALL)[1]) == HOSTILE


def test_the_command_writes_one_page_of_several_runs(
    mined: Path, evaluated: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["report", str(mined), str(evaluated), "--out", str(tmp_path / "out"), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert [part["kind"] for part in report["parts"]] == ["mining", "evaluation"]
    assert Path(report["page"]) == tmp_path / "out" / "report.html"
    assert "2 runs" in Path(report["page"]).read_text()


def test_pictures_of_a_run_that_does_not_say_where_they_lie_are_left_out(
    mined: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["report", str(mined), "--pictures", "--out", str(tmp_path / "out")]) == 0
    assert "does not say where they lie" in capsys.readouterr().err


def test_a_name_of_a_page_is_its_file(mined: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("r.html", "deep/R.HTM"):
        assert run(["report", str(mined), "--out", str(tmp_path / name)]) == 0
        assert capsys.readouterr().out.strip() == str(tmp_path / name)
        assert "<html" in (tmp_path / name).read_text()


@pytest.mark.parametrize(
    ("name", "more", "told"),
    [
        ("r.html", ["--figure", "all"], "the figures are files beside the page; name a folder"),
        ("there.html", [], "is a folder; name a file, or a folder without an ending"),
        ("r.pdf", [], "is named as a file of another form; name a .html file, or a folder"),
    ],
)
def test_what_a_page_cannot_be_written_to_is_refused_first(
    name: str, more: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "there.html").mkdir()
    assert run(["report", "nowhere", "--out", str(tmp_path / name), *more]) == 2
    assert told in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["there.html"]
