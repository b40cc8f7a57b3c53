"""The page for everybody: by keyboard, on a phone, on paper, in light and dark, and by the rules of axe.

AXE may name another axe.min.js than that of the package axe-core-python. Skipped without Chromium.
"""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path

import pytest
from chromium import ABSENT, BROWSER, Page

pytestmark = [pytest.mark.slow, pytest.mark.skipif(BROWSER is None, reason=ABSENT)]
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


def test_the_reasons_of_a_picture_fill_its_card(page: Page) -> None:
    page.js("[...document.querySelectorAll('.cards details')].forEach((one) => { one.open = true; })")
    reasons = "[...document.querySelectorAll('.cards:not(.large) dd')]"
    wide = f"{reasons}.map((one) => one.clientWidth / one.closest('li').clientWidth)"
    for width in WIDTHS:
        page.size(width, 800)
        assert min(page.js(wide)) > 0.6


def test_curves_and_points_are_drawn_as_wide_as_there_is_room(page: Page) -> None:
    for width in WIDTHS:
        page.size(width, 800)
        charts = "[...document.querySelectorAll('.chart svg')]"
        page.wait(f"{charts}.every((one) => one.clientWidth === Math.floor(one.parentNode.clientWidth))")
    assert page.js("document.querySelectorAll('.chart svg polyline').length") >= 4
    assert page.js("document.querySelectorAll('.chart svg .point').length") == 3
    assert "NaN" not in page.js("[...document.querySelectorAll('svg')].map((one) => one.innerHTML).join()")
    assert page.wrong() == []


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
    violations = page.js(
        "axe.run().then(({ violations }) => violations.map((one) => [one.id, one.impact, one.nodes[0].html]))"
    )
    assert [one for one in violations if one[1] in ("serious", "critical")] == []
