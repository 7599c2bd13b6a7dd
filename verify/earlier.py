"""Bundles whose judgements a run may reuse (`verify run --cached`)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Set
from pathlib import Path
from typing import NamedTuple

from verify.known import read_bundle
from verify.report.bundle import EVIDENCE, WHOLE, head_of, newest_first
from verify.run.cache import Earlier, Reopened, reopened
from verify.run.keys import Keys
from verify.run.surroundings import around
from verify.spec.pack import LoadedPack
from verify.spec.sources import State, learn, settled

_KEY = re.compile(rb'"key":"([0-9a-f]{64})"')


class Ahead(NamedTuple):
    """The latest bundle of a folder, opened before it was known whether one is wanted."""

    folder: Path
    found: Reopened | None
    digests: Mapping[tuple[str, State], str]  # of the files that were read for it


def latest_opened(reports: Path, root: Path) -> Ahead | None:
    """What `earlier_in` would most likely open; None where there is no bundle."""
    folder = next(iter(newest_first(reports)), None)
    return None if folder is None else Ahead(folder, _reopened(folder, root), settled())


def earlier_in(
    reports: Path,
    loaded: LoadedPack,
    evaluations: Path,
    ahead: Callable[[], Ahead | None] = lambda: None,
) -> Earlier:
    """Judgements to be reused: of the bundles of a folder that were made under the same keys."""
    keys = Keys(loaded, evaluations)
    base, began = keys.base, around(loaded.root)
    known = ahead()  # waited for only now
    if known is not None:
        learn(known.digests)
    same = [folder for folder in newest_first(reports) if head_of(folder).get("base") == base]

    def read(folder: Path) -> Reopened | None:
        if known is not None and known.folder == folder:
            return known.found
        return _reopened(folder, loaded.root)

    return Earlier(same, _keys_named, read, loaded.root, keys, began)


def _reopened(folder: Path, root: Path) -> Reopened | None:
    pins = read_bundle(folder, WHOLE).pins
    return None if pins is None else reopened(pins, root)


def _keys_named(folder: Path) -> Set[str]:
    """What a bundle that is not verified yet says that it answers."""
    try:
        return {key.decode() for key in _KEY.findall((folder / EVIDENCE).read_bytes())}
    except OSError:
        return frozenset()
