"""Two rovers step by step: the first field of the first moment in which they differ."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol

from rover.reference import FIELDS


class Plays(Protocol):
    """What both twins offer."""

    state: Any

    def reset(self) -> None: ...
    def step(self, action: int) -> None: ...
    def fields(self) -> dict[str, int]: ...


@dataclass(frozen=True)
class Mismatch:
    """Where two rovers part.

    moment   0 is the beginning, k is after the k-th action
    episode  counted from 0; step is that of the episode
    """

    moment: int
    episode: int
    step: int
    field: str
    expected: object
    found: object

    @property
    def sentence(self) -> str:
        """Place, found, expected."""
        place = f"episode {self.episode}, step {self.step}, {self.field}"
        return f"{place}: found {self.found}, expected {self.expected}"


def moments(rover: Plays, actions: list[int]) -> Iterator[dict[str, Any]]:
    """The fields at the beginning and after each action; an ended episode is followed by a reset
    whatever the action is. What a rover refuses is its field `refused`."""
    yield rover.fields()
    for action in actions:
        try:
            if rover.state["done"]:
                rover.reset()
            else:
                rover.step(action)
        except ValueError as error:
            yield {**rover.fields(), "refused": str(error)}
            return
        yield rover.fields()


def first_mismatch(reference: Plays, twin: Plays, actions: list[int]) -> Mismatch | None:
    """Field by field, in the order of FIELDS; None where nothing differs."""
    episode = 0
    pairs = zip(moments(reference, actions), moments(twin, actions), strict=False)
    last_done = 0
    count = 0
    for count, (one, other) in enumerate(pairs, 1):
        episode += bool(last_done and one["steps"] == 0)
        last_done = one["done"]
        for name in (*FIELDS, "refused"):
            if one.get(name) != other.get(name):
                return Mismatch(
                    count - 1, episode, one["steps"], name, one.get(name), other.get(name)
                )
    if count != len(actions) + 1:
        return Mismatch(count, episode, 0, "moments", len(actions) + 1, count)
    return None


def bundle(
    reference: Plays, twin: Plays, actions: list[int], found: Mismatch, about: dict[str, Any]
) -> dict[str, bytes]:
    """What a mismatch leaves behind; both rovers are fresh. `replay.py mismatch.json` shows it."""
    shown = found.moment + 1
    files = {
        name: "".join(json.dumps(one) + "\n" for one in islice(moments(rover, actions), shown))
        for name, rover in (("reference.jsonl", reference), ("twin.jsonl", twin))
    }
    said = {
        **about,
        "actions": actions[: found.moment],
        "mismatch": {"moment": found.moment, "episode": found.episode, "step": found.step,
                     "field": found.field, "expected": found.expected, "found": found.found},
        "replay": "python replay.py mismatch.json",
    }  # fmt: skip
    files["mismatch.json"] = json.dumps(said, indent=1) + "\n"
    return {name: text.encode() for name, text in files.items()}
