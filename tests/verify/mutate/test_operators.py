"""Which single changes are made of a text, and which are not."""

from __future__ import annotations

import textwrap

import pytest

from verify.mutate.operators import mutants
from verify.mutate.source import Mutant, Source

HEAD = "def f(a, b, c):\n    "
CASES = {  # a statement -> the changes of it
    "return a + b": {"return a - b"},
    "return a - (b - c)": {"return a + (b - c)", "return a - (b + c)"},
    "return a // b": {"return a / b"},
    "return a ** b": {"return a * b"},
    "return a < b": {"return a <= b"},
    "return a >= b": {"return a > b"},
    "return a < b < c": {"return a <= b < c", "return a < b <= c"},
    "return a == b": {"return a != b"},
    "return a is not b": {"return a is b"},
    "return a not in b": {"return a in b"},
    "return a and b or c": {"return a or b or c", "return a and b and c"},
    "return a if b else c": {"return a if not (b) else c"},
    "return not a": {"return (a)"},
    "return -a": {"return (a)"},
    "return 1": {"return 2"},
    "return -1": {"return (1)", "return -2"},
    "return True": {"return False"},
    "return 0.5": {"return 1.0"},
    "return 0.0": {"return 1.0"},
    "return 1e-6": {"return 2e-06"},
    "return a[b:]": {"return a[(b) - 1:]"},
    "return a[1:c]": {"return a[2:c]", "return a[1:(c) - 1]"},
    "return range(a)": {"return range((a) - 1)"},
    "return min(a, b)": {"return max(a, b)"},
    "return a.sum()": {"return a.mean()"},
    "return any(a)": {"return all(a)"},
    "return a.mean(dim=-1)": {"return a.sum(dim=-1)", "return a.mean()", "return a.mean(dim=-2)",
                              "return a.mean(dim=(1))"},
    "return a.detach()": {"return (a)"},
    "with torch.no_grad(): return a": {"with torch.enable_grad(): return a"},
    "return a.to(b, c)": {"return a.to(c, b)"},
    "return a(b=b, c=c)": {"return a(c=c)", "return a(b=b)"},
    "return a(b, c=c)": {"return a(b)"},
    "a.append(b)": {"pass"},
    "a = a.half()": {"pass"},
    "a.x = b": {"pass"},
    "a[b] = c": {"pass"},
    "a += b": {"a -= b", "pass"},
    "raise ValueError(1 + 2)": {"pass"},
    "return [a for a in b if c]": {"return [a for a in b if not (c)]"},
    "return zip(a, strict=False)": {"return zip(a, strict=True)"},
    # what decides nothing
    "return zip(a, strict=True)": set(), "return a(remedy=1 + 2)": set(),
    "return a.zip(strict=True)": {"return a.zip()", "return a.zip(strict=False)"},
    "return 'text' + a": set(), "return a / 'name'": set(), "return f'{a + 1}'": set(),
    "assert a < b": set(), "x: int | None = a": set(), "return isinstance(a, b)": set(),
    "b = a": set(), "return None": set(),
    "return a * b  # not - this": {"return a / b  # not - this"},
}  # fmt: skip


def of(text: str) -> list[Mutant]:
    source = Source("f.py", textwrap.dedent(text).encode())
    return [one for one in mutants(source) if source.runs(one.edit)]


@pytest.mark.parametrize("statement", CASES)
def test_a_statement_is_changed_in_these_ways_and_no_other(statement: str) -> None:
    found = of(f"{HEAD}{statement}\n")
    assert {one.after.removeprefix("return  ") for one in found} == CASES[statement]
    assert all(one.before == statement for one in found)


def test_what_never_runs_or_only_describes_is_not_changed() -> None:
    assert of('"""Text."""\nfrom typing import TYPE_CHECKING\n__all__ = ["a"]\n'
              "if TYPE_CHECKING:\n    import x\n    x(1)\n\n"
              "@dataclass(frozen=True)\nclass A(B[1]):\n    x: Field[2]\n") == []  # fmt: skip


def test_a_decorator_that_switches_gradients_is_changed_and_no_other() -> None:
    (one,) = of("@cache(1)\n@torch.no_grad()\ndef f(a):\n    return a\n")
    assert (one.operator, one.after) == ("gradient", "@torch.enable_grad()")


def test_defaults_run_on_import_and_bodies_do_not() -> None:
    one, two, three = of("X = 1\n\ndef f(a=2):\n    return 3\n")
    assert [(each.scope, each.inside) for each in (one, two, three)] == [
        ("", False), ("", False), ("f", True),
    ]  # fmt: skip


def test_the_lines_of_a_statement_are_those_of_its_head() -> None:
    found = of("def f(a):\n    if (\n        a < 1\n    ):\n        return 2\n")
    assert {one.lines for one in found if one.before != "return 2"} == {range(2, 5)}


def test_a_name_stays_while_lines_move_and_goes_with_the_line() -> None:
    before = {one.name for one in of("def f(a):\n    return a + 1\n")}
    moved = {one.name for one in of("X = None\n\n\ndef f(a):\n    return a + 1\n")}
    edited = {one.name for one in of("def f(a):\n    return a + 1.0\n")}
    assert before == moved
    assert before.isdisjoint(edited)


def test_changes_that_read_the_same_have_their_own_names() -> None:
    found = of("def f(a):\n    a.go()\n    a.go()\n")
    assert len({one.name for one in found}) == len(found) == 2


def test_a_change_behind_letters_of_several_bytes_stands_where_it_belongs() -> None:
    (one,) = of("def f(ä, ö):\n    return ä + ö  # é\n")
    assert one.after == "return ä - ö  # é"
