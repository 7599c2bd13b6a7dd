"""What follows from the results: which stage is next, what is settled, what is left to ask."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drift import atomic
from drift.errors import DriftError
from drift.experiment import cycle, judging, lab
from drift.experiment.cycle import STAGES, Cycle, Experiment, Stage
from drift.experiment.lab import Lab, Outcome

SCHEMA = "drift-queue/1"
FILE = "queue.json"
SETTLED, DROPPED, WIDER = "settled", "dropped", "more seeds"


@dataclass(frozen=True)
class Standing:
    """How far an experiment is: its last stage that is done, what came out, what is next.

    next  a stage; `settled` after the full one; `dropped` where the proxy went the wrong way;
          `more seeds` where the proxy separates nothing: for the next cycle
    """

    experiment: Experiment
    cycle: int
    stage: Stage | None
    outcome: Outcome | None
    next: str

    @property
    def open(self) -> bool:
        """Whether its cycle still has work for it."""
        return self.next in STAGES


def standing(experiment: Experiment, number: int, room: Lab) -> Standing:
    """Computed from the records of its stages."""
    stage: Stage | None = None
    outcome: Outcome | None = None
    for name in STAGES:
        seen = lab.look(experiment, name, room)  # type: ignore[arg-type]
        if seen is None:
            return Standing(experiment, number, stage, outcome, _after(stage, outcome) or name)
        stage, outcome = name, seen  # type: ignore[assignment]
        if stage == "proxy" and seen.main[1].verdict != judging.BETTER:
            break  # a full stage that was carried out all the same would be no answer to this
    return Standing(experiment, number, stage, outcome, _after(stage, outcome) or SETTLED)


def _after(stage: Stage | None, outcome: Outcome | None) -> str | None:
    """What the proxy's outcome closes; None: the next stage is next."""
    if stage != "proxy" or outcome is None:
        return None
    verdict = outcome.main[1].verdict
    if verdict == judging.BETTER:
        return None
    return DROPPED if verdict == judging.WORSE else WIDER


def standings(found: Cycle, room: Lab) -> list[Standing]:
    """Of every experiment of a cycle."""
    return [standing(one, found.cycle, room) for one in found.experiments]


def require_turn(path: Path, found: Cycle, room: Lab) -> None:
    """Raise DriftError where the cycle before has work left: its results come first."""
    earlier = cycle.before(path, found)
    if earlier is None:
        return
    left = [one for one in standings(cycle.read(earlier), room) if one.open]
    if left:
        raise DriftError(
            str(path), found=f"{left[0].experiment.name} of cycle {left[0].cycle} before its end",
            expected=f"its stage {left[0].next} first",
            remedy=f"`drift experiment run {earlier}`",
        )  # fmt: skip


def run(
    path: Path, found: Cycle, room: Lab, say: Callable[[str], None], *, only: str | None = None
) -> list[Standing]:
    """The next stage of each experiment of a cycle, or of one; then the queue is written anew."""
    require_turn(path, found, room)
    for one in standings(found, room):
        if one.open and only in (None, one.experiment.name):
            say(f"{one.experiment.name}: {one.next}")
            lab.carry_out(one.experiment, one.next, room, say)  # type: ignore[arg-type]
    now = standings(found, room)
    atomic.write_text(path.with_name(FILE), json.dumps(queued(now), indent=1) + "\n")
    return now


def queued(now: list[Standing]) -> dict[str, Any]:
    """The queue for the next cycle, and what is closed with the region it was sought in."""
    return {
        "schema": SCHEMA,
        "after_cycle": now[0].cycle,
        "open": [_entry(one) for one in now if one.open or one.next == WIDER],
        "closed": [_entry(one) for one in now if one.next in (SETTLED, DROPPED)],
    }


def _entry(one: Standing) -> dict[str, Any]:
    said: dict[str, Any] = {"experiment": one.experiment.name, "next": one.next}
    if one.outcome is None:
        return said
    name, main = one.outcome.main
    said |= {
        "stage": one.stage, "metric": one.experiment.payoff.metric, "axis": one.outcome.axis,
        "contrast": name, **main.as_dict(), "region": dict(one.outcome.region),
    }  # fmt: skip
    if one.next == WIDER:
        said["seeds_for_the_hoped_gain"] = judging.seeds_for(main, one.experiment.payoff.at_least)
    return said
