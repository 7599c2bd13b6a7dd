"""Strict YAML: what is accepted means the same to every reader; all else is refused."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from verify.spec import strict_yaml
from verify.spec.scalars import Refusal, resolve
from verify.spec.strict_yaml import Document, parse, read

FAST = settings(max_examples=200)


def only_problem(text: str) -> Any:
    document = parse(text, file="f.yaml")
    assert document.value is None
    (problem,) = document.problems
    return problem


def same(one: Any, other: Any) -> bool:
    """Equality that tells 1 from True and from 1.0."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[k], other[k]) for k in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def test_plain_data_is_read_with_its_types() -> None:
    text = "a: 1\nb: -2.5\nc: 1.0e-4\nd: text\ne: true\nf: null\ng: [x, '1', \"on\"]\nh: {i: 0}\n"
    expected = {
        "a": 1, "b": -2.5, "c": 1e-4, "d": "text", "e": True, "f": None,
        "g": ["x", "1", "on"], "h": {"i": 0},
    }  # fmt: skip
    assert same(parse(text, file="f").value, expected)


# -- laws -----------------------------------------------------------------------------------------

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False)
    | st.text(st.characters(codec="utf-8", exclude_characters="\x85\ufeff"), max_size=12)
)
DATA = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text("abcxyz_", min_size=2), inner, max_size=4)
    ),
    max_leaves=12,
)
# Characters of which YAML 1.1 and 1.2 make numbers, dates, truth values and nulls.
TRICKY = st.text("0123456789+-._:eExobTZyYnNonfOFtrualsi~=<", min_size=1, max_size=10)


@FAST
@given(st.dictionaries(st.text("abcxyz_", min_size=2, max_size=6), DATA, min_size=1, max_size=4))
def test_quoted_documents_come_back_as_they_were_written(data: dict[str, Any]) -> None:
    """Texts quoted, numbers plain: a document without ambiguity."""
    text = write(data)
    document = parse(text, file="f")
    assert document.problems == ()
    assert same(document.value, data)
    assert same(document.value, yaml.safe_load(text))


def write(value: Any) -> str:
    """Flow style in which only texts are quoted."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{write(k)}: {write(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(write, value)) + "]"
    if isinstance(value, str):
        quoted = value.replace("\\", "\\\\").replace('"', '\\"')
        return '"' + "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in quoted) + '"'
    if isinstance(value, float):
        mantissa, _, exponent = repr(value).partition("e")
        mantissa += "" if "." in mantissa else ".0"
        sign = "" if exponent.startswith(("+", "-")) or not exponent else "+"
        return f"{mantissa}e{sign}{exponent}" if exponent else mantissa
    if value is None or isinstance(value, bool):  # 0 and 1 are numbers, equal to truth values
        return {None: "null", True: "true", False: "false"}[value]
    return str(value)


@FAST
@given(st.lists(TRICKY, min_size=1, max_size=5))
def test_what_is_accepted_is_what_a_yaml_1_1_reader_sees(scalars: list[str]) -> None:
    text = "".join(f"- {scalar}\n" for scalar in scalars)
    document = parse(text, file="f")
    if not document.problems:
        assert same(document.value, yaml.safe_load(text))


@FAST
@given(st.text(st.sampled_from("ab:-?[]{},&*!|>'\"%@`#\n\t ~<=.\\01"), max_size=40))
def test_odd_texts_are_refused_or_read_as_others_read_them(text: str) -> None:
    document = parse(text, file="f")
    if not document.problems:
        assert same(document.value, yaml.load(text, yaml.CSafeLoader))


@FAST
@given(data=st.binary(max_size=300))
def test_no_bytes_whatever_raise(data: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "bytes.yaml"
    path.write_bytes(data)
    document = read(path)
    assert (document.value is None) or not document.problems
    assert all(str(problem) for problem in document.problems)


@FAST
@given(st.text(max_size=200))
def test_no_text_whatever_raises(text: str) -> None:
    document = parse(text, file="f")
    assert document.value is None or document.problems == ()


# -- scalars with two readings --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scalar", "remedy"),
    [
        ("on", "true or false"), ("off", "true or false"), ("yes", "true or false"),
        ("No", "true or false"), ("y", "true or false"), ("TRUE", "write true"),
        ("True", "write true"), ("Null", "write null"), ("~", "write null"),
        ("1e-4", "1.0e-4"), ("1E5", "1.0e-4"), ("1.5e3", "1.0e-4"), ("1e400", "1.0e-4"),
        (".5", "both sides"), ("5.", "both sides"), ("010", "decimal"), ("0x1F", "decimal"),
        ("0o17", "decimal"), ("0b11", "decimal"), ("1_000", "underscores"), ("12:30:45", "base 60"),
        ("12:30", "base 60"), ("2026-01-01", "quote the date"),
        ("2026-01-01T10:00:00Z", "quote the date"), (".inf", "finite"), ("-.Inf", "finite"),
        (".nan", "finite"), ("NaN", "finite"), ("+inf", "finite"), ("1_0.5e+3", "quote"),
        ("<<", "quote"), ("=", "quote"),
    ],
)  # fmt: skip
def test_a_scalar_with_two_readings_is_refused_with_the_clear_spelling(
    scalar: str, remedy: str
) -> None:
    problem = only_problem(f"first: 1\nkey: {scalar}\n")
    assert (problem.line, problem.column, problem.path) == (2, 6, "key")
    assert scalar in problem.found
    assert remedy in problem.remedy
    assert parse(f"key: '{scalar}'\n", file="f").value == {"key": scalar}, "quoted it is a text"


@pytest.mark.parametrize(
    ("scalar", "expected"),
    [
        ("1.0e+400", "finite"), ("1.0e-400", "rounded to zero"),
        ("123456789012345678901", "64-bit"), ("", "a value"),
    ],
)  # fmt: skip
def test_a_number_that_cannot_be_kept_is_refused(scalar: str, expected: str) -> None:
    assert expected in only_problem(f"key: {scalar}\n").expected


@pytest.mark.parametrize("word", ["a-b", "v1", "1.2.3", "10.3/2", "e5", "2x", "don't", "-x", "a:b"])
def test_ordinary_words_stay_texts(word: str) -> None:
    assert parse(f"key: {word}\n", file="f").value == {"key": word}


@pytest.mark.parametrize(
    "text",
    ["0b2", "0b3fa9", "0xfg", "0o18", "1.2.3e4", "2026-01-01 to 2026-02-01", "2026-01-01Tuesday",
     "1:99", "12:30:61", "1_a", "00ff", "0_x"],
)  # fmt: skip
def test_what_no_reader_takes_for_anything_else_stays_a_text(text: str) -> None:
    assert yaml.safe_load(text) == text
    assert parse(f"key: {text}\n", file="f").value == {"key": text}


# The core schema of YAML 1.2.2, section 10.3.2, but for words.
CORE = re.compile(
    r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+|[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"
)


@pytest.mark.parametrize(
    "length", [64, *(pytest.param(n, marks=pytest.mark.nightly) for n in (7, 40))]
)
def test_every_beginning_of_a_digest_is_a_text_unless_some_yaml_reads_a_number(length: int) -> None:
    """Shortened digests of seven digits are sometimes numbers to some reader, long ones hardly."""
    refused = 0
    for number in range(0x10000):
        beginning = f"{number:04x}"
        digest = beginning + hashlib.sha256(beginning.encode()).hexdigest()[4:length]
        if yaml.safe_load(digest) != digest or CORE.fullmatch(digest):
            refused += 1
            assert isinstance(resolve(digest), Refusal | int), digest
        else:
            assert resolve(digest) == digest
    assert refused == {7: 3724, 40: 0, 64: 0}[length]


# -- structure ------------------------------------------------------------------------------------


def test_a_key_twice_is_named_at_its_second_place() -> None:
    problem = only_problem("a: 1\nb:\n  c: 1\n  d: 2\n  c: {x: [1, 2]}\n  e: 3\n")
    assert (problem.line, problem.column) == (5, 3)
    assert "'c' a second time" in problem.found


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("\ta: 1\n", (1, 1)), ("a:\n\tb: 1\n", (2, 1)), ("a: 1\n  \tb: 2\n", (2, 3)),
        ("a: [1,\t2]\n", (1, 7)), ("a: 1\t# one\n", (1, 5)), ("a: |\n  x\ty\n", (2, 4)),
    ],
)  # fmt: skip
def test_a_tab_anywhere_is_called_a_tab(text: str, place: tuple[int, int]) -> None:
    problem = only_problem(text)
    assert problem.found == "a tab"
    assert (problem.line, problem.column) == place
    assert "spaces" in problem.remedy


def test_a_tab_is_written_as_an_escape() -> None:
    assert parse('a: "x\\ty"\n', file="f").value == {"a": "x\ty"}


def test_recursion_through_an_alias_is_refused() -> None:
    problem = only_problem("a: &loop\n  b: *loop\n")
    assert "inside itself" in problem.found
    assert problem.line == 2


def test_aliases_are_counted() -> None:
    aliases = ", ".join(["*x"] * strict_yaml.MAX_ALIASES)
    assert parse(f"a: &x 1\nb: [{aliases}]\n", file="f").problems == ()
    problem = only_problem(f"a: &x 1\nb: [{aliases}, *x]\n")
    assert (problem.found, problem.expected) == ("65 aliases", "at most 64")


def test_a_bomb_of_few_aliases_is_refused_by_what_it_would_expand_to() -> None:
    lines = ["a0: &a0 [" + ", ".join(["x"] * 100) + "]"]
    lines += [f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}, *a{n - 1}, *a{n - 1}]" for n in range(1, 12)]
    assert "after aliases" in only_problem("\n".join(lines)).expected


def test_a_harmless_alias_is_read() -> None:
    assert parse("a: &x {b: 1}\nc: *x\n", file="f").value == {"a": {"b": 1}, "c": {"b": 1}}


def test_an_undefined_alias_names_the_missing_anchor() -> None:
    assert "*nowhere" in only_problem("a: *nowhere\n").found


@pytest.mark.parametrize("opening", ["[", "{a: ", "- "])
def test_nesting_has_a_limit(opening: str) -> None:
    problem = only_problem(opening * 60 + "x")
    assert "40 levels" in problem.expected


def test_a_megabyte_of_brackets_is_refused_at_once() -> None:
    assert "40 levels" in only_problem("[" * 1_000_000).expected


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a: !!python/object/apply:os.system [x]\n", "the tag"), ("!!str a: b\n", "the tag"),
        ("--- {a: 1}\n--- {b: 2}\n", "second document"), ("? [a, b]\n: c\n", "no text"),
        ("&x a: 1\n", "anchor on a key"), ("1: one\n", "the key 1"), ("null: x\n", "the key null"),
        ("a: 'open\n", "not YAML"), ("a: b: c\n", "not YAML"), ("# only a comment\n", "empty file"),
        ("", "empty file"), ("a: &x 1\n*x : 2\n", "alias as a key"),
    ],
)  # fmt: skip
def test_each_defect_has_one_problem_that_names_it(text: str, found: str) -> None:
    assert found in only_problem(text).found


def test_several_defects_are_all_reported_with_their_places() -> None:
    document = parse("a: on\nb: [1e-4, x]\na: 2\nc: 010\n", file="f.yaml")
    places = [(p.line, p.column, p.path) for p in document.problems]
    assert places == [(1, 4, "a"), (2, 5, "b[0]"), (3, 1, ""), (4, 4, "c")]
    assert str(document.problems[0]).startswith("f.yaml:1:4: a: found the ambiguous scalar on;")


def test_reading_ends_after_a_hundred_problems() -> None:
    text = "".join(f"k{n}: on\n" for n in range(5000))
    assert len(parse(text, file="f").problems) == strict_yaml.MAX_PROBLEMS


# -- files ----------------------------------------------------------------------------------------


def refusal(path: Path) -> str:
    document = read(path, name="x.yaml")
    (problem,) = document.problems
    assert problem.file == "x.yaml"
    return str(problem)


def test_a_missing_file_a_folder_and_an_empty_file_are_told_apart(tmp_path: Path) -> None:
    assert "no such file" in refusal(tmp_path / "missing.yaml")
    assert "no such file" in refusal(tmp_path)
    (tmp_path / "empty.yaml").touch()
    assert "an empty file" in refusal(tmp_path / "empty.yaml")


def test_fifty_megabytes_are_refused_without_reading_them(tmp_path: Path) -> None:
    path = tmp_path / "big.yaml"
    with path.open("wb") as file:
        file.truncate(50 << 20)
    assert "52428800 bytes; expected at most 1048576" in refusal(path)


def test_a_binary_file_and_bad_utf8_name_the_offset(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"a: 1\nb: \x00\x01")
    assert "binary file (a zero byte at offset 8)" in refusal(path)
    path.write_bytes(b"a: caf\xe9\n")
    assert "not UTF-8 at offset 6" in refusal(path)
    path.write_bytes(b"a: \x07\n")
    assert "control characters" in refusal(path)


def test_windows_line_ends_and_a_byte_order_mark_are_read(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"\xef\xbb\xbfa: 1\r\nb: 2\r\n")
    assert read(path).value == {"a": 1, "b": 2}


# -- places ---------------------------------------------------------------------------------------


def test_a_place_is_that_of_the_value_of_its_key_or_of_the_deepest_parent() -> None:
    document: Document = parse("a:\n  b:\n    - c: 1\n      d: [x, y]\n", file="f")
    assert document.locate(("a", "b", 0, "d", 1)) == (4, 14)
    assert document.locate(("a", "b")) == (3, 5)
    assert document.locate(("a", "b"), key=True) == (2, 3)
    assert document.locate(("a", "b", 0, "missing")) == (3, 7)
    assert document.locate(()) == (1, 1)
