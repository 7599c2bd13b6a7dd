"""Two bundles side by side: what was found differently, and what was different about the runs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from verify.problems import IntegrityError
from verify.report.bundle import check
from verify.report.model import ClauseView, Report
from verify.report.words import measured
from verify.scope import ClaimVerdict, Form

ABOUT = ("pack", "subject", "seed", "profile", "selectors", "falsify", "verify", "python")
NOTHING = "-"
MADE, NOT_MADE = "made", "not made"
GROUPS = REGRESSED, MENDED, NEW, GONE, MOVED, CIRCUMSTANCES = (
    "regressed", "mended", "new", "gone", "moved", "changed circumstances"
)  # fmt: skip
_SCOPES = ("denied", "conditional", "allowed")
_TIERS = ("none", "C", "B", "A")


@dataclass(frozen=True)
class Change:
    """One thing that differs; `kind` is clause, mistake, falsifiers, claim, run or environment."""

    kind: str
    name: str
    before: str
    after: str

    @property
    def result(self) -> bool:
        """Whether a finding differs, not only its circumstances."""
        return self.kind in ("clause", "mistake", "falsifiers", "claim")

    @property
    def word(self) -> str:
        """What became of a clause or a known mistake: mended, broken, or nothing to say."""
        if self.kind not in ("clause", "mistake"):
            return ""
        bad = [one.startswith("fail") or one == MADE for one in (self.before, self.after)]
        good = [one.startswith("pass") or one == NOT_MADE for one in (self.before, self.after)]
        if bad[0] and good[1]:
            return "mended"
        return "broken" if good[0] and bad[1] else ""

    @property
    def group(self) -> str:
        """Under which heading of GROUPS a page shows it."""
        if not self.result:
            return CIRCUMSTANCES
        if NOTHING in (self.before, self.after):
            return NEW if self.before == NOTHING else GONE
        ranks = [_rank(self.kind, said) for said in (self.before, self.after)]
        if ranks[0] == ranks[1]:
            return MOVED
        return MENDED if ranks[1] > ranks[0] else REGRESSED


def _rank(kind: str, said: str) -> int:
    """The better the higher, for things that have a better and a worse."""
    if kind == "claim":
        scope, _, tier = said.partition(", tier ")
        return 10 * _SCOPES.index(scope) + _TIERS.index(tier.partition(",")[0])
    if kind == "falsifiers":
        return 0 if "survived" in said else 1
    if kind == "mistake":
        return int(said == NOT_MADE)
    return int(said.startswith("pass"))


def compare(before: Path, after: Path) -> tuple[Change, ...]:
    """All differences between two sealed bundles, each re-verified first."""
    a, b = check(before), check(after)
    return (
        *_clauses(a, b),
        *_mistakes(a, b),
        *_claims(a, b),
        *_mappings("run", _about(a), _about(b)),
        *_mappings("environment", _environment(before), _environment(after)),
    )


def _clauses(a: Report, b: Report) -> Iterator[Change]:
    for name, one, other in _paired({c.id: c for c in a.clauses}, {c.id: c for c in b.clauses}):
        if not (one and other and _same(one, other)):
            yield Change("clause", name, _found(one), _found(other))
        if one and other:
            killed = [_killed(report, name) for report in (a, b)]
            if killed[0] != killed[1]:
                yield Change("falsifiers", name, *killed)


def _same(one: ClauseView, other: ClauseView) -> bool:
    """Whether outcome and measured value agree; numbers on two axes differ whatever they are."""
    if one.outcome is not other.outcome or one.counts_on is not other.counts_on:
        return False
    if one.number is not None and other.number is not None and one.unit == other.unit:
        return one.number == other.number
    return (one.measured, one.unit) == (other.measured, other.unit)


def _mistakes(a: Report, b: Report) -> Iterator[Change]:
    """Known mistakes that an audit named in one and not in the other; none where one was silent."""
    named = [_named(report) for report in (a, b)]
    if named[0] is None or named[1] is None:
        return
    for name in sorted({*named[0], *named[1]}):
        found = [MADE if name in names else NOT_MADE for names in named if names is not None]
        if found[0] != found[1]:
            yield Change("mistake", name, *found)


def _named(report: Report) -> frozenset[str] | None:
    """The mistakes that explain a subject's numbers; None where nothing explains them."""
    for clause in report.clauses:
        if "mistakes" in clause.details and clause.details["left"] <= 1.0:
            return frozenset(clause.details["mistakes"])
        if "mistakes" not in clause.details and clause.details.get("explained"):
            return frozenset()
    return None


def _claims(a: Report, b: Report) -> Iterator[Change]:
    for name, one, other in _paired({c.claim: c for c in a.claims}, {c.claim: c for c in b.claims}):
        if _said(one) != _said(other):
            yield Change("claim", name, _said(one), _said(other))


def _mappings(kind: str, a: Mapping[str, Any], b: Mapping[str, Any]) -> Iterator[Change]:
    for name, one, other in _paired(a, b):
        if one != other:
            yield Change(kind, name, _word(one), _word(other))


def _paired(a: Mapping[str, Any], b: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """Each name of either, in the order of the first and then of the second."""
    for name in {**a, **b}:
        yield name, a.get(name), b.get(name)


def _found(clause: ClauseView | None) -> str:
    if clause is None:
        return NOTHING
    if not isinstance(clause.measured, (int, float)):
        return f"{clause.outcome} {measured(clause)}".removesuffix(f" {NOTHING}")
    axis = f"[{clause.axis_words}]" if clause.measured_axis else ""
    return " ".join(f"{clause.outcome} {clause.measured!r} {clause.unit} {axis}".split())


def _killed(report: Report, clause: str) -> str:
    runs = report.falsifiers_of(clause)
    survivors = [run.label for run in runs if not run.killed]
    survived = f", survived: {', '.join(survivors)}" if survivors else ""
    return f"{len(runs) - len(survivors)}/{len(runs)} killed{survived}"


def _said(claim: ClaimVerdict | None) -> str:
    if claim is None:
        return NOTHING
    form = f", {claim.form} form" if claim.form is not Form.STRICT else ""
    return f"{claim.scope}, tier {claim.tier}{form}"


def _word(value: object) -> str:
    return NOTHING if value is None else value if isinstance(value, str) else json.dumps(value)


def _about(report: Report) -> dict[str, Any]:
    digests = {f"digest {name}": value for name, value in report.about["digests"].items()}
    return {**{name: report.about[name] for name in ABOUT}, **digests, **_audited(report)}


def _audited(report: Report) -> dict[str, Any]:
    """Which code an audit was about: distribution, version, digests, interpreter, frameworks."""
    audit = report.about.get("audit", {})
    told = dict(audit.get("provenance", {}))
    packages = told.pop("packages", {})
    return {
        **{f"audited {name}": value for name, value in told.items()},
        **{f"audited package {name}": version for name, version in packages.items()},
        **({"domain": audit["domain"]} if audit else {}),
    }


def _environment(bundle: Path) -> dict[str, Any]:
    path = bundle / "env.json"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        packages = {f"package {name}": version for name, version in found.pop("packages").items()}
    except (OSError, ValueError, KeyError, AttributeError, RecursionError) as error:
        raise IntegrityError(f"{path}: not the environment of a run ({error})") from None
    return {**found, **packages}
