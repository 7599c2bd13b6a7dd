"""What a cycle file says: at most three experiments, each with its design, payoff, cost and stages.

Nothing of a result stands in such a file: what came out is computed from the records of the runs.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from drift.config.reading import parse_yaml
from drift.errors import DriftError

MOST = 3
STAGES = ("smoke", "proxy", "full")
Stage = Literal["smoke", "proxy", "full"]
Text = Annotated[str, Field(min_length=1)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]
Setting = Annotated[str, Field(pattern=r"^[a-z]+\.[a-z0-9_.]+=.+$")]
Settings = tuple[Setting, ...]
Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0)]


class Strict(BaseModel):
    """Strict about types, immutable, without unknown keys, without NaN and infinities."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Level(Strict):
    """One level of a factor: its name and the settings that make it."""

    name: Name
    settings: Settings


class Pair(Strict):
    """Two arms of the same seeds that differ in some settings."""

    kind: Literal["pair"]
    base: Level
    change: Level


class TwoByTwo(Strict):
    """Two factors of two levels each, in all four combinations; the first level is the base."""

    kind: Literal["two-by-two"]
    first: tuple[Level, Level]
    second: tuple[Level, Level]


class Continued(Strict):
    """A run is gone on with from step `at`: its optimiser restored or reset, at two constant rates.

    Reset, a run begins with parameters and averages alone: moments, queues and loader are new.
    """

    kind: Literal["continued"]
    at: Count
    rates: tuple[Positive, Positive]


class LastSteps(Strict):
    """Several checkpoints of one run; each against the last."""

    kind: Literal["last-k"]
    steps: Annotated[tuple[Count, ...], Field(min_length=2)]


class Alphas(Strict):
    """Several guidance scales of one run; each against the first."""

    kind: Literal["alphas"]
    alphas: Annotated[tuple[Annotated[float, Field(ge=1)], ...], Field(min_length=2)]


class Encoders(Strict):
    """Two encoders to train with; both runs are judged with a third one, of the base's settings and
    another seed, since figures of two encoders' features do not compare."""

    kind: Literal["encoders"]
    base: Level
    change: Level


Design = Annotated[
    Pair | TwoByTwo | Continued | LastSteps | Alphas | Encoders, Field(discriminator="kind")
]


class Payoff(Strict):
    """What is hoped for: by how much which figure gets better, and why."""

    metric: Name | Annotated[str, Field(pattern=r"^[a-z_]+$")]
    at_least: Positive
    because: Text


class Cost(Strict):
    """What the full stage is expected to take, in minutes of this machine."""

    minutes: Positive


class Carried(Strict):
    """One stage: settings over those of every arm, and its seeds."""

    settings: Settings
    seeds: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _each_once(self) -> Carried:
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError("a seed stands there twice; each counts once")
        return self


class Experiment(Strict):
    """A question, what it may bring and cost, and how it is asked on three scales."""

    name: Name
    question: Text
    template: Text
    payoff: Payoff
    cost: Cost
    design: Design
    smoke: Carried
    proxy: Carried
    full: Carried

    def stage(self, name: Stage) -> Carried:
        """The stage of this name."""
        found: Carried = getattr(self, name)
        return found


class Cycle(Strict):
    """`drift-cycle/1`: the experiments between two looks at what to do next."""

    schema_: Annotated[Literal["drift-cycle/1"], Field(alias="schema")]
    cycle: Count
    experiments: Annotated[tuple[Experiment, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _few_and_named_once(self) -> Cycle:
        names = [one.name for one in self.experiments]
        if len(names) > MOST:
            raise ValueError(
                f"{len(names)} experiments, at most {MOST} in a cycle: leave {names[MOST]!r} for "
                "the next one"
            )
        if len(set(names)) < len(names):
            raise ValueError("two experiments have one name")
        return self

    def named(self, name: str) -> Experiment:
        """The experiment of this name."""
        return next(one for one in self.experiments if one.name == name)


def read(path: Path) -> Cycle:
    """A cycle from its file; raises DriftError with every problem of it."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DriftError(str(path), found=f"{error}", expected="a cycle file") from error
    try:
        found = Cycle.model_validate_json(json.dumps(parse_yaml(text, str(path))))
    except ValidationError as error:
        raise DriftError(
            str(path), found="; ".join(_said(error)), expected="a cycle as drift-cycle/1 says",
            remedy="docs/reproduce.md has one of every design.",
        ) from None  # fmt: skip
    expected = f"cycle-{found.cycle:03d}.yaml"
    if path.name != expected:
        raise DriftError(str(path), found=path.name, expected=expected, remedy="Rename it.")
    return found


def before(path: Path, cycle: Cycle) -> Path | None:
    """The file of the cycle before; raises DriftError where there is none and should be one."""
    if cycle.cycle == 1:
        return None
    earlier = path.with_name(f"cycle-{cycle.cycle - 1:03d}.yaml")
    if not earlier.is_file():
        raise DriftError(
            str(path), found=f"cycle {cycle.cycle} without {earlier.name}",
            expected="cycles one after the other", remedy="Number it after the last one.",
        )  # fmt: skip
    return earlier


def _said(error: ValidationError) -> Iterable[str]:
    for item in error.errors(include_url=False):
        where = ".".join(str(part) for part in item["loc"])
        yield f"{where}: {item['msg']}" if where else str(item["msg"])
