"""A pack of a few clauses with evidence made by real runs: gates are tried on it.

It is made once a process and kept as bytes; each check unpacks it into a folder of its own, where
it may spoil what it likes.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

import drift
from verify import __version__
from verify.report.bundle import EVIDENCE, open_partial, seal
from verify.run.engine import Options, run
from verify.run.evidence import EvidenceWriter
from verify.spec.digests import digests
from verify.spec.pack import load
from verify.spec.select import select

TEMPLATE = "latent-l2"
TEMPLATES = Path(drift.__file__).parent / "templates"
CODE = """
import json
from contextlib import contextmanager
from types import SimpleNamespace

import engine
from verify.api import check, mutant, subject

VALUES = {"one": engine.ONE}


@subject("thing")
def thing():
    return SimpleNamespace(name="thing", capabilities=frozenset(), values=VALUES)


@subject("other")
def other():
    return SimpleNamespace(name="other", capabilities=frozenset(), values=VALUES)


@check("thing.one")
def one(ctx):
    off = abs(ctx.subject.values["one"] - ctx.params["wanted"])
    return ctx.judge(off, f"found {ctx.subject.values['one']}", unit="units")


@check("thing.recomputed")
def recomputed(ctx):
    for path in sorted(ctx.evidence_dir.glob("*.json")):
        record = json.loads(path.read_text())
        lines = (path.parent / record["components"]["file"]).read_text().split()
        value = sum(map(float, lines)) / len(lines)
        if abs(record["metrics"]["fid"]["value"] - value) > engine.ONE / 10**9:
            return ctx.decide(False, f"{path.name}: components give {value}")
    return ctx.decide(True, "as the components give")


@mutant("thing.strict")
@contextmanager
def strict(subject):
    engine.ONE = -1.0
    try:
        yield
    finally:
        engine.ONE = 1.0


@mutant("thing.more")
@contextmanager
def more(subject, by=1.0):
    subject.values["one"] += by
    try:
        yield
    finally:
        subject.values["one"] -= by
"""
SOUND, NEVER_RUN, RED, UNCAUGHT, COLUMN, RECOMPUTED = (f"THING-00{n}" for n in range(1, 7))
EVIDENCE_OF: dict[str, dict[str, Any]] = {  # folder of bundles -> what was run for it
    "real": {"only": (SOUND, RED, UNCAUGHT, COLUMN)},
    "whole": {"only": (SOUND, COLUMN)},
    "foreign": {"only": (SOUND, COLUMN), "subject": "other"},
    "unfalsified": {"only": (SOUND, COLUMN), "falsify": False},
}
RELEASE = {
    "schema": "verify/release/1", "releases": "code", "version": "version.py",
    "signatures": "signed.yaml",
    "gates": [
        {"id": "clauses", "title": "They stand", "kind": "engineering", "close": "verify run",
         "by": {"kind": "clauses", "clauses": [SOUND, COLUMN]}},
        {"id": "protected", "title": "As approved", "kind": "engineering",
         "close": "verify protect", "by": {"kind": "protected"}},
        {"id": "owner", "title": "Signed", "kind": "maintainer", "close": "verify release --sign",
         "by": {"kind": "signature"}},
    ],
}  # fmt: skip
PROMOTION = {
    "schema": "verify/promotion/1",
    "tracks": [{
        "id": "small", "title": "A small run", "metric": "fid", "axis": "paper-eval",
        "floors": {"steps": 300, "samples": 50_000, "seeds": 3}, "protocol": {"weights": "ema"},
        "recomputed_by": RECOMPUTED, "needs": [SOUND], "max_bytes": 100,
    }],
}  # fmt: skip
DECISION = """---
id: DEC-0001
title: T
status: accepted
date: "2026-01-01"
governs: [specs/facts/thing.yaml]
---

# DEC-0001: T
""" + "".join(
    f"\n## {title}\n\nText.\n"
    for title in ("Context", "Options", "Decision", "Rationale", "Evidence", "Residual risk",
                  "Follow-up")
)  # fmt: skip


@dataclass(frozen=True)
class Miniature:
    """The pack at `root`, and bundles by how they were made."""

    root: Path

    @property
    def running(self) -> Path:
        """The package that the pack is about."""
        return self.root / "engine"

    def reports(self, kind: str) -> Path:
        """A folder of bundles; one that was never made holds none."""
        return self.root.parent / kind

    def write(self, relative: str, text: str) -> None:
        """A file of the pack."""
        path = self.root / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def data(self, relative: str, value: Any) -> None:
        """A YAML file of the pack."""
        self.write(relative, yaml.safe_dump(value, sort_keys=False, allow_unicode=True))

    def append(self, relative: str, text: str = "# later\n") -> None:
        """An edit that changes nothing but the file."""
        self.write(relative, (self.root / relative).read_text(encoding="utf-8") + text)

    @contextmanager
    def kept(self, *relatives: str) -> Iterator[None]:
        """What is done to these files inside is undone at the end."""
        before = {name: (self.root / name).read_bytes() for name in relatives}
        try:
            yield
        finally:
            for name, data in before.items():
                (self.root / name).write_bytes(data)


@contextmanager
def miniature() -> Iterator[Miniature]:
    """One of one's own."""
    with tempfile.TemporaryDirectory() as folder:
        top = Path(folder).resolve()
        for relative, data in _made().items():
            path = top / relative
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        yield Miniature(top / "pack")


@cache
def _made() -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as folder:
        top = Path(folder).resolve()
        pack = Miniature(top / "pack")
        unsealed(pack)
        for kind, how in EVIDENCE_OF.items():
            _run(pack, pack.reports(kind), **how)
        files = (path for path in top.rglob("*") if path.is_file() and path.suffix != ".pyc")
        return {path.relative_to(top).as_posix(): path.read_bytes() for path in files}


def unsealed(pack: Miniature) -> None:
    """The files of the pack, without evidence."""
    template = (TEMPLATES / f"{TEMPLATE}.yaml").read_text(encoding="utf-8")
    depth = yaml.safe_load(template)["generator"]["depth"]
    pack.data("contracts/pack.yaml", {
        "schema": "verify/pack/1", "pack": "miniature", "title": "T", "subject": "thing",
        "columns": ["L2"], "templates": {"L2": "l2.yaml"}, "code": ["engine"],
    })  # fmt: skip
    pack.data("specs/authorities.yaml", {
        "schema": "verify/authorities/1",
        "authorities": [{"id": "book", "title": "B", "identifier": "1", "role": "source",
                         "licence": "public"}],
    })  # fmt: skip
    pack.data("specs/facts/thing.yaml", {
        "schema": "verify/facts/1",
        "topics": {
            "thing.one": {"title": "one", "facts": {"book": {"value": 1.0, "at": "p. 1"}}},
            "thing.depth": {"title": "depth",
                            "facts": {"book": {"value": {"L2": depth}, "at": "p. 2"}}},
        },
    })  # fmt: skip
    pack.data("contracts/thing/contract.yaml", _contract())
    pack.data("contracts/policy/release.yaml", RELEASE)
    pack.data("contracts/policy/promotion.yaml", PROMOTION)
    pack.data("contracts/policy/protected.yaml", {
        "schema": "verify/protected/1",
        "assets": [{"glob": "specs/facts/*.yaml", "reason": "what is stated"}],
    })  # fmt: skip
    pack.write("specs/decisions/DEC-0001.md", DECISION)
    pack.data("specs/protected.yaml", {"schema": "verify/digests/1", "assets": []})
    pack.write("contracts/thing/__init__.py", "")
    pack.write("contracts/thing/thing.py", CODE)
    pack.write("engine/__init__.py", "ONE = 1.0\n")
    pack.write("version.py", '__version__ = "1.0"\n')
    pack.write("l2.yaml", template)
    _approve(pack)


def _approve(pack: Miniature) -> None:
    from verify.guard.protect import approve, guard_of

    approve(guard_of(load(pack.root)), ["specs/facts/thing.yaml"], "DEC-0001")


def _contract() -> dict[str, Any]:
    common = {"kind": "golden", "check": "thing.one", "sources": ["book:thing.one"],
              "params": {"wanted": 1.0}, "falsifiers": ["thing.more"]}  # fmt: skip
    too_small = [{"thing.more": {"by": 0.1}}]
    return {
        "schema": "verify/contract/2", "contract": "THING", "title": "T",
        "defaults": {"severity": "major", "remedy": "Count again.",
                     "tolerance": {"value": 0.5, "unit": "units", "basis": "halfway"}},
        "clauses": [
            {"id": SOUND, "statement": "One is one.", **common},
            {"id": NEVER_RUN, "statement": "One is one once more.", **common},
            {"id": RED, "statement": "One is two.", **common, "params": {"wanted": 2.0}},
            {"id": UNCAUGHT, "statement": "One is nearly one.", **common, "falsifiers": too_small},
            {"id": COLUMN, "statement": "The depth is the book's.", "field": "generator.depth",
             "fact": "book:thing.depth", "tolerance": {"exact": True, "basis": "stated"}},
            {"id": RECOMPUTED, "statement": "Figures are those of their components.", **common,
             "check": "thing.recomputed", "falsifiers": ["thing.strict"], "required": False},
        ],
    }  # fmt: skip


def _run(
    pack: Miniature, reports: Path, *, only: tuple[str, ...],
    subject: str = "thing", falsify: bool = True,
) -> None:  # fmt: skip
    """One run and its sealed bundle, as `verify run` leaves it."""
    loaded = load(pack.root)
    options = Options(subject, jobs=1, falsify=falsify, evidence_dir=reports / "evaluations")
    about = {
        "verify": __version__, "pack": "miniature", "subject": subject, "seed": options.seed,
        "profile": options.profile, "selectors": list(only), "falsify": falsify, "python": "3",
        "digests": digests(loaded),
    }  # fmt: skip
    partial = open_partial(reports)
    with closing(EvidenceWriter(partial / EVIDENCE, loaded, about)) as writer:
        run(loaded, select(loaded.pack, only), options, writer)
    seal(partial)
