"""Sequences of actions under which two rovers are held against each other."""

from __future__ import annotations

from rover.pcg32 import Pcg32
from rover.reference import ACTIONS, BRAKE, FORWARD, LEFT, NOTHING, RIGHT, SIDE, Rover

STEPS = 240
FUELS = {"random": 120, "adversarial": 161, "scripted": 500}
SUITES = tuple(FUELS)


def actions(suite: str, seed: int) -> list[int]:
    """STEPS actions. random: uniform. adversarial: what drives the reference into limits - full
    spin both ways, full speed at a wall or a crater, fuel to the last drop. scripted: towards the
    beacon, as a driver would."""
    if suite == "random":
        rng = Pcg32(seed, 7)
        return [rng.below(ACTIONS) for _ in range(STEPS)]
    rover = Rover(seed, FUELS[suite])
    choose = _towards if suite == "scripted" else _against
    chosen = []
    for number in range(STEPS):
        action = choose(rover, number)
        chosen.append(action)
        if rover.state["done"]:
            rover.reset()
        else:
            rover.step(action)
    return chosen


def _against(rover: Rover, number: int) -> int:
    """Blocks of ten: spin up, spin the other way, drive at the nearest crater, then at a wall."""
    if rover.state["fuel"] <= 3:  # to one drop, and then a step that costs two
        return NOTHING if rover.state["fuel"] == 2 else FORWARD
    block = number // 10 % 5
    if block < 2:
        return (RIGHT, LEFT)[block]
    if block == 4:
        east = rover.state["x"] * 2 >= SIDE
        return _steered(rover, SIDE if east else -SIDE, 0)
    x, y = min(
        rover.craters,
        key=lambda at: abs(at[0] - rover.state["x"]) + abs(at[1] - rover.state["y"]),
    )
    return _steered(rover, x - rover.state["x"], y - rover.state["y"])


def _towards(rover: Rover, number: int) -> int:
    return _steered(rover, rover.state["beacon_dx"], rover.state["beacon_dy"])


def _steered(rover: Rover, dx: int, dy: int) -> int:
    """Turn until the goal lies ahead, slowly where it is near; then go."""
    from rover.table import COSINE, HEADINGS

    heading = rover.state["heading"]
    cosine, sine = COSINE[heading], COSINE[(heading + 48) % HEADINGS]
    ahead, aside = dx * cosine + dy * sine, dy * cosine - dx * sine
    if rover.state["spin"]:
        return BRAKE if rover.state["speed"] > 4 else NOTHING
    if abs(aside) * 4 > max(ahead, 0):
        return RIGHT if aside > 0 else LEFT
    near = ahead < 256 * (rover.state["speed"] * 3)
    return BRAKE if near and rover.state["speed"] > 2 else FORWARD
