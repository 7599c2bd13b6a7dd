"""report.html in a real Chromium: no error, no request, no column lost, keys, paper.

Nightly, for it needs `chromium` and playwright; AXE names axe-core's script (see `.ci/nightly`).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .conftest import Finished

pytestmark = pytest.mark.nightly

WIDTHS = (390, 768, 1280, 1920)
QUIET = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
SERIOUS = ("serious", "critical")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    found = shutil.which("chromium")
    assert found, "found no chromium on the path; remedy: install it, as .ci/nightly does"
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=found, args=QUIET)
        yield running
        running.close()


@pytest.fixture
def address(sealed: Finished) -> str:
    return (sealed.bundle / "report.html").resolve().as_uri()


def heard(page: Any) -> tuple[list[str], list[str]]:
    """(errors, addresses asked for) of a page from here on; both lists grow."""
    wrong: list[str] = []
    asked: list[str] = []
    page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    return wrong, asked


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_no_error_no_request_and_nothing_cut_off(
    browser: Any, address: str, width: int, scheme: str
) -> None:
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    wrong, asked = heard(page)
    page.goto(address)
    page.click("#open")
    assert wrong == []
    assert [url for url in asked if not url.startswith("data:")] == [address]
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.close()


def test_a_failing_clause_is_two_keys_away(browser: Any, sealed: Finished, address: str) -> None:
    page = browser.new_page()
    page.goto(address)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    first = sealed.report.troubled[0].id
    assert page.evaluate("location.hash") == f"#{first}"
    assert page.evaluate("document.activeElement.closest('details').id") == first
    page.keyboard.press("n")
    second = sealed.report.troubled[1].id
    assert page.evaluate("document.activeElement.closest('details').id") == second
    page.close()


def test_search_filter_and_sort(browser: Any, sealed: Finished, address: str) -> None:
    page = browser.new_page()
    page.goto(address)
    visible = "Array.from(document.querySelectorAll('.clause:not([hidden])'), one => one.id)"
    page.fill("#search", "THING-002")
    assert page.evaluate(visible) == ["THING-002"]
    assert page.inner_text("#count") == f"1 of {len(sealed.report.clauses)} clauses"
    page.fill("#search", "")
    page.select_option("#outcome", "!pass")
    assert page.evaluate(visible) == [clause.id for clause in sealed.report.troubled]
    page.select_option("#outcome", "")
    page.select_option("#sort", "id")
    assert page.evaluate(visible) == sorted(clause.id for clause in sealed.report.clauses)
    page.close()


def test_paper_shows_what_the_screen_folds(browser: Any, sealed: Finished, address: str) -> None:
    page = browser.new_page()
    page.goto(address)
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    shown = "Array.from(document.querySelectorAll('dd'), one => one.getClientRects().length > 0)"
    seen = page.evaluate(shown)
    assert len(seen) > 5 * len(sealed.report.clauses)
    assert all(seen)
    assert page.pdf().startswith(b"%PDF")
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(browser: Any, address: str, scheme: str) -> None:
    context = browser.new_context(bypass_csp=True, color_scheme=scheme)
    page = context.new_page()
    page.goto(address)
    page.add_script_tag(path=Path(os.environ["AXE"]))
    found = page.evaluate("axe.run(document)")
    assert len(found["passes"]) > 10
    assert [one["id"] for one in found["violations"] if one["impact"] in SERIOUS] == []
    context.close()
