"""The page of `syntrans report` in a real browser. Skipped without Chromium."""

from __future__ import annotations

import csv
import json
import threading
from pathlib import Path

import pytest
from chromium import ABSENT, BROWSER, Page
from hostile import HOSTILE, LONG
from report_page import click, saved, section, texts

from syntrans.cli.app import run
from syntrans.contract.reading import read_descriptors
from syntrans.text_safety import plain_text
from syntrans.views.report.live import Followed, open_server
from syntrans.views.report.page import render_page
from syntrans.views.report.runs import parts_of

pytestmark = [pytest.mark.slow, pytest.mark.skipif(BROWSER is None, reason=ABSENT)]


def test_hostile_text_is_shown_as_text_and_nothing_is_asked_or_run(page: Page, tmp_path: Path) -> None:
    assert plain_text(HOSTILE) in texts(page)
    assert LONG in texts(page)
    page.js("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    assert page.js("typeof top.hurt") == "undefined"
    assert page.js("document.querySelectorAll('[onerror], script[src], iframe').length") == 0
    assert [url for url in page.asked() if url != (tmp_path / "report.html").as_uri() and url[:5] != "data:"] == []
    assert page.wrong() == []


def test_a_name_from_right_to_left_leaves_our_numbers_where_they_are(page: Page) -> None:
    page.js("document.querySelectorAll('.rows summary, .cards summary').forEach((one) => one.click())")
    page.wait("document.querySelector('.rows .evidence bdi') !== null")
    for place, start, number in (
        (".evidence dd", "P(yes) 0.80; in those of", " 0.30"),
        (".cards dd", plain_text(HOSTILE)[:20], " 70 %"),
    ):
        told = f"[...document.querySelectorAll({place!r})].find((one) => one.textContent.startsWith({start!r}))"
        assert page.js(f"{told}.querySelector('bdi').nextSibling.data") == number


def test_a_reason_leads_to_its_rows_and_search_and_filters_narrow_them(page: Page) -> None:
    click(page, "no_agreement 1")
    assert texts(page) == ["right to left"]
    assert page.js("document.activeElement.textContent") == "Descriptors"
    wrens = f"[...{section('Overview')}.querySelectorAll('button')].find((one) => one.textContent.startsWith('wren'))"
    page.js(f"{wrens}.click()")
    assert len(texts(page)) == 4
    click(page, "Clear filters", section("Descriptors"))
    assert len(texts(page)) == 7
    page.js(f"const search = {section('Descriptors')}.querySelector('input[type=search]'); search.value = 'BLACK'; "
            "search.dispatchEvent(new Event('input'))")  # fmt: skip
    assert texts(page) == ["black", "black all over"]
    assert page.js(f"{section('Descriptors')}.querySelector('[role=status]').textContent") == "2 rows of 7"


def test_a_table_is_saved_with_every_row_and_no_formula(page: Page, tmp_path: Path) -> None:
    click(page, "Save as CSV", section("Descriptors"))
    rows = list(csv.DictReader(saved(tmp_path, "descriptors.csv").splitlines()))
    assert len(rows) == 7
    assert {row["reason"] for row in rows if row["kept"] == "false"} == {"duplicate_of", "no_agreement", "unlikely"}
    assert page.js("csvCell('=1+1')") == "'=1+1"
    assert page.js("[csvCell('-1+1'), csvCell(-1)]") == ["'-1+1", "-1"]
    click(page, "Save the points as CSV")
    assert len(list(csv.DictReader(saved(tmp_path, "weights-points.csv").splitlines()))) == 3


def test_every_table_has_a_button_that_saves_it(page: Page) -> None:
    saves = "(one) => [...one.closest('.table').querySelectorAll('button')].some((b) => /^Save as/.test(b.textContent))"
    without = f"[...document.querySelectorAll('table')].filter((one) => !({saves})(one))"
    assert page.js(f"{without}.map((one) => one.innerText)") == []


def test_corrections_of_the_page_are_what_the_command_reads(
    page: Page, mined: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = section("Descriptors")
    page.js(f"[...{place}.querySelectorAll('button')].find((one) => one.ariaLabel === 'Veto: black').click()")
    page.js(f"[...{place}.querySelectorAll('button')].find((one) => one.ariaLabel === 'Restore: tiny').click()")
    assert page.js("document.activeElement.ariaLabel") == "Undo: tiny"
    page.js(f"[...{place}.querySelectorAll('select')][0].value = 1")
    page.js(f"[...{place}.querySelectorAll('select')][0].dispatchEvent(new Event('change'))")
    page.js(
        f"const add = {place}.querySelectorAll('form')[1]; add.elements[0].value = 'a deep croak'; add.requestSubmit()"
    )
    assert "3 corrections" in page.js("document.getElementById('corrections').innerText")
    click(page, "Save edits.json")
    saved(tmp_path, "edits.json")
    command = ["edit", str(mined), "--edits", str(tmp_path / "saved" / "edits.json"), "--out", str(tmp_path / "new")]
    assert run(command) == 0
    rows, _ = read_descriptors(tmp_path / "new" / "descriptors.parquet")
    kept = {one.text for one in rows if one.kept and one.class_id in ("crow", "wren")}
    assert kept == {"a cocked tail", plain_text(HOSTILE), "tiny", "a deep croak"}


def test_a_number_of_an_evaluation_leads_to_what_it_is_made_of(page: Page) -> None:
    click(page, "visual only")
    assert page.js("document.activeElement.textContent") == "visual only, 1-shot"
    click(page, "SynTrans", section("Calibration"))
    assert page.js("document.activeElement.textContent") == "SynTrans, 1-shot"
    bins = f"[...{section('1-shot')}.querySelectorAll('details')].at(-1)"
    assert page.js(f"{bins}.querySelectorAll('tbody tr').length") == 2
    mistakes = f"[...{section('1-shot')}.querySelectorAll('table')].at(-1).tBodies[0]"
    assert page.js(f"{mistakes}.innerText.replace(/\\s+/g, ' ')").startswith("wren ")
    click(page, "wren", section("1-shot"))
    assert page.js("[document.activeElement.tagName, document.activeElement.value]") == ["SELECT", "0"]
    assert page.js(f"{mistakes}.rows.length") == 1


def test_flier_stands_beside_its_controls_with_its_draws_and_what_val_chose(page: Page) -> None:
    part = (
        "[...document.querySelectorAll('h2')].find((one) => one.textContent === 'Evaluation flier-evaluate').parentNode"
    )
    text = page.js(f"document.querySelectorAll('details').forEach((one) => {{ one.open = true; }}); {part}.innerText")
    for expected in ("imagined pictures as pixels only", "−0.10 ± 0.50", "59.00", "fusion 0.1", "both branches"):
        assert expected in text
    assert page.js(f"{part}.querySelectorAll('.whisker').length") == 4


def test_a_status_leads_to_its_pictures(page: Page) -> None:
    click(page, "broken 1")
    place = section("All pictures")
    assert page.js(f"{place}.querySelectorAll('.cards > li').length") == 1
    assert "it is gone, broken" in page.js(f"{place}.innerText")


def test_live_it_shows_what_a_run_has_done_since_and_leaves_the_others_alone(
    tab: Page, tmp_path: Path, mined: Path
) -> None:
    run_folder = tmp_path / "run"
    run_folder.mkdir()
    (run_folder / "request.json").write_text("{}")
    followed = Followed([mined, run_folder])
    followed.look()
    with open_server(followed, 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        tab.events.clear()
        tab.open(f"http://127.0.0.1:{server.server_port}/")
        assert tab.js("document.querySelectorAll('svg polyline').length") == 0
        click(tab, "no_agreement 1")
        tab.js("document.querySelector('.rows summary').focus()")
        (run_folder / "metrics.jsonl").write_text(json.dumps({"epoch": 1, "loss": 2.0}) + "\n")
        tab.wait("document.querySelectorAll('svg polyline').length === 1")
        assert texts(tab) == ["right to left"]
        assert tab.js("document.activeElement.tagName") == "SUMMARY"
        tab.call("Page.navigate", url="about:blank")
        server.shutdown()
    assert tab.wrong() == []


def test_a_part_that_is_not_as_it_should_be_leaves_the_others(tab: Page, tmp_path: Path, trained: Path) -> None:
    (part,) = parts_of([trained])
    file = tmp_path / "report.html"
    file.write_text(render_page([{**part, "place": "x", "methods": [None]}, part]), encoding="utf-8")
    tab.events.clear()
    tab.open(file.as_uri())
    shown = tab.js("[...document.querySelectorAll('main > section')].map((one) => one.innerText)")
    assert ["This run cannot be shown" in text for text in shown] == [True, False]
