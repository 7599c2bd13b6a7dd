"""Words and patterns of the net and its frames, read from `data/` when one is first asked for.

`words.yaml` has them by name, `families.yaml` families of words by language, `rules.yaml` which of
them together make a catch. They are wide on purpose: what is caught and claims nothing is told
apart by a frame or by a marker.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from verify.prose.text import pattern, words

_NAME = re.compile(r"<(_?[A-Z][A-Z_]+)>")


@cache
def data(name: str) -> Any:
    """One of the files of words."""
    source = files("verify.prose").joinpath("data", f"{name}.yaml").read_text(encoding="utf-8")
    return yaml.load(source, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def __getattr__(name: str) -> re.Pattern[str]:
    if name.startswith("__"):
        raise AttributeError(name)
    found = _compiled(name)
    globals()[name] = found
    return found


@cache
def _compiled(name: str) -> re.Pattern[str]:
    table = data("words")
    if name in table["patterns"]:
        return pattern(*(_NAME.sub(_inner, one) for one in table["patterns"][name]))
    if name in table["words"]:
        return words(table["words"][name])
    if name in data("families"):
        listed = data("families")[name].values()
        return words([entry for one in listed for entry in one.split("|")])
    raise AttributeError(f"no words are called {name}")


def _inner(match: re.Match[str]) -> str:
    names = data("words")["names"]
    return names[match[1]] if match[1] in names else _compiled(match[1]).pattern


def text(name: str) -> Any:
    """A fragment of patterns, or several by key, as the file has them."""
    return data("words")["names"][name]
