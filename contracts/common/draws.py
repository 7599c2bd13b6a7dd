"""Random inputs of the field and of the loss, small enough to print and to replay."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from verify.numeric.arrays import Array
from verify.numeric.clouds import points

__all__ = ["FieldDraw", "LossDraw", "field_draws", "loss_draws"]


@dataclass(frozen=True)
class FieldDraw:
    """Normal clouds around random centres; spread is their standard deviation."""

    seed: int
    n: int
    p: int
    m: int
    d: int
    spread: float
    tau: float
    normalize: str

    def generator(self) -> np.random.Generator:
        """The same one at every call."""
        return np.random.default_rng(self.seed)

    def clouds(self) -> tuple[Array, Array, Array]:
        """x [n, d], y_pos [p, d], y_neg [m, d]."""
        rng = self.generator()
        sizes = (self.n, self.p, self.m)
        x, pos, neg = (points(rng, (k, self.d), scale=self.spread) for k in sizes)
        return x, pos, neg

    @property
    def temperature(self) -> float:
        """tau in units of the spread, times the spread."""
        return self.tau * self.spread


@dataclass(frozen=True)
class LossDraw:
    """Normal clouds for the loss: b groups of g generated, p positive and n other samples."""

    seed: int
    b: int
    g: int
    p: int
    n: int
    s: int
    spread: float
    offset: float

    def clouds(self) -> dict[str, Array]:
        """gen, pos, neg, the clouds at different places, groups of different width."""
        rng = np.random.default_rng(self.seed)
        width = self.spread * np.exp(rng.uniform(-0.7, 0.7, size=(self.b, 1, 1)))
        centre = self.spread * self.offset * rng.normal(size=(self.b, 1, self.s))
        sizes = {"gen": self.g, "pos": self.p, "neg": self.n}
        return {
            name: centre + points(rng, (self.b, k, self.s), scale=width)
            for name, k in sizes.items()
        }

    def weights(self) -> dict[str, Array]:
        """Weights of all three clouds, those of neg with zeros and large ones among them."""
        rng = np.random.default_rng(self.seed + 1)
        neg = rng.choice([0.0, 0.3, 1.0, 12.0], size=(self.b, self.n))
        return {
            "weight_gen": rng.uniform(0.5, 2.0, size=(self.b, self.g)),
            "weight_pos": rng.uniform(0.5, 2.0, size=(self.b, self.p)),
            "weight_neg": neg,
        }


def field_draws(
    normalizations: tuple[str, ...] = ("xy", "y", "none"), *, least_samples: int = 1
) -> Any:
    """Strategy of FieldDraw."""
    from hypothesis import strategies as st

    return st.builds(
        FieldDraw,
        seed=st.integers(0, 2**32 - 1),
        n=st.integers(least_samples, 7),
        p=st.integers(1, 7),
        m=st.integers(1, 7),
        d=st.integers(1, 5),
        spread=st.sampled_from([0.01, 1.0, 100.0]),
        tau=st.sampled_from([0.2, 0.5, 2.0]),
        normalize=st.sampled_from(normalizations),
    )


def loss_draws(
    *,
    least_groups: int = 1,
    least_samples: int = 1,
    least_negatives: int = 0,
    spreads: tuple[float, ...] = (0.1, 1.0, 100.0),
    well_conditioned: bool = False,
) -> Any:
    """Strategy of LossDraw; well conditioned for float32: no tiny clouds, no offset."""
    from hypothesis import strategies as st

    least = 4 if well_conditioned else 1
    return st.builds(
        LossDraw,
        seed=st.integers(0, 2**32 - 1),
        b=st.integers(least_groups, 3),
        g=st.integers(max(least, least_samples), 6),
        p=st.integers(least, 6),
        n=st.integers(least_negatives, 4),
        s=st.integers(least, 6),
        spread=st.sampled_from(spreads),
        offset=st.sampled_from([0.0] if well_conditioned else [0.0, 3.0]),
    )
