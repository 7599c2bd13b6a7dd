"""How checks fold the errors of parts into one: `max` may overlook a NaN, `worst_of` does not."""

from __future__ import annotations

import ast
import math
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDED = ("worst", "error", "off")


def folds(source: str) -> list[int]:
    """Lines on which what was worst so far is compared by `max`."""
    return [
        node.lineno
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "max"
        and any(isinstance(one, ast.Name) and one.id in FOLDED for one in node.args)
    ]


def test_max_keeps_what_it_has_beside_a_nan() -> None:
    assert max(0.0, math.nan, 0.1) == 0.1


def test_no_check_folds_errors_with_max() -> None:
    rooms = sorted((ROOT / "contracts").rglob("*.py"))
    found = {path.name: lines for path in rooms if (lines := folds(path.read_text()))}
    assert len(rooms) > 100
    assert found == {}


def test_such_a_fold_is_seen() -> None:
    assert folds("worst = 0.0\nworst = max(worst, off)\nn = max(1, 2)") == [2]
