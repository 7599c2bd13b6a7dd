"""No module imports itself by way of others, be it for types only or inside a function."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import grimp

PACKAGES = ("verify", "drift", "contracts")


def circles(imports: Mapping[str, set[str]]) -> list[list[str]]:
    """Groups of modules each of which reaches every other of its group (Tarjan)."""
    found: list[list[str]] = []
    number: dict[str, int] = {}
    lowest: dict[str, int] = {}
    open_: list[str] = []
    for start in imports:
        walk = [] if start in number else [(start, iter(sorted(imports[start])))]
        while walk:
            module, rest = walk[-1]
            if module not in number:
                number[module] = lowest[module] = len(number)
                open_.append(module)
            for other in rest:
                if other not in number:
                    walk.append((other, iter(sorted(imports[other]))))
                    break
                if other in open_:
                    lowest[module] = min(lowest[module], number[other])
            else:
                walk.pop()
                if walk:
                    above = walk[-1][0]
                    lowest[above] = min(lowest[above], lowest[module])
                if lowest[module] == number[module]:
                    group = open_[open_.index(module) :]
                    del open_[open_.index(module) :]
                    found += [sorted(group)] if len(group) > 1 else []
    return found


def test_there_are_no_circles() -> None:
    graph = grimp.build_graph(*PACKAGES, cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    assert len(imports) > 300
    assert circles(imports) == []


def test_a_circle_is_seen() -> None:
    names = ["a", "b", "c", "d"]
    line = {one: {other} for one, other in pairwise(names)} | {"d": set()}
    assert circles(line) == []
    assert circles({**line, "c": {"a", "d"}}) == [["a", "b", "c"]]
    both = circles({**line, "b": {"a"}, "d": {"c"}})
    assert sorted(both) == [["a", "b"], ["c", "d"]]
