"""Constants and defaults as they are written down: what counts as one, and what is said of another.

`python tests/contracts/test_values.py` writes the snapshot anew; each line that differs is a
change of the engine, to be decided.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from contracts.interface import values
from verify.spec.pack import load

ROOT = Path(__file__).parents[2]
PATH = ROOT / "specs" / values.SNAPSHOT
HEAD = """\
# Constants, defaults and attributes of classes of the engine, module by module: what a caller gets
# who says nothing. `name(parameter)` is a default. Each line that differs is a change of the
# engine, to be decided (DEC-0331); `python tests/contracts/test_values.py` writes this file anew.
"""
MODULE = """
import enum
import re
from dataclasses import dataclass, field
from functools import partial

TEXT = "not a number"
LIMIT, OTHER = 1 << 4, 0.5
TABLE = {"a": (1, None), "b": frozenset({2, 1})}
PATTERN = re.compile("x+", re.IGNORECASE)
PART = partial(max, 3, key=None)

class Kind(enum.Enum):
    ONE = 1

@dataclass(frozen=True)
class Config:
    size: int
    switch: bool = True
    kind: Kind = Kind.ONE
    rest: list[int] = field(default_factory=list)

    def scaled(self, by: float = 2.0) -> float:
        return by

ONE = Config(3)

def called(x, *, often=3, text="a"):
    pass
"""
WANTED = {
    "LIMIT": "16", "OTHER": "0.5", "TABLE": "{'a': (1, None), 'b': {1, 2}}",
    "PATTERN": "pattern 'x+' 34", "PART": "`max` of (3) {'key': None}",
    "ONE": "Config(size=3, switch=True, kind=Kind.ONE, rest=())",
    "Config(switch)": "True", "Config(kind)": "Kind.ONE", "Config(rest)": "made anew",
    "Config.scaled(by)": "2.0",
    "called(often)": "3", "called(text)": "'a'",
}  # fmt: skip


def test_constants_defaults_and_attributes_are_told_and_texts_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "stating_values.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    found = dict(values.values_of("stating_values"))
    monkeypatch.delitem(sys.modules, "stating_values")
    assert found == WANTED


def test_another_a_new_and_a_lost_value_are_named() -> None:
    then = {"m": {"A": "1", "B": "2"}, "gone": {"C": "3"}}
    now = {"m": {"A": "1", "B": "4", "D": "5"}, "new": {"E": "6"}}
    assert list(values.differences(then, now)) == [
        "gone: C: found nothing, expected 3", "m: B: found 4, expected 2",
        "m: D: found 5, expected nothing", "new: E: found 6, expected nothing",
    ]  # fmt: skip


def packages() -> Iterator[str]:
    for clause in load(ROOT).pack.clauses:
        if clause.check == "interface.values":
            yield from clause.params["packages"]


def test_every_module_that_is_written_down_belongs_to_a_clause() -> None:
    kept = yaml.safe_load(PATH.read_text(encoding="utf-8"))["modules"]
    wanted = tuple(packages())
    assert [one for one in kept if not values._within(one, wanted)] == []
    assert len(wanted) == len(set(wanted))


def written() -> str:
    """The snapshot of now."""
    found = {name: dict(values.values_of(name)) for name in values.modules(tuple(packages()))}
    whole = {"schema": "drift/values/1", "modules": {k: v for k, v in found.items() if v}}
    return HEAD + yaml.safe_dump(whole, sort_keys=False, width=98, allow_unicode=True)


if __name__ == "__main__":
    PATH.write_text(written(), encoding="utf-8")
