"""The page of `syntrans report` in a real browser. Skipped without Chromium.

AXE may name another axe.min.js than that of the package axe-core-python.
"""

from __future__ import annotations

import csv
import json
import os
import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from chromium import ABSENT, BROWSER, Page, browser
from hostile import HOSTILE, LONG

from syntrans.cli.app import run
from syntrans.contract.reading import read_descriptors
from syntrans.text_safety import plain_text
from syntrans.views.report.live import Followed, open_server
from syntrans.views.report.page import render_page
from syntrans.views.report.runs import parts_of

pytestmark = [pytest.mark.slow, pytest.mark.skipif(BROWSER is None, reason=ABSENT)]
pytest.importorskip("websockets.sync.client", reason="websockets speaks to the browser")
WIDTHS = (360, 768, 1280)
CONTRAST = """
(() => {
  const of = (text) => text.match(/[\\d.]+/g).slice(0, 3).map(Number);
  const light = (rgb) => rgb.map((v) => v / 255).map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = (node) => {
    for (let one = node; one; one = one.parentElement) {
      const colour = getComputedStyle(one).backgroundColor;
      if (!colour.endsWith(", 0)")) return of(colour);
    }
    return [255, 255, 255];
  };
  const found = [];
  for (const node of document.querySelectorAll("main *, header *, nav *")) {
    if (!node.offsetParent || ![...node.childNodes].some((one) => one.nodeType === 3 && one.data.trim())) continue;
    const [a, b] = [light(of(getComputedStyle(node).color)), light(ground(node))].sort((x, y) => y - x);
    if ((a + 0.05) / (b + 0.05) < 4.5) found.push(`${node.tagName}.${node.className}: ${node.textContent}`);
  }
  return [...new Set(found)];
})()
"""
UNNAMED = """
[...document.querySelectorAll("button, input, select, a, summary, [role=region], [role=img], img")]
  .filter((one) => !["aria-label", "aria-labelledby", "alt"].some((name) => one.hasAttribute(name)))
  .filter((one) => !one.textContent.trim() && !one.labels?.length && !one.hidden).map((one) => one.outerHTML)
"""


@pytest.fixture(scope="module")
def tab() -> Iterator[Page]:
    with browser() as page:
        yield page


@pytest.fixture
def runs(request: pytest.FixtureRequest) -> list[Path]:
    """One of each kind."""
    names = ("mined", "evaluated", "trained", "figures", "predicted", "flier_evaluated", "flier_trained", "running")
    return [request.getfixturevalue(name) for name in names]


@pytest.fixture
def page(tab: Page, runs: list[Path], tmp_path: Path) -> Page:
    file = tmp_path / "report.html"
    file.write_text(render_page(parts_of(runs, unfinished=True)), encoding="utf-8")
    tab.events.clear()
    tab.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path / "saved"))
    tab.scheme("light")
    tab.open(file.as_uri())
    return tab


def click(page: Page, text: str, within: str = "document") -> None:
    wanted = json.dumps(text)
    page.js(f"[...{within}.querySelectorAll('button')].find((one) => one.textContent === {wanted}).click()")


def section(title: str) -> str:
    return f"[...document.querySelectorAll('h3')].find((one) => one.textContent === {title!r}).closest('section')"


def texts(page: Page) -> list[str]:
    return page.js("[...document.querySelectorAll('.rows .text')].map((one) => one.textContent)")


def saved(folder: Path, name: str) -> str:
    end = time.monotonic() + 30
    while not (folder / "saved" / name).is_file():
        assert time.monotonic() < end, f"{name} was not saved"
        time.sleep(0.05)
    return (folder / "saved" / name).read_text(encoding="utf-8")


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


def test_with_the_keyboard_alone_a_row_is_opened_and_a_table_sorted(page: Page) -> None:
    page.js("document.querySelector('.rows summary').focus()")
    page.press("Enter", 13)
    page.wait("document.querySelector('.rows details').open")
    page.wait("document.querySelector('.rows .evidence').innerText.includes('P(yes) of the judges')")
    page.press("Tab", 9)
    assert page.js("document.activeElement.textContent") == "Veto"
    page.js("document.querySelector('.sort').focus()")
    page.press("Enter", 13)
    assert page.js("document.activeElement.closest('th').ariaSort") == "ascending"


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


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_wider_than_the_window_too_faint_or_without_a_name(page: Page, scheme: str) -> None:
    page.scheme(scheme)
    for width in WIDTHS:
        page.size(width, 800)
        assert page.js("document.documentElement.scrollWidth") <= width
        assert page.js(CONTRAST) == []
    assert page.js(UNNAMED) == []
    ids = page.js("[...document.querySelectorAll('[id]')].map((one) => one.id)")
    assert len(ids) == len(set(ids))
    levels = page.js("[...document.querySelectorAll('h1, h2, h3, h4')].map((one) => Number(one.tagName[1]))")
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_curves_and_points_are_drawn_as_wide_as_there_is_room(page: Page) -> None:
    for width in WIDTHS:
        page.size(width, 800)
        charts = "[...document.querySelectorAll('.chart svg')]"
        page.wait(f"{charts}.every((one) => one.clientWidth === Math.floor(one.parentNode.clientWidth))")
    assert page.js("document.querySelectorAll('.chart svg polyline').length") >= 4
    assert page.js("document.querySelectorAll('.chart svg .point').length") == 3
    assert "NaN" not in page.js("[...document.querySelectorAll('svg')].map((one) => one.innerHTML).join()")
    assert page.wrong() == []


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


def test_printed_it_has_its_tables_and_no_buttons(page: Page) -> None:
    page.call("Emulation.setEmulatedMedia", media="print", features=[])
    page.size(718, 1000)  # A4 less its margins
    assert page.js("document.querySelector('.filters, .field').offsetParent") is None
    wide = "[...document.querySelectorAll('main *')].filter((one) => one.getBoundingClientRect().right > 719)"
    assert page.js(f"{wide}.map((one) => one.outerHTML.slice(0, 200))") == []
    assert page.js("document.querySelector('table').offsetParent !== null")
    page.call("Emulation.setEmulatedMedia", media="", features=[])


def axe() -> Path:
    """The rules of axe."""
    if "AXE" in os.environ:
        return Path(os.environ["AXE"])
    package = pytest.importorskip("axe_core_python", reason="axe-core-python has the rules of axe")
    return Path(package.__file__).with_name("axe.min.js")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(page: Page, scheme: str) -> None:
    rules = axe().read_text(encoding="utf-8")
    page.scheme(scheme)
    page.js("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    # Put there by the browser's own protocol, which no policy of the page stops.
    page.js(rules + "; 0")
    found = page.js(
        "axe.run().then(({ violations }) => violations.map((one) => [one.id, one.impact, one.nodes[0].html]))"
    )
    assert [one for one in found if one[1] in ("serious", "critical")] == []
