"""Clouds of points, from the ordinary to the awkward, and a hypothesis strategy of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from verify.numeric.arrays import Array

__all__ = ["KINDS", "Cloud", "clouds", "points"]

KINDS = ("random", "clustered", "coincident", "far")
_CLUSTERS = 3
_TIGHT = 1.0e-3  # width of a cluster, of the distance between two
_FAR = 1.0e4  # distance from the origin, of the width of the cloud


def points(
    rng: np.random.Generator, shape: Sequence[int], *, kind: str = "random", scale: Any = 1.0
) -> Array:
    """Clouds [..., n, d] of the width `scale`, a number or an array that broadcasts to `shape`.

    random      normal around a centre of its own
    clustered   in up to three tight clusters
    coincident  every point there at least twice, where there is more than one
    far         random, ten thousand widths from the origin
    """
    *_, n, d = shape
    spread = rng.normal(size=shape) + 0.5 * rng.normal(size=d)
    if kind == "clustered":
        centres = rng.normal(size=(_CLUSTERS, d))
        spread = centres[rng.integers(_CLUSTERS, size=n)] + _TIGHT * spread
    elif kind == "coincident":
        spread = spread[..., np.arange(n) % max(n // 2, 1), :]
    elif kind == "far":
        spread = spread + _FAR * rng.choice([-1.0, 1.0], size=d)
    elif kind != "random":
        raise ValueError(f"kind: found {kind!r}; expected one of {', '.join(KINDS)}")
    return np.asarray(scale * spread, dtype=np.float64)


@dataclass(frozen=True)
class Cloud:
    """One draw, small enough to print; it says all that `points` needs to make it again."""

    seed: int
    samples: int
    features: int
    kind: str
    scale: float

    def points(self) -> Array:
        """[samples, features], the same at every call."""
        rng = np.random.default_rng(self.seed)
        return points(rng, (self.samples, self.features), kind=self.kind, scale=self.scale)


def clouds(
    *,
    samples: tuple[int, int] = (1, 7),
    features: tuple[int, int] = (1, 5),
    kinds: Sequence[str] = KINDS,
    scales: Sequence[float] = (0.01, 1.0, 100.0),
) -> Any:
    """Strategy of Cloud; `samples` and `features` are the least and the most."""
    from hypothesis import strategies as st

    return st.builds(
        Cloud,
        seed=st.integers(0, 2**32 - 1),
        samples=st.integers(*samples),
        features=st.integers(*features),
        kind=st.sampled_from(kinds),
        scale=st.sampled_from(scales),
    )
