"""`verify docs`: every clause on a page, letter by letter, with all that it rests on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from verify.report.reference.pages import INDEX, escaped, page_of, pages
from verify.spec.pack import load

from .conftest import MiniPack, Result, clause

Cli = Callable[..., Result]
HOSTILE = (
    "a <script>alert(1)</script> | `code` *b* _c_ [x](javascript:y) # & {{ 1 }} {% x %} ~~d~~ \\ !"
)


def shown(markdown: str) -> str:
    """The text of a page as a reader sees it."""
    tokens = MarkdownIt("commonmark", {"html": True}).enable("table").parse(markdown)
    assert not [token for token in tokens if token.type == "html_block"]
    inline = [child for token in tokens for child in token.children or ()]
    assert not [child for child in inline if child.type in ("html_inline", "link_open", "image")]
    return "\n".join(child.content for child in inline)


@pytest.mark.parametrize("text", [HOSTILE, "plain", "two\nlines", "1. no list", "|", "a\\_b"])
def test_text_is_shown_letter_by_letter_and_is_never_markup(text: str) -> None:
    read = "".join(shown(f"**{escaped(text)}**").split("\n"))
    assert read == " ".join(text.split())


def test_each_clause_of_this_pack_is_on_its_page_with_what_it_rests_on() -> None:
    loaded = load(Path(__file__).parents[2])
    found = pages(loaded)
    assert list(found) == [INDEX, *map(page_of, loaded.pack.contracts)]
    for contract in loaded.pack.contracts:
        page = found[page_of(contract)]
        for one in contract.clauses:
            start = page.index(f"{{ #{one.id.lower()} }}")
            section = page[start : page.find("\n## ", start) % len(page)]
            assert escaped(one.statement) in section
            assert escaped(one.remedy) in section
            assert escaped(one.tolerance.basis) in section
            for falsifier in one.falsifiers:
                assert f"`{falsifier.label}`" in section, one.id
            for source in one.sources:
                assert f"`{source}`" in section, one.id


def test_a_mistake_is_told_in_the_words_of_its_code(mini: MiniPack) -> None:
    mini.clauses[:] = [clause(statement=HOSTILE)]
    text = (mini.root / "contracts").rglob("*.py")
    code = next(file for file in text if "thing.two_for_one" in file.read_text())
    marked = "    def two_for_one(subject, by=1.0):" if "    def two" in code.read_text() else (
        "def two_for_one(subject, by=1.0):"
    )  # fmt: skip
    body = code.read_text().replace(marked, f'{marked}\n    """Two stands for one."""')
    code.write_text(body)
    mini.save()
    page = pages(load(mini.root))["thing.md"]
    assert "`thing.two_for_one`: Two stands for one." in page
    assert escaped(HOSTILE) in page
    shown(page.replace("{ #thing-001 }", ""))


@pytest.mark.nightly
def test_pages_are_written_into_a_folder_of_their_own(cli: Cli, tmp_path: Path) -> None:
    place = tmp_path / "clauses"
    first = cli("docs", str(place))
    assert first.code == 0
    assert cli("docs", str(place)).out == first.out, "its own pages are written anew"
    (place / "mine.md").write_text("precious")
    refused = cli("docs", str(place))
    assert refused.code == 2
    assert "found mine.md" in refused.err
    assert (place / "mine.md").read_text() == "precious"
    (tmp_path / "file").write_text("x")
    assert cli("docs", str(tmp_path / "file")).code == 2
