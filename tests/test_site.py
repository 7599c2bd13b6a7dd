"""The documentation site: built strictly, each clause at its address, nothing fetched by a page."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from verify.spec.pack import load

ROOT = Path(__file__).parents[1]
FETCHED = re.compile(r"""<(?:script|link|img|iframe)[^>]+(?:src|href)="(?:https?:)?//""")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as its configuration says; a warning of the builder is an error."""
    place = tmp_path_factory.mktemp("site")
    words = [sys.executable, "-m", "mkdocs", "build", "--strict", "-q", "-d", str(place)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return place


@pytest.mark.nightly
def test_every_clause_has_an_address_on_the_site(site: Path) -> None:
    for contract in load(ROOT).pack.contracts:
        page = (site / "clauses" / contract.contract.lower() / "index.html").read_text("utf-8")
        for clause in contract.clauses:
            assert f'id="{clause.id.lower()}"' in page, clause.id


@pytest.mark.nightly
def test_no_page_asks_another_host_for_anything(site: Path) -> None:
    found = [
        (page.relative_to(site), tag)
        for page in site.rglob("*.html")
        for tag in FETCHED.findall(page.read_text("utf-8"))
        if 'rel="canonical"' not in tag
    ]
    assert found == []


def test_the_pictures_of_the_concepts_are_drawings_with_words() -> None:
    page = (ROOT / "docs/concepts.md").read_text(encoding="utf-8")
    named = re.findall(r"!\[([^\]]+)\]\((pictures/[^)]+\.svg)\)", page)
    assert len(named) == 2
    for words, place in named:
        text = (ROOT / "docs" / place).read_text(encoding="utf-8")
        assert len(words) > 30
        assert "<title" in text
        assert not re.search(r"<script|href=|url\(http", text)
