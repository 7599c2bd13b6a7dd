"""Prints the lowest versions that pyproject.toml allows, a line `name==bound` for pip's -c.

`python .ci/lowest.py EXTRA ...` takes the core and these extras with what they hold; of two bounds
of one name the higher counts. A bound that nobody has installed is a guess: `.ci/nightly` installs
these and runs tests on them.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import Requirement
from packaging.version import Version

PROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]


def required(*extras: str) -> Iterator[Requirement]:
    """The requirements of the core and of these extras, with those of the extras they name."""
    texts = [*PROJECT["dependencies"], *(text for name in extras for text in EXTRAS[name])]
    for one in map(Requirement, texts):
        if one.name == PROJECT["name"]:
            yield from required(*one.extras)
        else:
            yield one


def bound(requirement: Requirement) -> Version:
    """Its lower bound; raises ValueError for a requirement without exactly one."""
    bounds = [one.version for one in requirement.specifier if one.operator == ">="]
    if len(bounds) != 1:
        raise ValueError(
            f"pyproject.toml: {requirement}: found {len(bounds)} lower bounds, expected one `>=`"
        )
    return Version(bounds[0])


def lowest(*extras: str) -> dict[str, Version]:
    """Name to the lowest version that satisfies every requirement."""
    found: dict[str, Version] = {}
    for one in required(*extras):
        found[one.name] = max(bound(one), found.get(one.name, bound(one)))
    return found


if __name__ == "__main__":
    lines = sorted(f"{name}=={version}\n" for name, version in lowest(*sys.argv[1:]).items())
    sys.stdout.writelines(lines)
