"""Finding a pack: a root folder that holds `contracts/` and `specs/`. Nothing is validated here."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path

from verify.problems import UsageError
from verify.spec.places import CONTRACTS, named
from verify.spec.strict_yaml import read

MANIFEST = f"{CONTRACTS}/pack.yaml"


def find_root(start: Path | None) -> Path:
    """The pack to use: the given folder, else the nearest here or above, else the installed one."""
    if start is not None:
        if not (start / MANIFEST).is_file():
            raise UsageError(
                f"{start}: found no {MANIFEST}; expected a folder that holds contracts/ and "
                "specs/; remedy: correct --pack, or scaffold one with `verify init DIR`"
            )
        return start.resolve()
    found = nearest(Path.cwd()) or next(installed_roots(), None)
    if found is not None:
        return found
    raise UsageError(
        f"found no {MANIFEST} here or above and no installed pack; expected a folder that holds "
        "contracts/ and specs/; remedy: pass --pack DIR, or scaffold one with `verify init DIR`"
    )


def nearest(here: Path) -> Path | None:
    """The nearest pack at or above a folder."""
    folders = (here, *here.parents)
    return next((folder for folder in folders if (folder / MANIFEST).is_file()), None)


def installed_roots() -> Iterator[Path]:
    """The packs that installed distributions name under the entry points `verify.packs`."""
    from importlib.metadata import entry_points  # what a named pack does without

    for entry in entry_points(group="verify.packs"):
        spec = importlib.util.find_spec(entry.value)
        for place in (spec.submodule_search_locations or []) if spec else []:
            # A package that holds a pack, or the folder contracts/ of a source tree.
            for root in (Path(place), Path(place).parent):
                if (root / MANIFEST).is_file():
                    yield root


def shipped_root(code: Path | None = None) -> Path:
    """The installed pack whose `code` holds the package at `code`; without one, the first.

    Never a pack that lies in the working directory by chance, and never one about another copy of
    the package: they say nothing about what runs. Raises UsageError where there is no other.
    """
    found = list(dict.fromkeys(installed_roots()))
    for root in found:
        if code is None or is_about(root, code):
            return root
    raise UsageError(
        f"found {', '.join(map(str, found)) or 'no pack'} under the entry points verify.packs; "
        f"expected a pack{f' whose `code` holds {code}' if code else ''}; remedy: install the "
        "package with its pack, or name the pack"
    )


def is_about(root: Path, code: Path) -> bool:
    """Whether a place of the manifest's `code` is, or lies above, this very package."""
    value = read(root / MANIFEST).value
    listed = value.get("code") if isinstance(value, dict) else None
    names = [name for name in listed or () if isinstance(name, str)]
    places = [(named(root.resolve(), name) or root / name).resolve() for name in names]
    return any(code.resolve().is_relative_to(place) for place in places)


def early_imports(root: Path) -> list[str]:
    """What the manifest says that most checks import; nothing of one that `load` will refuse."""
    value = read(root / MANIFEST).value
    listed = value.get("imports") if isinstance(value, dict) else None
    return [name for name in listed if isinstance(name, str)] if isinstance(listed, list) else []
