"""The fixed evidence, and labelled sentences as the files they would stand in."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from verify.outcome import Axis, Outcome
from verify.prose.evidence import (
    Evidence,
    KnownAuthority,
    KnownClaim,
    KnownClause,
    KnownFact,
    numbers,
)
from verify.prose.judge import Finding, Ruling, judge_sentence
from verify.prose.reading import parse
from verify.prose.support import Bench
from verify.scope import Scope

HERE = Path(__file__).parent
NOT_A_CLAIM = "not-a-claim"


def read_evidence(path: Path = HERE / "evidence.yaml") -> Evidence:
    """The evidence that the labels refer to."""
    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    return Evidence(
        bundle="20260101T000000Z-0123456789",
        subject=data["subject"],
        columns=tuple(data["columns"]),
        authorities=tuple(KnownAuthority(id=name, **a) for name, a in data["authorities"].items()),
        facts=tuple(_facts(data["facts"])),
        claims=tuple(_claim(dict(claim)) for claim in data["claims"]),
        clauses=tuple(_clause(dict(clause)) for clause in data["clauses"]),
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
    claim.pop("tier", None)
    claim["scope"] = Scope(claim["scope"])
    claim["axis"] = Axis(claim["axis"]) if "axis" in claim else None
    for name in ("reasons", "clauses", "forbids"):
        claim[name] = tuple(claim.get(name, ()))
    return KnownClaim(**claim)


def _clause(clause: dict[str, Any]) -> KnownClause:
    clause.pop("kind")
    survivors = clause.pop("survivors", ())
    clause["outcome"] = Outcome(clause["outcome"])
    clause["axis"] = Axis(clause["axis"]) if "axis" in clause else None
    clause["authorities"] = tuple(clause.pop("sources"))
    return KnownClause(sound=clause["outcome"] is Outcome.PASS and not survivors, **clause)


@dataclass(frozen=True)
class Labelled:
    """A labelled sentence and the file it stands in."""

    id: str
    label: str
    text: str
    format: str
    context: dict[str, Any]

    @property
    def held_out(self) -> bool:
        """Whether it belongs to the half that nothing was tuned on."""
        return int(hashlib.sha256(self.id.encode()).hexdigest()[0], 16) >= 8

    @property
    def file(self) -> str:
        """Name of the file, whose suffix says how it is read."""
        return f"{self.id}.{self.format}"

    def source(self) -> str:
        """The sentence with its context, as it would stand in a file."""
        if self.context.get("raw"):
            return self.text
        if self.format == "tex":
            return self._latex()
        return self._markdown()

    def _latex(self) -> str:
        context = self.context
        if "column" in context:
            row = f"{context['row']} & {self.text} \\\\"
            head = f"model & {context['column']} \\\\ \\hline"
            return f"\\begin{{tabular}}{{lc}}\n{head}\n{row}\n\\end{{tabular}}\n"
        return f"{self.text}\n"

    def _markdown(self) -> str:
        context, parts = self.context, []
        if "heading" in context:
            parts.append(f"## {context['heading']}")
        if "lead" in context:
            parts.append(context["lead"])
        if "column" in context:
            beside = [context["beside"]] if "beside" in context else []
            head = ["", context["column"], *(["state"] * len(beside))]
            rows = [head, ["---"] * len(head), [context["row"], self.text, *beside]]
            parts.append("\n".join(f"| {' | '.join(row)} |" for row in rows))
        elif "fence" in context:
            language = context["fence"] if isinstance(context["fence"], str) else ""
            parts.append(f"```{language}\n{self.text}\n```")
        else:
            parts.append(f"- {self.text}" if context.get("list") else self.text)
        return "\n\n".join(parts) + "\n"


def read_labelled() -> list[Labelled]:
    """All labelled sentences."""
    data = yaml.safe_load((HERE / "labelled.yaml").read_text(encoding="utf-8"))
    return [
        Labelled(item["id"], item["label"], item["text"], item.get("format", "md"),
                 item.get("context", {}))
        for item in data["items"]
    ]  # fmt: skip


def findings(source: str, file: str, bench: Bench) -> list[Finding]:
    """Every finding in a text."""
    read = parse(source, file).sentences
    return [found for s in read if (found := judge_sentence(s, bench)) is not None]


def ruled(item: Labelled, bench: Bench) -> str:
    """The worst ruling in a labelled sentence's file, as a label."""
    order = list(Ruling)
    found = [finding.ruling for finding in findings(item.source(), item.file, bench)]
    return max(found, key=order.index).replace(" ", "-") if found else NOT_A_CLAIM


@pytest.fixture(scope="session")
def bench() -> Bench:
    """The fixed evidence, prepared."""
    return Bench.of(read_evidence())
