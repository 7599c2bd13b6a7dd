"""Frozen formats: what a version may change, and which older ones are read.

`python tests/contracts/test_formats.py` adds the fields of a version that is new to the snapshot;
those of a version that stands there are never rewritten.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from contracts.interface import formats

PATH = Path(__file__).parents[2] / "specs" / formats.SNAPSHOT
HEAD = """\
# Fields of every format whose files outlive a run, by version. The newest version is the one that
# is written; an older one names a sample that is read, or the decision that dropped it.
# tests/contracts/test_formats.py adds a version and never rewrites one.
"""
XY = {"x": "text", "y": "number"}
FROZEN: dict[str, Any] = {"a/1": {"fields": XY}}


@pytest.mark.parametrize(
    ("version", "now", "said"),
    [
        ("a/1", {"x": "text", "y": "number"}, []),
        ("a/1", {"x": "text"}, ["a/1: y: found nothing, expected number"]),
        ("a/1", {"x": "text", "y": "text"}, ["a/1: y: found text, expected number"]),
        ("a/1", {**XY, "z": "null"}, ["a/1: z: found null, expected nothing"]),
        ("a/2", XY, ["found a/2 written, expected a/1, the newest of the snapshot"]),
    ],
)
def test_a_field_changes_with_its_version_only(
    version: str, now: dict[str, str], said: list[str]
) -> None:
    assert list(formats.departures(FROZEN, version, now)) == said


def test_an_older_version_is_dropped_by_a_decision_that_exists_and_none_is_left_out() -> None:
    two = {**FROZEN, "a/2": {"fields": {}}}
    assert "found no decision" in next(formats.unread(two, lambda name: True, never))
    dropped = {"a/1": {"fields": {}, "dropped": "DEC-9999"}, "a/2": {"fields": {}}}
    assert "DEC-9999" in next(formats.unread(dropped, lambda name: False, never))
    assert list(formats.unread(dropped, lambda name: True, never)) == []
    gap = {"a/1": {"fields": {}, "dropped": "DEC-9999"}, "a/3": {"fields": {}}}
    assert "expected a/1, a/2" in next(formats.unread(gap, lambda name: True, never))


def never(sample: str) -> str | None:
    raise AssertionError(sample)


def test_an_older_version_with_a_sample_has_to_be_read() -> None:
    kept = {"a/1": {"fields": {}, "sample": "interface/a-1.json"}, "a/2": {"fields": {}}}
    assert list(formats.unread(kept, lambda name: False, lambda sample: None)) == []
    (said,) = formats.unread(kept, lambda name: False, lambda sample: "KeyError: x")
    assert said == "a/1: interface/a-1.json: found KeyError: x, expected it to be read"


def test_types_of_nested_values_lists_and_choices_are_fields() -> None:
    value = {"a": {"b": [1, "x"], "c": None}, "d": {"k": 1}}
    assert formats.fields_of(value, whole=frozenset({"d"})) == {
        "a.b": "list of number or text", "a.c": "null", "d": "table"
    }  # fmt: skip
    schema = {
        "properties": {"a": {"$ref": "#/$defs/A"}, "b": {"items": {"type": "string"}}},
        "$defs": {"A": {"properties": {"self": {"$ref": "#/$defs/A"}, "c": {"enum": [1, 2]}}}},
    }
    assert formats.of_schema(schema) == {
        "a.self": "as A", "a.c": "enum=[1, 2]", "b[]": 'type="string"'
    }  # fmt: skip


def written() -> str:
    """The snapshot with the versions of now added."""
    known = yaml.safe_load(PATH.read_text(encoding="utf-8")) if PATH.is_file() else {}
    found = known.get("formats", {})
    for name, writer in formats.WRITERS.items():
        version, fields = writer()
        found.setdefault(name, {}).setdefault(version, {"fields": dict(sorted(fields.items()))})
    text = yaml.safe_dump(
        {"schema": "drift/formats/1", "formats": found}, sort_keys=False, width=98
    )
    return HEAD + text


if __name__ == "__main__":
    PATH.write_text(written(), encoding="utf-8")
