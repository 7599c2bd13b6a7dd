"""The three ways to register a mutant: found without running it, wrong while active, undone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from verify.api import mutant, registered

from .conftest import MiniPack, Result, clause, run_pack

Cli = Callable[..., Result]
ROOM = "contracts/bindings/planted.py"
PLANTED = """
    from verify.api import mutant

    from . import thing

    class Shelf:
        def height(self, by=1):
            return 10 * by

    TABLE = (
        mutant("planted.constant", thing, UNIT=2.0),
        mutant("planted.key", thing.VALUES, one=3.0),
    )

    @mutant("planted.call", thing, "read")
    def doubled(real, name):
        return 2 * real(name)
"""


@pytest.fixture
def planted(mini: MiniPack) -> MiniPack:
    """A subject that is read through a function and multiplied by a constant of its module."""
    room = "contracts/bindings/thing.py"
    mini.edit(room, 'ctx.subject.values["one"] - ctx', 'UNIT * read("one") - ctx')
    mini.edit(
        room,
        'VALUES = {"one": 1.0}\n',
        'VALUES = {"one": 1.0}\nUNIT = 1.0\n\ndef read(name):\n    return VALUES[name]\n',
    )
    mini.write(ROOM, PLANTED)
    mini.clauses = [
        clause(1, falsifiers=["planted.constant", "planted.key", "planted.call"]),
        clause(2),
    ]
    return mini.save()


def test_each_way_is_found_without_running_it_and_turns_the_clause_red(
    planted: MiniPack, cli: Cli, tmp_path: Path
) -> None:
    listed = cli("list", "--what", "mutants", "planted.*", "--pack", planted.root).out
    assert [line.split("\t")[0] for line in listed.splitlines()] == [
        "planted.constant", "planted.key", "planted.call",
    ]  # fmt: skip
    report = run_pack(planted, tmp_path).report
    assert report.verdict.line == "GO: 2/2 evaluated, 0 failed, 0 unknown, falsifiers 4/4"


def test_a_falsifier_that_changes_nothing_survives(planted: MiniPack, tmp_path: Path) -> None:
    planted.edit(ROOM, "UNIT=2.0", "UNIT=1.0")
    assert run_pack(planted, tmp_path).report.verdict.line.endswith("falsifiers 3/4")


@pytest.mark.parametrize("row", ["mutant(NAME, thing, UNIT=2.0)", "mutant(thing, UNIT=2.0)"])
def test_a_row_without_a_literal_name_is_refused(planted: MiniPack, cli: Cli, row: str) -> None:
    planted.edit(ROOM, 'mutant("planted.constant", thing, UNIT=2.0)', row)
    refused = cli("lint", "--pack", planted.root)
    assert refused.code == 2
    assert f"{ROOM}:10:5: TABLE: found @mutant without a literal name" in refused.err


def test_a_name_stands_once_whichever_way_it_is_registered(planted: MiniPack, cli: Cli) -> None:
    planted.edit(ROOM, '@mutant("planted.call"', '@mutant("planted.key"')
    assert "found the mutant planted.key a second time" in cli("lint", "--pack", planted.root).err


class Shelf:
    """Something with a method, a constant and a table."""

    boards = 3

    def height(self, by: int = 1) -> int:
        return 10 * by


def active(factory: Any) -> Any:
    assert [entry.role for entry in registered(factory)] == ["mutant"]
    return factory(SimpleNamespace())


def test_a_method_is_replaced_and_gets_the_real_one_then_itself() -> None:
    @mutant("shelf.higher", Shelf, "height")
    def higher(real: Any, self: Shelf, by: int = 1) -> int:
        return int(real(self, by)) + self.boards

    with active(higher):
        assert Shelf().height(by=2) == 23
    assert Shelf().height(by=2) == 20


def test_an_inherited_method_is_replaced_where_it_is_asked_for_and_nowhere_else() -> None:
    class Low(Shelf):
        pass

    @mutant("shelf.none", Low, "height")
    def none(real: Any, self: Shelf) -> int:
        return 0

    with active(none):
        assert (Low().height(), Shelf().height()) == (0, 10)
    assert "height" not in vars(Low)


def test_several_values_change_together_and_come_back_where_one_of_them_is_not_there() -> None:
    with active(mutant("shelf.two", Shelf, boards=1, height=lambda self: 5)):
        assert (Shelf().boards, Shelf().height()) == (1, 5)
    assert (Shelf().boards, Shelf().height()) == (3, 10)
    with pytest.raises(AttributeError, match="depth"):
        active(mutant("shelf.unknown", Shelf, boards=1, depth=2))
    assert Shelf.boards == 3


def test_a_mistake_inside_a_mistake_keeps_the_outer_one() -> None:
    def more(real: Any, self: Shelf) -> int:
        return int(real(self)) + 1

    once = mutant("shelf.once", Shelf, "height")(more)
    with active(once), active(once):
        assert Shelf().height() == 12
    assert Shelf().height() == 10
