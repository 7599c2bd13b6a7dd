"""What a proxy says of paper-eval: paired measurements, a fitted line, and how far off it can be.

A manifest (schema verify/calibration/1) records pairs, the fit and its error. The fit is computed
again here and has to be what is recorded. Its error is the largest that the line makes on a pair it
was not fitted to (each pair left out in turn), times a safety factor. A calibration ranks follow-up
work (`verify.figures.triage`); it never turns a proxy into evidence for a claim.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from verify.figures.axes import Measured, PaperEval, Proxy, best_first
from verify.problems import IntegrityError, PackError, Problem
from verify.spec.model import AtLeastOne, Frozen, Sha256, Text
from verify.spec.strict_yaml import Document, read
from verify.spec.validation import validate

SCHEMA = "verify/calibration/1"
MIN_PAIRS = 5  # a line has two parameters: three pairs remain that could contradict it
MIN_SAFETY = 2.0  # two predictions that are off by the maximum each are off by twice it together
AGREES = 1.0e-9  # relative: two orders of the same float64 sums
Finite = Annotated[float, Field(allow_inf_nan=False)]


class _Number(Frozen):
    """A measurement: never a bare scalar."""

    value: Finite
    samples: AtLeastOne
    seeds: Annotated[tuple[int, ...], Field(min_length=1)]
    record: Sha256


class ProxyNumber(_Number):
    """One on the proxy axis."""

    axis: Literal["proxy"]


class PaperNumber(_Number):
    """One on the paper-eval axis."""

    axis: Literal["paper-eval"]


class Pair(Frozen):
    """Both measurements of one checkpoint."""

    checkpoint: Sha256
    proxy: ProxyNumber
    paper_eval: PaperNumber


class Relation(Frozen):
    """The recorded fit: paper-eval = slope * proxy + intercept."""

    kind: Literal["linear"]
    slope: Finite
    intercept: Finite


class ErrorBound(Frozen):
    """The recorded error, in units of the paper-eval metric."""

    maximum: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    safety_factor: Annotated[float, Field(ge=MIN_SAFETY, allow_inf_nan=False)]


class CalibrationFile(Frozen):
    """A calibration manifest.

    where  keys of an evaluation record that have to be equal for it to be of this very proxy
    """

    schema_: Annotated[Literal["verify/calibration/1"], Field(alias="schema")]
    title: Text
    proxy_metric: Text
    metric: Text
    better: Literal["lower", "higher"]
    use: Literal["spend-triage"]
    where: dict[Text, str | int | float | bool | None] = Field(default_factory=dict)
    pairs: Annotated[tuple[Pair, ...], Field(min_length=MIN_PAIRS)]
    relation: Relation
    error: ErrorBound


@dataclass(frozen=True)
class Fit:
    """A line by least squares; `maximum` is its largest error on a pair it did not see."""

    slope: float
    intercept: float
    maximum: float


@dataclass(frozen=True)
class Calibration:
    """A manifest whose fit was computed again. `margin` is the maximum error, made safe."""

    file: CalibrationFile
    sha256: str
    fit: Fit

    @property
    def margin(self) -> float:
        """Maximum error times the safety factor, in units of the paper-eval metric."""
        return self.fit.maximum * self.file.error.safety_factor

    @property
    def span(self) -> tuple[float, float]:
        """The proxy values between which the line was fitted."""
        values = [pair.proxy.value for pair in self.file.pairs]
        return min(values), max(values)

    def predict(self, proxy: Measured[Proxy]) -> float:
        """The line at a proxy value: a guess, which carries no axis and is no measurement."""
        return self.fit.slope * proxy.value + self.fit.intercept

    def flips(self) -> Iterator[tuple[Pair, Pair]]:
        """Pairs of pairs which the proxy ranks one way and paper-eval the other."""
        cheap = [_labelled(pair.proxy, Proxy, self.file.proxy_metric) for pair in self.file.pairs]
        dear = [_labelled(pair.paper_eval, PaperEval, self.file.metric) for pair in self.file.pairs]
        order = best_first(cheap, better="lower")
        for place, one in enumerate(order):
            for other in order[place + 1 :]:
                if cheap[one] < cheap[other] and dear[one] > dear[other]:
                    yield self.file.pairs[one], self.file.pairs[other]


def _labelled(number: _Number, axis: type[Any], metric: str) -> Measured[Any]:
    return Measured(
        number.value, axis, metric, number.record[:12], number.samples, tuple(number.seeds)
    )


def read_calibration(path: Path) -> Calibration:
    """A calibration, its fit computed again.

    Raises PackError for a manifest that is malformed, IntegrityError where the recorded fit or
    error is not what the pairs give.
    """
    document = read(path)
    problems = list(document.problems)
    file = None if problems else validate(document, CalibrationFile, problems)
    if file is not None:
        problems += _problems(file, document)
    if file is None or problems:
        raise PackError(problems)
    fitted = fit([(pair.proxy.value, pair.paper_eval.value) for pair in file.pairs])
    if fitted is None:
        raise PackError([document.problem(
            ("pairs",), "proxy values of which one alone decides the line, or which fall as "
            "paper-eval rises", "a line that rises", "measure more checkpoints",
        )])  # fmt: skip
    _require_recorded(file, fitted, path)
    return Calibration(file, hashlib.sha256(path.read_bytes()).hexdigest(), fitted)


def fit(points: Sequence[tuple[float, float]]) -> Fit | None:
    """The least-squares line through (proxy, paper-eval), None where it does not rise.

    None too where a pair has all the leverage, so that nothing could contradict it.
    """
    try:
        return _fit(points)
    except OverflowError:  # sums beyond float64: no line can be told from them
        return None


def _fit(points: Sequence[tuple[float, float]]) -> Fit | None:
    n = len(points)
    x0, y0 = (math.fsum(column) / n for column in zip(*points, strict=True))
    spread = math.fsum((x - x0) ** 2 for x, _ in points)
    if not spread > 0.0:
        return None
    slope = math.fsum((x - x0) * (y - y0) for x, y in points) / spread
    intercept = y0 - slope * x0
    left_out = []
    for x, y in points:
        leverage = 1.0 / n + (x - x0) ** 2 / spread
        if leverage > 1.0 - 1.0e-9:
            return None
        left_out.append(abs(y - slope * x - intercept) / (1.0 - leverage))
    good = slope > 0.0 and all(map(math.isfinite, (slope, intercept, *left_out)))
    return Fit(slope, intercept, max(left_out)) if good else None


def _problems(file: CalibrationFile, document: Document) -> Iterator[Problem]:
    """Pairs are of different checkpoints and records: a repeated one adds no evidence."""
    seen: Counter[str] = Counter()
    for at, pair in enumerate(file.pairs):
        named: dict[tuple[str, ...], str] = {
            ("checkpoint",): pair.checkpoint,
            ("proxy", "record"): pair.proxy.record,
            ("paper_eval", "record"): pair.paper_eval.record,
        }
        for inner, digest in named.items():
            seen[digest] += 1
            if seen[digest] > 1:
                found, remedy = f"{digest[:12]}... a second time", "measure another checkpoint"
                yield document.problem(("pairs", at, *inner), found, "each once", remedy)
        for side in ("proxy", "paper_eval"):
            seeds = getattr(pair, side).seeds
            if len(set(seeds)) < len(seeds):
                place = ("pairs", at, side, "seeds")
                yield document.problem(place, "a seed twice", "each seed once", "remove one")


def _require_recorded(file: CalibrationFile, fitted: Fit, path: Path) -> None:
    recorded = {
        "relation.slope": (file.relation.slope, fitted.slope),
        "relation.intercept": (file.relation.intercept, fitted.intercept),
        "error.maximum": (file.error.maximum, fitted.maximum),
    }
    scale = max(abs(pair.paper_eval.value) for pair in file.pairs)
    for name, (stated, found) in recorded.items():
        slack = AGREES * (abs(found) + (0.0 if name == "relation.slope" else scale))
        if not abs(stated - found) <= slack:
            raise IntegrityError(
                f"{path}: {name}: found {stated!r}; expected {found!r}, which the pairs give; "
                "remedy: record the fit of these pairs, or the pairs of this fit"
            )
