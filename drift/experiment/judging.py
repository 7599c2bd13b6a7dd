"""Paired intervals: what the seeds of two arms say together, and what they leave open."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

LEVEL = 0.95
BETTER, WORSE, OPEN, UNKNOWN = "better", "worse", "not separated", "unknown"


@dataclass(frozen=True)
class Paired:
    """A contrast over seeds: mean and the 95 % interval of Student's t; positive is more of it.

    verdict  better or worse where the interval leaves zero out; unknown with a single seed. Seeds
             that all differ by the same show no spread to compare with: not separated
    """

    mean: float
    low: float | None
    high: float | None
    seeds: int
    deviation: float | None
    verdict: str

    def as_dict(self) -> dict[str, object]:
        """Plain JSON."""
        interval = None if self.low is None else [self.low, self.high]
        return {
            "mean": self.mean,
            "interval": interval,
            "seeds": self.seeds,
            "verdict": self.verdict,
        }


def paired(
    figures: Mapping[str, Sequence[float]], weights: Mapping[str, float], *, better: str
) -> Paired:
    """A contrast of arms' figures, arm -> one a seed, the seeds in the same order for every arm.

    better  "lower" or "higher": which way is good
    """
    arms = [figures[name] for name in weights]
    differences = [
        sum(weight * value for weight, value in zip(weights.values(), of_seed, strict=True))
        for of_seed in zip(*arms, strict=True)
    ]
    count, mean = len(differences), fmean(differences)
    if count < 2:
        return Paired(mean, None, None, count, None, UNKNOWN)
    deviation = stdev(differences)
    half = quantile(count - 1) * deviation / math.sqrt(count)
    verdict = _verdict(mean - half, mean + half, better)
    return Paired(mean, mean - half, mean + half, count, deviation, verdict)


def quantile(freedom: int) -> float:
    """The two-sided 95 % quantile of Student's t."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, (1 + LEVEL) / 2))


def seeds_for(found: Paired, gain: float) -> int | None:
    """Seeds at which half an interval of the same spread would be `gain`; None without a spread."""
    if not found.deviation:
        return None
    count = 2
    while quantile(count - 1) * found.deviation / math.sqrt(count) > gain and count < 10_000:
        count += 1
    return count


def _verdict(low: float, high: float, better: str) -> str:
    if low <= 0 <= high or low == high or better not in ("lower", "higher"):
        return OPEN
    return BETTER if (high < 0) == (better == "lower") else WORSE
