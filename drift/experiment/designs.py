"""The arms of a design, and the contrasts between them that it asks about.

A contrast is a weight for each arm: of one seed the weighted sum of their figures, over the seeds a
paired difference. Positive weights belong to the arms that the experiment hopes are better.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from drift.config import Template
from drift.errors import DriftError
from drift.experiment.cycle import (
    Alphas,
    Continued,
    Design,
    Encoders,
    LastSteps,
    Level,
    Pair,
    Settings,
    TwoByTwo,
)


@dataclass(frozen=True)
class Arm:
    """One way to be measured: settings, and which checkpoint at which guidance.

    continued  (step, restored or not, rate) of a run that is gone on with; None: an ordinary run
    neutral    judged with an encoder of its own
    """

    name: str
    settings: Settings = ()
    step: int | None = None
    alpha: float | None = None
    continued: tuple[int, bool, float] | None = None
    neutral: bool = False


@dataclass(frozen=True)
class Planned:
    """All arms by name, and the contrasts by name, the one that the payoff is about first."""

    arms: tuple[Arm, ...]
    contrasts: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


def planned(design: Design, template: Template) -> Planned:
    """Arms and contrasts of a design; raises DriftError for one that the template cannot have."""
    if isinstance(design, Pair):
        return _pair(design.base, design.change, neutral=False)
    if isinstance(design, Encoders):
        _require_of_encoder(design)
        return _pair(design.base, design.change, neutral=True)
    if isinstance(design, TwoByTwo):
        return _two_by_two(design)
    if isinstance(design, Continued):
        return _continued(design, template)
    if isinstance(design, LastSteps):
        return _last_steps(design, template)
    return _alphas(design)


def _pair(base: Level, change: Level, *, neutral: bool) -> Planned:
    arms = tuple(Arm(one.name, one.settings, neutral=neutral) for one in (base, change))
    _require_two(base.name, change.name, differ=base.settings != change.settings)
    return Planned(arms, {f"{change.name} - {base.name}": {change.name: 1.0, base.name: -1.0}})


def _two_by_two(design: TwoByTwo) -> Planned:
    for base, change in (design.first, design.second):
        _require_two(base.name, change.name, differ=base.settings != change.settings)
    arms = {
        (i, j): Arm(f"{a.name}+{b.name}", (*a.settings, *b.settings))
        for i, a in enumerate(design.first)
        for j, b in enumerate(design.second)
    }
    names = (design.first[1].name, design.second[1].name)
    return Planned(
        tuple(arms.values()), _effects({at: arm.name for at, arm in arms.items()}, names)
    )


def _effects(
    arms: Mapping[tuple[int, int], str], changes: tuple[str, str]
) -> dict[str, dict[str, float]]:
    """Both main effects, and half the difference of the first between the levels of the second."""
    signs = {at: (2.0 * at[0] - 1.0, 2.0 * at[1] - 1.0) for at in arms}
    first, second = changes
    return {
        first: {name: signs[at][0] / 2 for at, name in arms.items()},
        second: {name: signs[at][1] / 2 for at, name in arms.items()},
        f"{first} x {second}": {name: signs[at][0] * signs[at][1] / 2 for at, name in arms.items()},
    }


def _continued(design: Continued, template: Template) -> Planned:
    _require_step(design.at, template, below=True)
    rates = [f"rate-{rate:g}" for rate in design.rates]
    _require_two(rates[0], rates[1], differ=True)
    arms = {
        (i, j): Arm(
            f"{'reset' if i else 'restored'}+{rates[j]}",
            continued=(design.at, not i, design.rates[j]),
        )
        for i in (0, 1)
        for j in (0, 1)
    }
    names = {at: arm.name for at, arm in arms.items()}
    return Planned(tuple(arms.values()), _effects(names, ("reset", rates[1])))


def _last_steps(design: LastSteps, template: Template) -> Planned:
    for step in design.steps:
        _require_step(step, template, below=False)
    arms = tuple(Arm(f"step-{step}", step=step) for step in sorted(set(design.steps)))
    return Planned(arms, _against(arms, arms[-1].name))


def _alphas(design: Alphas) -> Planned:
    arms = tuple(Arm(f"alpha-{alpha:g}", alpha=alpha) for alpha in dict.fromkeys(design.alphas))
    return Planned(arms, _against(arms, arms[0].name))


def _against(arms: tuple[Arm, ...], base: str) -> dict[str, dict[str, float]]:
    return {f"{arm.name} - {base}": {arm.name: 1.0, base: -1.0} for arm in arms if arm.name != base}


def _require_two(base: str, change: str, *, differ: bool) -> None:
    if base == change or not differ:
        raise DriftError(
            "design", found=f"{base} and {change}, which are the same", expected="two levels"
        )


def _require_step(step: int, template: Template, *, below: bool) -> None:
    total = template.optimizer.training_steps
    if step > total - below:
        raise DriftError(
            "design", found=f"step {step} of {total}",
            expected="a step before the last" if below else "a step of the run",
        )  # fmt: skip


def _require_of_encoder(design: Encoders) -> None:
    """Two encoders differ in encoder settings and in nothing else."""
    other = [
        one
        for one in (*design.base.settings, *design.change.settings)
        if not one.startswith("encoder.")
    ]
    if other:
        raise DriftError("design", found=other[0], expected="settings of the encoder alone")
