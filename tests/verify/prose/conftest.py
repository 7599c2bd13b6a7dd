"""The fixed evidence, and what the lint finds in a text."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from verify.outcome import Axis
from verify.prose.evidence import Evidence, KnownAuthority, KnownClaim, KnownFact, numbers
from verify.prose.judge import Finding, judge
from verify.prose.markers import by_sentence, markers
from verify.prose.reading import parse
from verify.scope import Scope

HERE = Path(__file__).parent


def read_evidence(path: Path = HERE / "evidence.yaml") -> Evidence:
    """The evidence that the sentences are held against."""
    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    return Evidence(
        bundle="20260101T000000Z-0123456789",
        subject=data["subject"],
        columns=tuple(data["columns"]),
        authorities=tuple(KnownAuthority(id=name, **a) for name, a in data["authorities"].items()),
        facts=tuple(_facts(data["facts"])),
        claims=tuple(_claim(dict(claim)) for claim in data["claims"]),
    )


def _facts(topics: dict[str, Any]) -> list[KnownFact]:
    return [
        KnownFact(authority, topic, facts["title"], key, value, fact["at"], fact.get("says", ""))
        for topic, facts in topics.items()
        for authority, fact in facts.items()
        if authority != "title"
        for key, value in numbers(fact["value"])
    ]


def _claim(claim: dict[str, Any]) -> KnownClaim:
    for name in ("tier", "clauses"):
        claim.pop(name, None)
    claim["scope"] = Scope(claim["scope"])
    claim["axis"] = Axis(claim["axis"]) if "axis" in claim else None
    for name in ("reasons", "forbids"):
        claim[name] = tuple(claim.get(name, ()))
    return KnownClaim(**claim)


@dataclass(frozen=True)
class Entry:
    """One text of a file of sentences, its kind, and whether it has to be flagged."""

    kind: str
    overclaim: bool
    text: str
    format: str
    language: str = ""

    @property
    def held_out(self) -> bool:
        """Whether it belongs to the half that nothing was tuned on."""
        return int(hashlib.sha256(self.text.encode()).hexdigest()[0], 16) >= 8


def entries(name: str, part: str = "") -> Iterator[Entry]:
    """Every text of a file of sentences, or of a part of it."""
    data = yaml.safe_load((HERE / name).read_text(encoding="utf-8"))
    for group, kinds in (data[part] if part else data).items():
        for kind, texts in kinds.items():
            for text in texts:
                given = {"md": text} if isinstance(text, str) else text
                ((form, source),) = given.items()
                yield Entry(kind, group == "overclaims", source, form)


def voices(part: str) -> Iterator[Entry]:
    """The texts of independent writers: `tuned`, or `held_out` that nobody tuned on."""
    data = yaml.safe_load((HERE / "voices.yaml").read_text(encoding="utf-8"))[part]
    for group, languages in data.items():
        for language, kinds in languages.items():
            for kind, texts in kinds.items():
                for text in texts:
                    form = "tex" if "\\" in text and text[0] not in "|$" else "md"
                    yield Entry(kind, group == "overclaims", text, form, language)


def findings(source: str, file: str, evidence: Evidence) -> list[Finding]:
    """Every finding in a text."""
    prose = parse(source, file)
    marked = by_sentence(markers(prose), prose.sentences)
    found = (judge(s, evidence, marked.get(s, ())) for s in prose.sentences)
    return [finding for finding in found if finding is not None]


def flagged(source: str, file: str, evidence: Evidence) -> bool:
    """Whether somebody has to mend a text."""
    return any(finding.ruling.flagged for finding in findings(source, file, evidence))


@pytest.fixture(scope="session")
def evidence() -> Evidence:
    """The fixed evidence."""
    return read_evidence()
