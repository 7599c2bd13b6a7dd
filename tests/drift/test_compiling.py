"""torch.compile has one door, and a policy for when it does not open."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest

import drift
from drift import compiling
from drift.compiling import CompileError, compiled


def broken(function: Any, **options: Any) -> Any:
    def fail(*args: Any) -> Any:
        raise RuntimeError("no compiler here")

    return fail


def double(x: int) -> int:
    return 2 * x


def test_disable_returns_the_function_itself() -> None:
    assert compiled(double, "disable") is double


def test_warn_goes_on_without_compilation_and_says_so_once(monkeypatch: Any) -> None:
    monkeypatch.setattr(compiling, "_compile", broken)
    function = compiled(double, "warn")
    with pytest.warns(UserWarning, match="no compiler here"):
        assert function(3) == 6
    assert function(4) == 8  # a second warning would be an error here


def test_raise_names_the_failure_and_the_way_out(monkeypatch: Any) -> None:
    monkeypatch.setattr(compiling, "_compile", broken)
    with pytest.raises(CompileError, match="--compile disable"):
        compiled(double, "raise")(3)


def test_an_error_of_the_function_is_not_a_failure_to_compile(monkeypatch: Any) -> None:
    monkeypatch.setattr(compiling, "_compile", lambda function, **options: function)

    def wrong(x: int) -> int:
        raise ZeroDivisionError("its own")

    with pytest.raises(ZeroDivisionError):
        compiled(wrong, "warn")(1)


def test_nothing_else_calls_torch_compile() -> None:
    root = Path(drift.__file__).parent
    callers = [
        path.relative_to(root).as_posix()
        for path in root.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute)
        and node.attr == "compile"
        and isinstance(node.value, ast.Name)
        and node.value.id == "torch"
    ]
    assert callers == ["compiling.py"]
