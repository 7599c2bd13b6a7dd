"""A commit's pack, read from git alone: the working tree is neither looked at nor touched."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import Any

from verify.guard import git
from verify.problems import PackError, UsageError
from verify.ratchet import reader
from verify.ratchet.change import by_key
from verify.spec.root import MANIFEST

TIMEOUT_S = 300.0
HARNESS = "verify/spec/pack.py"  # of a commit that carries its own reader
_PACK = ("contracts", "specs")
_TEXTS = (".yaml", ".yml", ".md", ".py", ".json")


@dataclass(frozen=True)
class Tree:
    """The rules of one commit as plain data.

    told   what `reader.snapshot` says
    blobs  path -> object of every file of the commit
    texts  path -> text of each file of code of the rooms
    """

    commit: str
    told: dict[str, Any]
    blobs: dict[str, str]
    texts: dict[str, bytes]

    @property
    def pack(self) -> dict[str, Any]:
        """The resolved pack."""
        found: dict[str, Any] = self.told["pack"]
        return found

    @cached_property
    def contracts(self) -> dict[str, dict[str, Any]]:
        """Contracts by their id."""
        return by_key(self.pack["contracts"], "contract", self.commit[:10])

    @cached_property
    def clauses(self) -> dict[str, tuple[str, dict[str, Any]]]:
        """Clause id -> its contract, and the clause."""
        both = [
            {"id": clause["id"], "of": (name, clause)}
            for name, contract in self.contracts.items()
            for clause in contract["clauses"]
        ]
        return {name: one["of"] for name, one in by_key(both, "id", self.commit[:10]).items()}

    @cached_property
    def decisions(self) -> dict[str, dict[str, Any]]:
        """Records by their id."""
        return by_key(self.pack["decisions"], "id", self.commit[:10])

    @cached_property
    def facts(self) -> dict[str, tuple[str, dict[str, Any]]]:
        """`authority:topic` -> the file, and the fact."""
        return {
            f"{authority}:{topic}": (self._topics.get(topic, "specs/facts"), fact)
            for topic, one in self.pack["topics"].items()
            for authority, fact in one["facts"].items()
        }

    @cached_property
    def _topics(self) -> dict[str, str]:
        return {
            topic: label
            for label, value in self.told["written"].items()
            if label.startswith("specs/facts/")
            for topic in value.get("topics", ())
        }

    def names(self, selectors: Sequence[str], clause_id: str) -> bool:
        """Whether one of some selectors names a clause, as `verify.spec.select` reads them."""
        return any(self._names(selector, clause_id) for selector in selectors)

    def _names(self, selector: str, clause_id: str) -> bool:
        prefix, separator, word = selector.partition(":")
        if not separator:
            return fnmatchcase(clause_id, selector)
        contract, clause = self.clauses[clause_id]
        if prefix == "claim":
            asked = [one for one in self.pack["claims"] if fnmatchcase(one["id"], word)]
            needs = [form["needs"] for one in asked for form in (one, one["bounded"]) if form]
            return any(self.names(one["clauses"], clause_id) for one in needs)
        said = {"id": [clause_id], "tag": clause["tags"], "kind": [clause["kind"]],
                "contract": [contract]}  # fmt: skip
        return any(fnmatchcase(one, word) for one in said.get(prefix, ()))

    def place(self, kind: str, name: str) -> str:
        """The file that states a contract of this name, or the claims or waivers; else empty."""
        for label, value in self.told["written"].items():
            if (value.get(kind) == name) if kind == "contract" else (kind in value):
                return str(label)
        return ""

    def cited(self, value: Any) -> Any:
        """A floor; one that is cited is the value of its fact, now."""
        if not isinstance(value, dict):
            return value
        _, fact = self.facts.get(value["fact"], ("", {"value": None}))
        found = fact["value"]
        column = value.get("column")
        return found.get(column) if column is not None and isinstance(found, dict) else found


def read(repository: Path, commit: str, *, trusted: bool = False) -> Tree | None:
    """The pack of a commit; None where it has none.

    trusted   an accepted commit: where this program cannot read its pack, the reader that the
              commit carries is run. A proposed one is read by this program or not at all.

    Raises UsageError where there is no reader for it.
    """
    blobs = git.files_of(repository, commit)
    if MANIFEST not in blobs:
        return None
    with tempfile.TemporaryDirectory(prefix="verify-") as place:
        root = Path(place).resolve() / "pack"
        wanted = {path: blob for path, blob in blobs.items() if _of_the_pack(path)}
        texts = git.write_out(repository, wanted, root)
        told = _told(repository, commit, blobs, root, trusted=trusted)
        code = {path: text for path, text in texts.items() if path.endswith(".py")}
    return Tree(commit, told, blobs, code)


def _of_the_pack(path: str) -> bool:
    return path.endswith(_TEXTS) and (
        path.split("/")[0] in _PACK or path.endswith((".yaml", ".yml"))
    )


def _told(
    repository: Path, commit: str, blobs: dict[str, str], root: Path, *, trusted: bool
) -> dict[str, Any]:
    try:
        return reader.snapshot(root)
    except PackError as error:
        if not trusted or HARNESS not in blobs:
            why = "it carries no reader of its own" if trusted else "nothing of HEAD is run"
            raise UsageError(_unreadable(commit, error, why)) from None
        return _by_its_own(repository, commit, blobs, root, error)


def _by_its_own(
    repository: Path, commit: str, blobs: dict[str, str], root: Path, error: PackError
) -> dict[str, Any]:
    """An earlier language, told by the reader of the commit in a process of its own."""
    code = root.with_name("code")
    git.write_out(repository, dict(_harness(blobs)), code)
    command = [sys.executable, "-I", reader.__file__, str(code), str(root)]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        why = f"its own reader gave no answer in {TIMEOUT_S:g} s"
        raise UsageError(_unreadable(commit, error, why)) from None
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip().splitlines() or ["nothing"]
        why = f"its own reader says: {said[-1][:200]}"
        raise UsageError(_unreadable(commit, error, why)) from None
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _harness(blobs: dict[str, str]) -> Iterator[tuple[str, str]]:
    for path, blob in blobs.items():
        if path.startswith("verify/") and path.endswith(".py"):
            yield path, blob


def _unreadable(commit: str, error: PackError, why: str) -> str:
    return (
        f"{commit[:10]}: found a pack that cannot be read here ({error.problems[0]}), and {why}; "
        "expected two packs to compare; remedy: mend the pack of HEAD, or take as BASE the commit "
        "that brought it into this language"
    )
