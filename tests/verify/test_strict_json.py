"""Records are read in one way: what two readers could take differently is no record."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from contracts.evaluation.components import RecordError
from contracts.evaluation.records import read_record
from verify import strict_json
from verify.figures.evaluation import read_evaluation
from verify.problems import IntegrityError, UsageError
from verify.run.evidence import chain, linked, records

TWO_WAYS = {
    "a key twice": '{"axis": "smoke", "axis": "paper-eval"}',
    "a key twice, once escaped": '{"axis": "smoke", "\\u0061xis": "paper-eval"}',
    "a key twice below": '{"metrics": {"fid": {"value": 2.0, "value": 1.0}}}',
    "NaN": '{"alpha": NaN}',
    "an infinity": '{"alpha": -Infinity}',
    "beyond a float": '{"alpha": 1e999}',
    "digits without end": '{"alpha": ' + "9" * 5_000 + "}",
    "deep": '{"a":' * 100_000,
    "two values": "{} {}",
    "a comma too many": '{"axis": "smoke",}',
}


@pytest.mark.parametrize("text", TWO_WAYS.values(), ids=TWO_WAYS)
def test_no_reader_of_records_takes_it(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(ValueError):  # noqa: PT011 - of the parser, in many words
        strict_json.loads(text)
    with pytest.raises(UsageError, match="found no JSON record"):
        read_evaluation(path)
    with pytest.raises(RecordError, match=r"x\.json: found text that is not JSON"):
        read_record(path)


def test_a_record_of_the_chain_that_says_two_things_is_refused() -> None:
    """Its hash is of the last of two values; another reader shows the first."""
    line, _ = linked(0, "0" * 64, "note", {"outcome": "pass"})
    assert [one.data for one in chain(line, Path("x"))] == [{"outcome": "pass"}]
    two = line.replace('"outcome":', '"outcome":"fail","outcome":')
    with pytest.raises(IntegrityError, match="the key 'outcome' twice"):
        list(chain(two, Path("x")))


def test_what_can_be_read_in_one_way_is_read() -> None:
    value = {"a": [1, 2.5, None, True, "\u00e9"], "b": {"a": 1}}
    assert strict_json.loads(json.dumps(value)) == value


def rehashed(text: str) -> str:
    """A line with the hash of its own text in place of HASH and its comma."""
    digest = hashlib.sha256(text.replace('"hash":"HASH",', "").encode()).hexdigest()
    return text.replace("HASH", digest)


GENESIS = "0" * 64
REST = f'"kind":"note","prev":"{GENESIS}"'
WHOLE = f'{{"data":{{"a":1}},"hash":"HASH",{REST},"seq":0}}'
SPELLINGS = {
    "the hash first": f'{{"hash":"HASH","data":{{"a":1}},{REST},"seq":0}}',
    "no whole number": f'{{"data":{{"a":1}},"hash":"HASH",{REST},"seq":0.0}}',
    "no number": f'{{"data":{{"a":1}},"hash":"HASH",{REST},"seq":false}}',
    "more": f'{{"data":{{"a":1}},"hash":"HASH",{REST},"seq":0,"z":0}}',
    "half a character": f'{{"data":{{"a":"\\ud800"}},"hash":"HASH",{REST},"seq":0}}',
}


def test_a_line_is_read_in_one_spelling() -> None:
    assert [one.data for one in chain(rehashed(WHOLE), Path("x"))] == [{"a": 1}]


@pytest.mark.parametrize("line", SPELLINGS.values(), ids=SPELLINGS)
def test_no_other_spelling_is_taken(line: str) -> None:
    with pytest.raises(IntegrityError, match="x:1: "):
        list(chain(rehashed(line), Path("x")))


@pytest.mark.parametrize("end", ["\r\n", "\r"])
def test_the_end_of_a_line_is_one_character(tmp_path: Path, end: str) -> None:
    """Two files that differ would have one head."""
    path = tmp_path / "evidence.jsonl"
    path.write_bytes(rehashed(WHOLE).encode() + end.encode())
    with pytest.raises(IntegrityError):
        list(records(path))
