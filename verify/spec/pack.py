"""Reading a pack, whose root folder (`verify.spec.root`) holds `contracts/` and `specs/`.

Every file is read and validated before anything is said, so one run of `verify lint` shows every
error of every file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from verify.attest.model import KeysFile
from verify.beside import beside
from verify.problems import PackError, Problem
from verify.spec.bindings import BindingIndex, index_bindings
from verify.spec.decisions import read_decisions
from verify.spec.files import MODELS
from verify.spec.model import (
    Authorities,
    ClaimsFile,
    Clause,
    ConflictsFile,
    FactsFile,
    Frozen,
    Manifest,
    Pack,
    Topic,
    WaiversFile,
)
from verify.spec.outline import Outline
from verify.spec.places import CONTRACTS, foreign, hidden, named, visible
from verify.spec.resolve import Stated, resolve
from verify.spec.root import MANIFEST
from verify.spec.strict_yaml import Document, read
from verify.spec.validation import validate
from verify.spec.written import MIGRATION, SCHEMA, ContractFile

READ = ("contracts/*.yaml", "contracts/*/*.yaml", "specs/*.yaml", "specs/facts/*.yaml",
        "specs/outline/*.yaml", "specs/work-orders/*.yaml")  # fmt: skip
RECORDS = "specs/decisions/*.md"

_YAML = (".yaml", ".yml")
_TEXT = (".md", ".markdown", ".mdown", ".mkd", ".txt", ".text", ".rst", ".adoc", ".json", *_YAML)
_LOOKED_AT = (
    ("contracts/**/*", _YAML),
    ("specs/*", _YAML),
    ("specs/facts/**/*", _YAML),
    ("specs/outline/**/*", _YAML),
    ("specs/work-orders/**/*", _YAML),
    ("specs/decisions/**/*", _TEXT),
)

_MANY_ROOMS = 10  # with fewer, a fork costs more than the syntax trees
_M = TypeVar("_M", bound=Frozen)


@dataclass(frozen=True)
class LoadedPack:
    """A pack with its places: parsed text and model of each file by its label."""

    root: Path
    pack: Pack
    bindings: BindingIndex
    documents: dict[str, Document]
    models: dict[str, Frozen]
    stated: tuple[Stated, ...]

    @property
    def specs_dir(self) -> Path:
        """Folder of facts, decisions and recorded data."""
        return self.root / "specs"

    @property
    def contracts_dir(self) -> Path:
        """Folder of the rooms: contracts and the code they name."""
        return self.root / CONTRACTS

    def of(self, kind: type[_M]) -> Iterator[tuple[Document, _M]]:
        """The files of one kind, in order of their labels."""
        for label, model in self.models.items():
            if isinstance(model, kind):
                yield self.documents[label], model

    def where(self, clause: Clause) -> Stated:
        """The places of a clause and of its parts."""
        return next(one for one in self.stated if one.clause is clause)


def load(root: Path) -> LoadedPack:
    """Read everything under `root`; raises PackError with all problems of all files."""
    root = root.resolve()
    problems: list[Problem] = []
    with beside(lambda: index_bindings(root / CONTRACTS, root=root), forks=_many(root)) as index:
        documents = {label: read(path, name=label) for label, path in _files(root, problems)}
        models = _models(documents, problems)
        stated = [
            one
            for label, file in models.items()
            if isinstance(file, ContractFile)
            for one in resolve(documents[label], file, problems)
        ]
        decisions = read_decisions(root / "specs" / "decisions", root, problems)
        bindings = index()
    problems.extend(bindings.problems)
    manifest = _manifest(models, problems)
    if manifest is not None:
        problems.extend(_strays(root, manifest))
        for label, path in _templates(manifest, root):
            documents[label] = _template(path, label, problems)
    topics = _topics(models, documents, problems)
    if manifest is None or problems:
        # A reference that dangles may only be the echo of a broken file: say those first, alone.
        raise PackError(problems)
    pack = Pack.model_construct(
        manifest=manifest,
        contracts=tuple({id(one.contract): one.contract for one in stated}.values()),
        claims=tuple(c for file in _gather(models, ClaimsFile) for c in file.claims),
        waivers=tuple(w for file in _gather(models, WaiversFile) for w in file.waivers),
        authorities=tuple(a for file in _gather(models, Authorities) for a in file.authorities),
        topics=topics,
        conflicts=tuple(c for file in _gather(models, ConflictsFile) for c in file.conflicts),
        decisions=decisions,
        outlines=_gather(models, Outline),
        keys=tuple(k for file in _gather(models, KeysFile) for k in file.keys),
    )
    return LoadedPack(root, pack, bindings, documents, models, tuple(stated))


def _many(root: Path) -> bool:
    """Whether the pack has so much code that two processes read it sooner than one."""
    contracts = root / CONTRACTS
    return contracts.is_dir() and len(list(contracts.iterdir())) >= _MANY_ROOMS


def _files(root: Path, problems: list[Problem]) -> Iterator[tuple[str, Path]]:
    for pattern in READ:
        for path in visible(root, pattern):
            label = path.relative_to(root).as_posix()
            problem = foreign(root, label)
            if problem is None:
                yield label, path
            else:
                problems.append(problem)


def _strays(root: Path, manifest: Manifest) -> Iterator[Problem]:
    """Files that look like part of the pack, `.YAML` among them, and that nothing reads."""
    wanted = {path for pattern in (*READ, RECORDS) for path in root.glob(pattern)}
    wanted |= {root / relative for relative in manifest.templates.values()}
    for pattern, endings in _LOOKED_AT:
        for path in root.glob(pattern):
            inside_it = path.relative_to(root)
            if Path(path.name.rstrip()).suffix.lower() not in endings or any(
                map(hidden, inside_it.parts)
            ):
                continue
            if path not in wanted:
                expected = " or ".join(READ if endings is _YAML else (RECORDS,))
                found, remedy = "a file that nothing reads", "move or rename it"
                yield Problem(inside_it.as_posix(), 0, 0, "", found, expected, remedy)


def _manifest(models: dict[str, Frozen], problems: list[Problem]) -> Manifest | None:
    """The one manifest, at its place."""
    found = [label for label, model in models.items() if isinstance(model, Manifest)]
    for label in found:
        if label != MANIFEST:
            text = "a second file with schema verify/pack/1"
            problems.append(Problem(label, 0, 0, "", text, f"only {MANIFEST}", "remove it"))
    manifest = models.get(MANIFEST)
    if isinstance(manifest, Manifest):
        return manifest
    if not problems:
        expected = "schema: verify/pack/1"
        problems.append(Problem(MANIFEST, 0, 0, "", "no manifest", expected, f"write {MANIFEST}"))
    return None


def _gather(models: dict[str, Frozen], kind: type[_M]) -> tuple[_M, ...]:
    return tuple(model for model in models.values() if isinstance(model, kind))


def _templates(manifest: Manifest, root: Path) -> Iterator[tuple[str, Path]]:
    """Templates that exist inside the pack; lint names those that do not."""
    for relative in manifest.templates.values():
        path = named(root, relative)
        if path is not None and path.is_file():
            yield relative, path


def _template(path: Path, label: str, problems: list[Problem]) -> Document:
    document = read(path, name=label)
    problems.extend(document.problems)
    if not document.problems and not isinstance(document.value, dict):
        found = f"a {type(document.value).__name__}"
        problems.append(document.problem((), found, "a mapping of fields", "rewrite it"))
    return document


def _models(documents: dict[str, Document], problems: list[Problem]) -> dict[str, Frozen]:
    models = {}
    for label, document in documents.items():
        model = _validate(document, problems)
        if model is not None:
            models[label] = model
    return models


def _validate(document: Document, problems: list[Problem]) -> Frozen | None:
    problems.extend(document.problems)
    if document.problems:
        return None
    if not isinstance(document.value, dict):
        found = type(document.value).__name__
        problems.append(document.problem((), f"a {found}", "a mapping with `schema`", "rewrite it"))
        return None
    schema = document.value.get("schema")
    model = MODELS.get(schema) if isinstance(schema, str) else None
    if model is None:
        if document.file.startswith("specs/") and isinstance(schema, str):
            return None  # data of the pack's own checks; read strictly all the same
        if schema == "verify/contract/1":
            problems.append(document.problem(("schema",), schema, SCHEMA, MIGRATION))
            return None
        known = ", ".join(MODELS)
        problems.append(document.problem(("schema",), repr(schema), f"one of {known}", "name it"))
        return None
    return validate(document, model, problems)


def _topics(
    models: dict[str, Frozen], documents: dict[str, Document], problems: list[Problem]
) -> dict[str, Topic]:
    topics: dict[str, Topic] = {}
    owners: dict[str, str] = {}
    for label, model in models.items():
        if not isinstance(model, FactsFile):
            continue
        for name, topic in model.topics.items():
            if name in topics:
                found = f"the topic {name} a second time"
                expected = f"one place (the other is {owners[name]})"
                at = ("topics", name)
                problems.append(
                    documents[label].problem(at, found, expected, "merge them", key=True)
                )
            topics[name], owners[name] = topic, label
    return topics


def ids(items: Iterable[Any]) -> set[str]:
    """The `id` of each item."""
    return {item.id for item in items}
