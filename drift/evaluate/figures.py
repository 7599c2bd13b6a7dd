"""A number and what it needs to be read: interval, definition, count."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One measured value.

    low, high   confidence interval at 95 %; `interval` says how it was made
    definition  which of several definitions was computed
    count       samples it was computed from
    better      "lower" or "higher": which way is good; "near" a target otherwise
    details     further numbers, among them the known bias at this count
    resampled   values of the resamples whose spread is the interval; kept with the components
    """

    value: float
    low: float
    high: float
    interval: str
    definition: str
    count: int
    better: str
    details: Mapping[str, Any] = field(default_factory=dict)
    resampled: tuple[float, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON; raises ValueError for a value that is not finite."""
        if not all(math.isfinite(x) for x in (self.value, self.low, self.high)):
            raise ValueError(f"a figure has to be finite, found {self}")
        return {
            "value": float(self.value),
            "interval": [float(self.low), float(self.high)],
            "interval_method": self.interval,
            "definition": self.definition,
            "count": int(self.count),
            "better": self.better,
            **({"details": dict(self.details)} if self.details else {}),
        }

    def shown(self) -> str:
        """`0.953 [0.941, 0.966]`."""
        return f"{self.value:.4g} [{self.low:.4g}, {self.high:.4g}]"
