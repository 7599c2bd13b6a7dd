"""A pack in a repository, and one change of its rules at a time."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.verify.conftest import MiniPack, Result, claim, clause, decision, new_pack
from tests.verify.guard.conftest import Repository
from verify.attest.model import id_of

FRONTIER = 'schema: verify/frontier/1\nallow: ["**"]\n'
TRACK = {
    "id": "paper", "title": "t", "metric": "fid", "axis": "paper-eval",
    "floors": {"steps": 100, "samples": 50000, "seeds": 3}, "recomputed_by": "THING-001",
    "needs": ["THING-*"],
}  # fmt: skip
RELEASE = {
    "schema": "verify/release/1", "releases": "code", "version": "v.py", "signatures": "s.yaml",
    "gates": [
        {"id": "bundle", "title": "t", "kind": "engineering", "by": {"kind": "bundle"},
         "close": "verify run"},
        {"id": "parity", "title": "t", "kind": "engineering", "close": "verify run",
         "by": {"kind": "clauses", "clauses": ["THING-*"]}},
        {"id": "tagged", "title": "t", "kind": "engineering", "close": "verify run",
         "by": {"kind": "clauses", "clauses": ["tag:held"]}},
    ],
}  # fmt: skip


@dataclass
class Changing:
    """A pack with one commit; `change` makes another, `told` says what it did to the rules."""

    pack: MiniPack
    repository: Repository
    cli: Callable[..., Result]

    def edit(self, path: str, change: Callable[[dict[str, Any]], object]) -> None:
        """Change a YAML file of the pack as data."""
        place = self.pack.root / path
        value = yaml.safe_load(place.read_text(encoding="utf-8"))
        change(value)
        self.pack.data(path, value)

    def told(self, *args: object) -> tuple[int, list[dict[str, Any]]]:
        """Exit code and changes of the last commit."""
        self.repository.commit()
        result = self.cli(
            "diff", "--pack", "HEAD~1..HEAD", "--repository", self.pack.root, "--json", *args
        )
        assert result.err == "", result.err[-1500:]
        return result.code, json.loads(result.out)["changes"]


def known_key(number: int) -> dict[str, Any]:
    """A key that may sign records; nobody has its private half."""
    public = f"{number:064x}"
    return {"id": id_of(public), "public": public, "roles": ["records"], "holder": "h",
            "since": "2026-01-01"}  # fmt: skip


def ruled(pack: MiniPack) -> None:
    """Something of every kind of rule."""
    pack.clauses = [clause(1, tags=["held"]), clause(2, params={"of": "two"})]
    pack.claims = [
        {
            **claim(
                decisions=["DEC-0001"],
                coverage={"book": 0.5},
                detection={"contracts": ["THING"], "at_least": 0.5},
            ),
            "forbids": ["best of all"],
        }
    ]
    pack.save()
    pack.write("specs/decisions/DEC-0001.md", decision(governs=["CLAIM-THING"]))
    deferred = decision("DEC-0002", status="deferred", caps=["CLAIM-THING"])
    pack.write("specs/decisions/DEC-0002.md", deferred)
    pack.write("specs/decisions/DEC-0003.md", decision("DEC-0003", governs=["contracts/**"]))
    items = [
        {"id": name, "at": "p. 1", "title": "t", "facts": ["thing.one"]} for name in ("a", "b")
    ]
    outline = {"schema": "verify/outline/1", "authority": "book", "title": "t", "known_from": "k"}
    pack.data("specs/outline/book.yaml", {**outline, "items": items})
    pack.write("specs/golden/one.json", "{}\n")
    pack.write("contracts/bindings/limits.json", "1\n")
    table = '\n\nTABLE = (mutant("thing.table", VALUES, one=7.0),)\n'
    pack.edit("contracts/bindings/thing.py", "-= by\n", f"-= by{table}")
    pack.write("contracts/policy/frontier.yaml", FRONTIER)
    asset = {"glob": "specs/golden/**", "reason": "r"}
    protected = {"schema": "verify/protected/1", "assets": [asset]}
    pack.data("contracts/policy/protected.yaml", protected)
    pack.data(
        "contracts/policy/promotion.yaml", {"schema": "verify/promotion/1", "tracks": [TRACK]}
    )
    pack.data("contracts/policy/release.yaml", RELEASE)
    gone = {"revoked": {"date": "2026-01-01", "reason": "r"}}
    keys = [known_key(0), {**known_key(1), **gone}]
    pack.data("contracts/policy/keys.yaml", {"schema": "verify/keys/1", "keys": keys})


@pytest.fixture
def changing(
    tmp_path: Path, cli: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> Changing:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    pack = new_pack(tmp_path / "pack")
    ruled(pack)
    repository = Repository(pack.root)
    repository.git("init", "-q")
    repository.commit()
    return Changing(pack, repository, cli)
