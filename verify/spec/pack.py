"""Finding and reading a pack: a root folder that holds `contracts/` and `specs/`.

Every file is read and validated before anything is said, so one run of `verify lint` shows every
error of every file.
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from verify.problems import PackError, Problem, UsageError
from verify.spec.bindings import BindingIndex, index_bindings
from verify.spec.decisions import read_decisions
from verify.spec.model import (
    FILE_MODELS,
    Authorities,
    ClaimsFile,
    ConflictsFile,
    Contract,
    FactsFile,
    Frozen,
    Manifest,
    Pack,
    Topic,
    WaiversFile,
)
from verify.spec.strict_yaml import Document, read
from verify.spec.validation import validate

MANIFEST = "contracts/pack.yaml"


@dataclass(frozen=True)
class LoadedPack:
    """A pack with its places; `documents` maps each file's label to its parsed text."""

    root: Path
    pack: Pack
    bindings: BindingIndex
    documents: dict[str, Document]

    @property
    def specs_dir(self) -> Path:
        """Folder of facts, decisions and recorded data."""
        return self.root / "specs"

    @property
    def bindings_dir(self) -> Path:
        """Folder of the pack's code."""
        return self.root / "contracts" / "bindings"


def find_root(start: Path | None) -> Path:
    """The pack to use: the given folder, else the working directory, else the installed pack."""
    if start is not None:
        if not (start / MANIFEST).is_file():
            raise UsageError(
                f"{start}: found no {MANIFEST}; expected a folder that holds contracts/ and "
                "specs/; remedy: correct --pack, or scaffold one with `verify init DIR`"
            )
        return start.resolve()
    if (Path.cwd() / MANIFEST).is_file():
        return Path.cwd()
    for entry in entry_points(group="verify.packs"):
        spec = importlib.util.find_spec(entry.value)
        for place in (spec.submodule_search_locations or []) if spec else []:
            root = Path(place).parent
            if (root / MANIFEST).is_file():
                return root
    raise UsageError(
        f"found no {MANIFEST} here and no installed pack; expected a folder that holds contracts/ "
        "and specs/; remedy: pass --pack DIR, or scaffold one with `verify init DIR`"
    )


def load(root: Path) -> LoadedPack:
    """Read everything under `root`; raises PackError with all problems of all files."""
    root = root.resolve()
    problems: list[Problem] = []
    documents = {label: read(path, name=label) for label, path in _files(root, problems)}
    models = {label: _validate(document, problems) for label, document in documents.items()}
    decisions = read_decisions(root / "specs" / "decisions", root, problems)
    bindings = index_bindings(root / "contracts" / "bindings", root=root)
    problems.extend(bindings.problems)

    manifest = next((m for m in models.values() if isinstance(m, Manifest)), None)
    if manifest is None:
        if not problems:
            problems.append(
                Problem(
                    MANIFEST,
                    0,
                    0,
                    "",
                    "no file with schema verify/pack/1",
                    "one manifest",
                    "write contracts/pack.yaml",
                )
            )
        raise PackError(problems)
    for label, path in _templates(manifest, root):
        documents[label] = read(path, name=label)
        problems.extend(documents[label].problems)
    topics = _topics(models, documents, problems)
    pack = Pack.model_construct(
        manifest=manifest,
        contracts=tuple(m for m in models.values() if isinstance(m, Contract)),
        claims=tuple(c for m in models.values() if isinstance(m, ClaimsFile) for c in m.claims),
        waivers=tuple(w for m in models.values() if isinstance(m, WaiversFile) for w in m.waivers),
        authorities=tuple(
            a for m in models.values() if isinstance(m, Authorities) for a in m.authorities
        ),
        topics=topics,
        conflicts=tuple(
            c for m in models.values() if isinstance(m, ConflictsFile) for c in m.conflicts
        ),
        decisions=decisions,
    )
    loaded = LoadedPack(root, pack, bindings, documents)
    if problems:
        # A reference that dangles may only be the echo of a broken file: say those first, alone.
        raise PackError(problems)
    return loaded


def pack_digest(loaded: LoadedPack) -> str:
    """sha256 over every text the pack consists of, names included."""
    digest = hashlib.sha256()
    for label in sorted(loaded.documents):
        digest.update(f"{label}\0{loaded.documents[label].text}\0".encode())
    for decision in loaded.pack.decisions:
        digest.update(decision.model_dump_json().encode())
    return digest.hexdigest()


def code_digest(loaded: LoadedPack) -> str:
    """sha256 over the files the evidence is about: the manifest's `code` and the bindings."""
    digest = hashlib.sha256()
    for path in code_files(loaded):
        digest.update(f"{path.relative_to(loaded.root).as_posix()}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def code_files(loaded: LoadedPack) -> Iterator[Path]:
    """Source and data files below the manifest's `code` folders and the bindings, in order."""
    folders = {loaded.bindings_dir, *(loaded.root / name for name in loaded.pack.manifest.code)}
    for folder in sorted(folders):
        for path in sorted(folder.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                yield path


def inside(root: Path, relative: str) -> Path | None:
    """`root/relative` resolved, or None where it leaves the pack (also through a link)."""
    path = (root / relative).resolve()
    return path if path.is_relative_to(root) and not Path(relative).is_absolute() else None


def _files(root: Path, problems: list[Problem]) -> Iterator[tuple[str, Path]]:
    for pattern in ("contracts/*.yaml", "specs/*.yaml", "specs/facts/*.yaml"):
        for path in sorted(root.glob(pattern)):
            label = path.relative_to(root).as_posix()
            if inside(root, label) is None:
                problems.append(
                    Problem(
                        label,
                        0,
                        0,
                        "",
                        f"a link to {path.resolve()}",
                        "a file of the pack",
                        "copy the file into the pack",
                    )
                )
                continue
            yield label, path


def _templates(manifest: Manifest, root: Path) -> Iterator[tuple[str, Path]]:
    """Templates that exist inside the pack; lint names those that do not."""
    for relative in manifest.templates.values():
        path = inside(root, relative)
        if path is not None and path.is_file():
            yield relative, path


def _validate(document: Document, problems: list[Problem]) -> Frozen | None:
    problems.extend(document.problems)
    if document.problems:
        return None
    if not isinstance(document.value, dict):
        found = type(document.value).__name__
        problems.append(document.problem((), f"a {found}", "a mapping with `schema`", "rewrite it"))
        return None
    schema = document.value.get("schema")
    model = FILE_MODELS.get(schema) if isinstance(schema, str) else None
    if model is None:
        if document.file.startswith("specs/") and isinstance(schema, str):
            return None  # data of the pack's own checks; read strictly all the same
        known = ", ".join(FILE_MODELS)
        problems.append(document.problem(("schema",), repr(schema), f"one of {known}", "name it"))
        return None
    return validate(document, model, problems)


def _topics(
    models: dict[str, Frozen | None], documents: dict[str, Document], problems: list[Problem]
) -> dict[str, Topic]:
    topics: dict[str, Topic] = {}
    owners: dict[str, str] = {}
    for label, model in models.items():
        if not isinstance(model, FactsFile):
            continue
        for name, topic in model.topics.items():
            if name in topics:
                problems.append(
                    documents[label].problem(
                        ("topics", name),
                        f"the topic {name} a second time",
                        f"one place (the other is {owners[name]})",
                        "merge them",
                    )
                )
            topics[name], owners[name] = topic, label
    return topics


def ids(items: Iterable[Any]) -> set[str]:
    """The `id` of each item."""
    return {item.id for item in items}
