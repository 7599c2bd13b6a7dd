"""The studio in a real Chromium: live, silent, by keys, at every width, for every reader.

Nightly, for it needs `chromium` and playwright; AXE names axe-core's script (see `.ci/nightly`).
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.verify.conftest import Finished
from tests.verify.test_page_in_browser import SERIOUS, WIDTHS, browser, heard

from .conftest import lines, picture, png, record, row
from .test_sessions import SAMPLER, of

__all__ = ["browser"]
pytestmark = pytest.mark.nightly
SEEN_MS = 3000  # what the page promises for a new window, from its row in the log


@pytest.fixture
def address(root: Path, sealed: Finished) -> Iterator[str]:
    """A server of its own, over many bundles."""
    for number in range(60):
        shutil.copytree(sealed.bundle, root / "many" / f"copy-{number}")
    with subprocess.Popen(
        [sys.executable, "-m", "verify", "serve", str(root), "--port", "0"],
        stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as server:  # fmt: skip
        assert server.stdout is not None
        server.stdout.readline()
        found = re.search(r"http://\S+/", server.stdout.readline())
        assert found
        yield found[0].rstrip("/")
        server.terminate()


def slug(address: str, kind: str) -> str:
    from urllib.request import urlopen

    with urlopen(f"{address}/api/{kind}") as answer:
        return str(json.load(answer)["items"][0]["slug"])


def pages(address: str) -> list[str]:
    found = ["/", "/bundles", "/runs", "/trends", "/claims", "/sampling", "/nothing", "/login"]
    return [*found, f"/runs/{slug(address, 'runs')}", f"/bundles/{slug(address, 'bundles')}"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_error_no_request_elsewhere_and_nothing_cut_off(
    browser: Any, address: str, scheme: str
) -> None:
    for width in WIDTHS:
        wrong, asked = shown_at(browser, address, width, scheme)
        assert wrong == []
        assert [url for url in asked if not url.startswith((address, "data:"))] == []


def shown_at(browser: Any, address: str, width: int, scheme: str) -> tuple[list[str], list[str]]:
    """(errors, requests) of all pages; the one that is not there is an error by itself."""
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    wrong, asked = heard(page)
    for path in pages(address):
        page.goto(address + path)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
    page.close()
    return [text for text in wrong if "404" not in text], asked


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(browser: Any, address: str, scheme: str) -> None:
    context = browser.new_context(bypass_csp=True, color_scheme=scheme)
    page = context.new_page()
    for path in pages(address):
        page.goto(address + path)
        page.add_script_tag(path=Path(os.environ["AXE"]))
        found = page.evaluate("axe.run(document)")
        assert len(found["passes"]) > 10
        assert [one["id"] for one in found["violations"] if one["impact"] in SERIOUS] == [], path
    context.close()


def test_a_new_window_is_seen_without_reload(browser: Any, address: str, root: Path) -> None:
    page = browser.new_page()
    page.goto(f"{address}/runs/{slug(address, 'runs')}")
    page.wait_for_selector("#said.connected")
    page.evaluate("window.kept = true")
    run = root / "runs/digits"
    (run / "samples/step-00000075.png").write_bytes(png())
    shown = [picture(step, png(), best=step != 50) for step in (25, 50, 75)]
    lines(run / "samples/index.jsonl", shown)
    record(run, step=75)
    with (run / "metrics/windows.jsonl").open("a") as stream:
        stream.write(json.dumps(row(75, alarms=["collapse: rung"])) + "\n")
    page.wait_for_selector("text=collapse: rung", timeout=SEEN_MS)
    page.wait_for_selector("text=step 75, field/0.2", timeout=SEEN_MS)
    assert "step 75" in page.inner_text("#said")
    record(run, step=75, status="completed")
    page.wait_for_selector("h1 .state.completed", timeout=SEEN_MS)
    assert page.evaluate("window.kept") is True
    page.close()


def test_a_bundle_is_reached_by_keys_and_pages_are_turned(browser: Any, address: str) -> None:
    page = browser.new_page()
    page.goto(f"{address}/bundles")
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.name") == "q"
    page.keyboard.type("copy-59")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=1 of 61 bundles")
    page.keyboard.press("n")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=Open the whole report")
    page.goto(f"{address}/bundles")
    page.keyboard.press("ArrowRight")
    page.wait_for_selector("text=page 2 of 2")
    page.close()


def test_a_report_opens_in_its_sandbox(browser: Any, address: str, sealed: Finished) -> None:
    page = browser.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    name = sealed.report.troubled[0].id
    page.goto(f"{address}/bundles/{slug(address, 'bundles')}/report.html#{name}")
    assert page.evaluate("name => document.getElementById(name).open", name) is True
    assert page.evaluate("document.documentElement.className") == "scripted"
    assert page.evaluate("self.origin") == "null"
    assert page.evaluate("fetch('/api/bundles').then(() => 'read', () => 'refused')") == "refused"
    assert wrong == []
    page.close()


def test_samples_are_drawn_on_the_page(browser: Any, root: Path, tmp_path: Path) -> None:
    import socket
    import threading

    import uvicorn

    from verify.serve.app import application
    from verify.serve.catalogue import Catalogue
    from verify.serve.guard import Guard

    app = application(Catalogue(root), Guard(), of(SAMPLER, tmp_path / "sampler.py"))
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", ws="websockets-sansio"))
    serving = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    serving.start()
    page = browser.new_page()
    try:
        page.goto(f"http://127.0.0.1:{listening.getsockname()[1]}/sampling")
        page.click("text=open a session")
        page.wait_for_selector("article.session h2")
        page.select_option("article.session select", "1")
        page.click("text=draw one")
        page.wait_for_selector("text=class b, alpha 1, seed 0, place 0")
        drawn = "document.querySelector('.drawn img')"
        assert page.evaluate(f"{drawn}.decode().then(() => {drawn}.naturalWidth)") == 36
        page.reload()
        page.wait_for_selector("text=class b, alpha 1, seed 0, place 0")
        page.click("button.delete")
        page.wait_for_selector("article.session", state="detached")
        assert "deleted" in page.inner_text("#said")
    finally:
        page.close()
        server.should_exit = True
        serving.join()
