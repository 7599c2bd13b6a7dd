"""Every row of docs/requirements.md names something, and everything it names exists."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from drift.cli import cli as drift
from verify.cli import cli as verify
from verify.spec.pack import load

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs/requirements.md").read_text(encoding="utf-8")
ROWS = dict(re.findall(r"^\| (\d{2}|00\d[a-z]) \| [^|]+ \| ([^|]+) \|$", TEXT, re.M))
CLAUSE = re.compile(r"\b(?!DEC-)[A-Z][A-Z0-9]*(?:-[A-Z0-9]+)*-(?:\d{3}|RECORDS)\b")
PROGRAMS = {
    name: group.list_commands(click.Context(group))
    for name, group in (("verify", verify), ("drift", drift))
}


def test_every_row_of_the_documents_is_there() -> None:
    wanted = [f"{number:02d}" for number in range(1, 43)]
    for source, last in (("001", "m"), ("002", "v"), ("003", "q"), ("004", "j")):
        wanted += [f"{source}{chr(code)}" for code in range(ord("a"), ord(last) + 1)]
    assert list(ROWS) == wanted


@pytest.fixture(scope="module")
def names() -> set[str]:
    """Ids of all clauses and decisions."""
    pack = load(ROOT).pack
    return {one.id for one in pack.clauses} | {one.id for one in pack.decisions}


@pytest.mark.parametrize("row", ROWS)
def test_what_a_row_names_exists(row: str, names: set[str]) -> None:
    text = ROWS[row]
    ids = set(CLAUSE.findall(text)) | set(re.findall(r"\bDEC-\d{4}\b", text))
    quoted = re.findall(r"`([^`]+)`", text)
    assert ids - names == set()
    for one in quoted:
        program, _, command = one.partition(" ")
        if program in PROGRAMS:
            assert command in PROGRAMS[program], one
        elif one != "report.html":
            assert (ROOT / one).exists(), one
    assert ids or quoted or "**open**" in text
