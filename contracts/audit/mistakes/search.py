"""Which known mistakes a stranger's numbers are those of, and what mending each brings back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from verify.api import CheckContext, Measurement, check
from verify.numeric.arrays import Array, as_array, largest, worst_of

from ...common import golden
from ..calls import TEMPERATURES, Domain, OutsideError, answer, inside
from ..outcome import drawn, faint
from .known import LATE, MISTAKES, together, with_mistakes
from .variants import outcome

PAIRS = 600  # of samples in an input that the search looks at; all are held against its result
MOST, WIDTH = 8, 4  # mistakes at once; explanations kept at each size
PATIENCE = 2  # mistakes added without being nearer, after which the search ends
CLOSE = 2e-3  # relative: what float32 leaves of clouds that no floor decides


Outcome = tuple[Array, Array]


def apart(found: Outcome, right: Outcome) -> float:
    """The larger error of loss and gradient, relative to the largest value of each."""
    return worst_of(
        largest(one - other) / max(largest(other), 1e-30)
        for one, other in zip(found, right, strict=True)
    )


@dataclass(frozen=True, eq=False)
class Seen:
    """What the subject gave, and how far off an explanation of it may be."""

    name: str
    given: Mapping[str, Any]
    temperatures: Sequence[float]
    loss: Array
    gradient: Array
    allowed: tuple[float, float]

    @property
    def pairs(self) -> int:
        """Distances between generated samples and targets."""
        counts = [self.given[name].shape[1] for name in ("gen", "neg", "pos") if name in self.given]
        return int(len(self.given["gen"]) * counts[0] * sum(counts))

    @property
    def loose(self) -> tuple[float, float]:
        """What an explanation may leave: float32 of numbers as large as the subject's own."""
        sizes = (largest(self.loss), largest(self.gradient))
        return tuple(max(a, CLOSE * size) for a, size in zip(self.allowed, sizes, strict=True))  # type: ignore[return-value]

    def ratio(self, names: Sequence[str]) -> float:
        """Error of the reference with these mistakes as a share of what it may leave."""
        return self._ratio(names, self.loose)

    def wrong(self) -> float:
        """Error of the subject as a share of what is allowed."""
        return self._ratio((), self.allowed)

    def loss_ratio(self, names: Sequence[str]) -> float:
        """Error of the loss alone as a share of what it may leave."""
        return largest(self.expected(names)[0] - self.loss) / self.loose[0]

    def _ratio(self, names: Sequence[str], allowed: tuple[float, float]) -> float:
        loss, gradient = self.expected(names)
        found = max(
            largest(loss - self.loss) / allowed[0],
            largest(gradient - self.gradient) / allowed[1],
        )
        return found if np.isfinite(found) else 1e12

    def telling(self, names: Sequence[str]) -> tuple[bool, float]:
        """The case of Table 8 first, where it departs; else where most departs and is explained."""
        departs, explained = self.relative(()), self.relative(names) < ENOUGH
        return self.name == SHOWN and departs > ENOUGH, departs * explained

    def expected(self, names: Sequence[str]) -> Outcome:
        """Loss and gradient of the reference with these mistakes."""
        with np.errstate(all="ignore"):
            loss, gradient = outcome(self.given, self.temperatures, with_mistakes(*names))
        return (loss if self.loss.ndim else as_array(loss.sum())), gradient

    def relative(self, names: Sequence[str]) -> float:
        """Relative error of loss and gradient against the reference with these mistakes."""
        return apart((self.loss, self.gradient), self.expected(names))


@check("audit.known_mistakes", needs=("drift_loss_and_gradient",))
@inside
def known_mistakes(ctx: CheckContext) -> Measurement:
    """The subject's numbers are the reference's, and not those of the reference with mistakes."""
    seen = _seen(ctx)
    right = max(one.wrong() for one in seen)
    if right <= 1.0:
        words, told = f"the reference explains all {len(seen)} inputs", {"explained": True}
        return ctx.judge(right, words, unit=UNIT, details=told)
    telling = _telling(seen)
    names, left = _explained(telling)
    if LATE & set(names):
        seen = telling
    if left <= 1.0:
        left = max(one.ratio(names) for one in seen)
    mends = _mends(seen, names)
    if left > 1.0:
        reason = (
            f"no {MOST} known mistakes explain it; the nearest, {'; '.join(names) or 'none'}, "
            f"leave {left:.3g} of what is allowed"
        )
    else:
        reason = (
            f"its numbers are those of the reference with {_counted(names)}. On "
            f"{mends['input']}, mending {len(mends['least'])} brings the outcome back from "
            f"{mends['before']:.3g} to {mends['after']:.2g} relative"
        )
    details = {"mistakes": list(names), "left": left, "mends": mends}
    return ctx.judge(right, reason, unit=UNIT, details=details)


def _counted(names: Sequence[str]) -> str:
    return f"{len(names)} mistake{'s' if len(names) > 1 else ''}: {'; '.join(names)}"


def _telling(seen: Sequence[Seen]) -> list[Seen]:
    """The small recorded inputs and one of each kind of draw: the search is over these."""
    small = [one for one in seen if one.pairs <= PAIRS]
    drawn = [one for one in small if one.name.startswith("draw")]
    kinds = {(one.given["gen"].shape, number >= len(drawn) // 2): one
             for number, one in enumerate(drawn)}  # fmt: skip
    return [one for one in small if one not in drawn] + list(kinds.values())


UNIT = "of the allowed error"


def _seen(ctx: CheckContext) -> list[Seen]:
    found: list[Seen] = []
    outside = "nothing is inside the subject's domain"
    Domain(ctx.subject)
    for name in ctx.params["cases"]:
        case = golden.recorded(ctx, name)
        rule = golden.stage_rule(case)
        allowed = rule("out/loss") * 3, rule("out/grad_gen") * 3
        given, taus = case.group("in"), case.meta["R_list"]
        outside = _add(ctx, found, name, given, taus, allowed) or outside
    for number, given in enumerate([*drawn(ctx), *drawn(ctx, widths=True), *faint(ctx)]):
        outside = _add(ctx, found, f"draw {number}", given, TEMPERATURES, None) or outside
    if not found:
        raise OutsideError(outside)
    return found


def _add(
    ctx: CheckContext,
    found: list[Seen],
    name: str,
    given: Mapping[str, Any],
    temperatures: Sequence[float],
    allowed: tuple[float, float] | None,
) -> str:
    try:
        loss, gradient = answer(ctx.subject, given, temperatures)
    except OutsideError as error:
        return str(error)
    allowed = allowed or (CLOSE * max(largest(loss), 1e-3), CLOSE * max(largest(gradient), 1e-9))
    found.append(Seen(name, given, temperatures, loss, gradient, allowed))
    return ""


def _explained(seen: Sequence[Seen]) -> tuple[tuple[str, ...], float]:
    """The smallest set of mistakes found that gives the subject's numbers, and what it leaves."""

    def score(names: tuple[str, ...]) -> tuple[float, float]:
        ratios = [one.ratio(names) for one in seen]
        return sum(np.log(max(ratio, 1.0)) for ratio in ratios), max(ratios)

    kept: list[tuple[tuple[float, float], tuple[str, ...]]] = [(score(()), ())]
    best, stale = kept[0], 0
    for _ in range(MOST):
        if best[0][1] <= 1.0 or stale == PATIENCE:
            break
        tried = {one for _, names in kept for one in _one_more(seen, names)}
        kept = sorted((score(names), names) for names in tried)[:WIDTH]
        stale = 0 if kept[0][0] < best[0] else stale + 1
        best = min(best, kept[0], key=lambda one: one[0])
    return best[1], best[0][1]


def _one_more(seen: Sequence[Seen], names: tuple[str, ...]) -> list[tuple[str, ...]]:
    """These mistakes with each other one; those of the gradient alone where the loss is right."""
    late = LATE if all(one.loss_ratio(names) <= 1.0 for one in seen) else frozenset()
    return [
        tuple(sorted((*names, name)))
        for name in MISTAKES
        if name not in names and (name in late or name not in LATE) and together((*names, name))
    ]


def _mends(seen: Sequence[Seen], names: tuple[str, ...]) -> dict[str, Any]:
    """What each mend leaves on one input, and the fewest that bring the outcome back.

    `after` is what the mistakes leave unexplained of the subject's numbers: what it would be off by
    with those mended.
    """
    one = max(seen, key=lambda one: one.telling(names))
    with np.errstate(all="ignore"):
        right = one.expected(())
        left = {
            mended: apart(one.expected([name for name in names if name not in mended]), right)
            for size in range(1, len(names) + 1)
            for mended in combinations(names, size)
        }
    enough = [mended for mended, error in left.items() if error <= ENOUGH] or [tuple(names)]
    least = min(enough, key=len)
    rest = [name for name in names if name not in least]
    return {
        "input": one.name,
        "before": one.relative(()),
        "after": one.relative(names),
        "with_this_one_mended": {name: left[(name,)] for name in names},
        "least": list(least),
        "without_effect_here": rest,
    }


SHOWN = "drift_cfg_table8"  # the ratio of Table 8 with guidance weights, where it departs
ENOUGH = 1e-4  # relative: the outcome is back
