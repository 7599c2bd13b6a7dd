"""What is said of figures: better or not, which candidate is picked, and the table of a record."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from drift.errors import DriftError
from drift.evaluate import comparison, records, sweep, table
from drift.evaluate.figures import Figure
from verify.api import CheckContext, Measurement, check, mutant

from ..common.refusals import refusal_missed

RECORD: dict[str, Any] = {
    "source": "runs/a", "step": 1200, "weights": "ema", "ema_decay": "0.98", "alpha": 1.5,
    "seeds": [0, 3], "samples": 10_000, "selected_from": 4, "axis": "proxy",
    "axis_because": ["extractor_sha256 is abc", "samples is 10000"], "collapsed": [2, 7],
    "per_class": [{"label": 1, "count": 5}, {"label": 4, "count": 0}, {"label": 6, "count": 0}],
    "notes": ["a note"], "missing": {"kid": "too few"}, "real": {"fid_proxy": 1.25},
    "metrics": {
        "fid_proxy": {"value": 1.83456, "interval": [1.7371, 1.9222], "details": {"bias": 0.0448}},
        "coverage": {"value": 0.5, "interval": [0.4, 0.61234]},
    },
    "against": {"pixels": {"coverage": "better"}},
    "baselines": {"pixels": {"metrics": {"coverage": {"value": 0.25, "interval": [0.2, 0.3]}}}},
}  # fmt: skip
TABLE = """\
eval runs/a, step 1200, ema 0.98, alpha 1.5, seed 0, 3, 10,000 samples, picked from 4 [proxy]
  fid_proxy  1.835     [1.737, 1.922]  bias +0.0448 at this count; real data 1.25
  coverage   0.5       [0.4, 0.6123]
against pixels [proxy]
  coverage   0.25      [0.2, 0.3]            this run is better
  kid        not measured: too few
a note
collapse: class 2, 7
not generated: class 4, 6
axis proxy: samples is 10000"""
BARE = {
    **RECORD, "step": None, "weights": None, "alpha": None, "seeds": [], "samples": 3,
    "selected_from": 1, "axis_because": ["extractor_sha256 is abc"], "collapsed": [],
    "per_class": [], "notes": [], "missing": {}, "metrics": {}, "against": {},
}  # fmt: skip
BARE_TABLE = "eval runs/a, 3 samples [proxy]\naxis proxy: extractor_sha256 is abc"


def _figure(low: float, high: float, better: str = "lower") -> Figure:
    return Figure(
        value=(low + high) / 2, low=low, high=high, interval="i", definition="d", count=10,
        better=better,
    )  # fmt: skip


@check("metrics.verdicts")
def verdicts(ctx: CheckContext) -> Measurement:
    """Two intervals in every position, both ways of being good."""
    cases = {  # ours, theirs, where lower is better
        ((1.0, 2.0), (3.0, 4.0)): "better",
        ((3.0, 4.0), (1.0, 2.0)): "worse",
        ((1.0, 3.0), (2.0, 4.0)): "not separated",
        ((1.0, 2.0), (2.0, 4.0)): "not separated",
        ((2.0, 4.0), (1.0, 2.0)): "not separated",
        ((1.0, 1.0), (3.0, 4.0)): "not separated",
        ((1.0, 2.0), (3.0, 3.0)): "not separated",
    }
    turned = {"better": "worse", "worse": "better", "not separated": "not separated"}
    for (ours, theirs), wanted in cases.items():
        for better, said in (
            ("lower", wanted),
            ("higher", turned[wanted]),
            ("near", "not separated"),
        ):
            found = comparison.verdict(_figure(*ours, better), _figure(*theirs, better))
            if found != said:
                return ctx.decide(False, f"{ours} against {theirs}, {better}: {found}, not {said}")
    mixed = comparison.verdict(_figure(1.0, 2.0), _figure(3.0, 4.0, "higher"))
    return ctx.decide(mixed == "not separated", f"{len(cases)} pairs; of two kinds: {mixed}")


@check("metrics.record_table")
def record_table(ctx: CheckContext) -> Measurement:
    """A record with everything and one with nothing, letter by letter."""
    for record, wanted in ((RECORD, TABLE), (BARE, BARE_TABLE)):
        found = table.lines(record)
        if found != wanted:
            pairs = zip(found.split("\n"), wanted.split("\n"), strict=False)
            first = next(((a, b) for a, b in pairs if a != b), (found[-60:], wanted[-60:]))
            return ctx.decide(False, f"found {first[0]!r}, expected {first[1]!r}")
    return ctx.decide(True, "two tables letter by letter")


def _candidate(step: int, value: float, axis: str = "proxy", **more: Any) -> sweep.Candidate:
    figures = {"fid": _figure(value - 1, value + 1), "size": _figure(0, 1, "near"),
               "coverage": _figure(value - 1, value + 1, "higher")}  # fmt: skip
    known = {"collapsed": (), "notes": (), "facts": SimpleNamespace(axis=axis), **more}
    evaluated: Any = SimpleNamespace(figures=figures, **known)
    return sweep.Candidate(step, 1.0, evaluated)


@check("metrics.picked")
def picked(ctx: CheckContext) -> Measurement:
    """The best that has not collapsed, by either way of being good; rows of all; refusals."""
    some = [_candidate(1, 5.0), _candidate(2, 3.0), _candidate(3, 1.0, collapsed=(4,)),
            _candidate(4, 4.0), _candidate(5, 0.5, notes=("collapse: one point",)),
            _candidate(6, 9.0, notes=("another note",))]  # fmt: skip
    with patch.object(records, "axis_of", lambda facts: (facts.axis, ())):
        found = sweep.pick(some, "fid"), sweep.pick(some, "coverage")
        dead = [_candidate(1, 5.0, collapsed=(1,))]
        try:
            lone = sweep.pick([*dead, some[1]], "fid")
        except IndexError as error:
            return ctx.decide(False, f"one of two has not collapsed: {error}, expected place 1")
        mixed = [_candidate(1, 5.0), _candidate(2, 3.0, "smoke")]
        missed = [
            refusal_missed(DriftError, "collapsed", lambda: sweep.pick(dead, "fid")),
            refusal_missed(DriftError, "--pick", lambda: sweep.pick(some, "size")),
            refusal_missed(DriftError, "coverage", lambda: sweep.pick(some, "kid")),
            refusal_missed(Exception, "smoke", lambda: sweep.pick(mixed, "fid")),
        ]
    rows = sweep.rows(some[1:3], "fid")
    wanted = [{"step": 2, "alpha": 1.0, "metric": "fid", "value": 3.0, "interval": [2.0, 4.0],
               "collapsed": False},
              {"step": 3, "alpha": 1.0, "metric": "fid", "value": 1.0, "interval": [0.0, 2.0],
               "collapsed": True}]  # fmt: skip
    good = (*found, lone) == (1, 5, 1) and rows == wanted and not any(missed)
    told = f"picked {(*found, lone)}, expected (1, 5, 1)"
    return ctx.decide(good, f"{told}; {[one for one in missed if one]} {rows}")


@mutant("metrics.separated_by_values", comparison, "verdict")
def separated_by_values(real: Any, ours: Figure, theirs: Figure) -> str:
    """The lower value is better, whatever the intervals say."""
    return "better" if (ours.value < theirs.value) == (ours.better == "lower") else "worse"


@mutant("metrics.silent_collapse", table, "lines")
def silent_collapse(real: Any, record: Any) -> Any:
    """A table does not say which classes have collapsed."""
    return real({**record, "collapsed": []})


OTHER_VALUES = (
    # Identical samples with a low distance are the best.
    mutant("metrics.collapsed_is_picked", sweep.Candidate, collapsed=False),
)
