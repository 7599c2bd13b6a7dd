"""The reference: what the specification says, in the order in which it says it.

A rover drives on a square field of SIDE x SIDE, in whole units. Its heading is one of 64, its spin
is how many headings it turns in a step. It looks for a beacon; craters stop it; fuel runs out.

A step with an action does, in this order:

    1. spin     left and right change it by -1 and +1, held to -4 .. 4; else it goes one towards 0
    2. heading  (heading + spin) mod 64
    3. speed    forward +2, brake -3, else -1; held to 0 .. 12
    4. fuel     less 1, and 1 more for forward; at 0 the speed is 0
    5. gust     where a draw below 16 is 0, the wind moves the rover by a draw below 3, less 1, in x
    6. place    x and y go by speed * cosine // 256, speed * sine // 256 of the heading (table);
                held to the field
    7. crater   within 3 of a crater, in x and in y, the speed is 0 and the damage grows by 1
    8. reward   distance to the beacon before, less the distance now (sum of both differences),
                less 5 for a crater, plus 100 for the beacon
    9. done     beacon reached (distance at most 2), no fuel, or 3 damages
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from rover.pcg32 import Pcg32
from rover.table import COSINE, HEADINGS

SIDE, CRATERS = 200, 5
NOTHING, LEFT, RIGHT, FORWARD, BRAKE = range(5)
ACTIONS = 5
OBSERVED = ("x", "y", "heading", "speed", "fuel", "beacon_dx", "beacon_dy")
METRICS = ("reward", "done", "damage", "steps", "travelled")
HIDDEN = ("spin", "rng_state")
FIELDS = (*OBSERVED, *METRICS, *HIDDEN)


@dataclass
class Rover:
    """One rover; `carry_spin` emulates a known defect of the C twin (see known_divergences.json).

    fuel  at the beginning of an episode
    """

    seed: int
    fuel: int = 120
    carry_spin: bool = False
    state: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.rng = Pcg32(self.seed, 1)
        self.reset()

    def reset(self) -> None:
        """A new episode: beacon, craters, place and heading are drawn, in this order."""
        self.beacon = (self.rng.below(SIDE), self.rng.below(SIDE))
        self.craters = [(self.rng.below(SIDE), self.rng.below(SIDE)) for _ in range(CRATERS)]
        spin = self.state["spin"] if self.carry_spin and self.state else 0
        self.state = {
            "x": self.rng.below(SIDE), "y": self.rng.below(SIDE),
            "heading": self.rng.below(HEADINGS), "speed": 0, "fuel": self.fuel, "spin": spin,
            "reward": 0, "done": 0, "damage": 0, "steps": 0, "travelled": 0,
        }  # fmt: skip
        self._seen()

    def step(self, action: int) -> None:
        """One step; raises ValueError for an action that is none, or after the end."""
        s = self.state
        if action not in range(ACTIONS) or s["done"]:
            raise ValueError(
                f"found action {action}, done {s['done']}; expected 0 .. 4 before the end"
            )
        s["spin"] = self._spin(action)
        s["heading"] = (s["heading"] + s["spin"]) % HEADINGS
        change = {FORWARD: 2, BRAKE: -3}.get(action, -1)
        s["speed"] = min(max(s["speed"] + change, 0), 12)
        s["fuel"] = max(s["fuel"] - (2 if action == FORWARD else 1), 0)
        if s["fuel"] == 0:
            s["speed"] = 0
        gust = self.rng.below(3) - 1 if self.rng.below(16) == 0 else 0
        before, x, y = self._distance(), s["x"], s["y"]
        s["x"] = self._inside(x + gust + s["speed"] * COSINE[s["heading"]] // 256)
        s["y"] = self._inside(y + s["speed"] * COSINE[(s["heading"] + 48) % HEADINGS] // 256)
        s["travelled"] += abs(s["x"] - x) + abs(s["y"] - y)
        crater = any(abs(s["x"] - a) <= 3 and abs(s["y"] - b) <= 3 for a, b in self.craters)
        if crater:
            s["speed"] = 0
            s["damage"] += 1
        reached = self._distance() <= 2
        s["reward"] = before - self._distance() - 5 * crater + 100 * reached
        s["done"] = int(reached or s["fuel"] == 0 or s["damage"] == 3)
        s["steps"] += 1
        self._seen()

    def fields(self) -> dict[str, int]:
        """Observation, reward, metrics and hidden state, in the order of FIELDS."""
        return {name: self.state[name] for name in FIELDS}

    def _spin(self, action: int) -> int:
        spin = self.state["spin"]
        if action in (LEFT, RIGHT):
            return min(max(spin + (1 if action == RIGHT else -1), -4), 4)
        return spin - (spin > 0) + (spin < 0)

    def _distance(self) -> int:
        return abs(self.beacon[0] - self.state["x"]) + abs(self.beacon[1] - self.state["y"])

    def _seen(self) -> None:
        self.state["beacon_dx"] = self.beacon[0] - self.state["x"]
        self.state["beacon_dy"] = self.beacon[1] - self.state["y"]
        self.state["rng_state"] = self.rng.state

    @staticmethod
    def _inside(value: int) -> int:
        return min(max(value, 0), SIDE - 1)


def played(rover: Rover, actions: list[int]) -> Iterator[dict[str, int]]:
    """The fields after each reset and each step; an episode that ends is followed by a reset."""
    yield rover.fields()
    for action in actions:
        if rover.state["done"]:
            rover.reset()
        else:
            rover.step(action)
        yield rover.fields()
