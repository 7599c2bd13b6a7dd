"""Twenty mistakes in the C twin, each one change of its text."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from verify.api import mutant

# What stands once in rover.c, and what stands there instead.
FAULTS = {
    "division_truncates": ("value >= 0 ? value / 256 : -((255 - value) / 256)", "value / 256"),
    "spin_wraps": (
        "r->spin + (action == RIGHT ? 1 : -1), -4, 4",
        "r->spin + (action == RIGHT ? 1 : -1), -4, 5",
    ),
    "left_is_right": ("action == RIGHT ? 1 : -1", "action == LEFT ? 1 : -1"),
    "spin_stays": ("r->spin += (r->spin < 0) - (r->spin > 0)", "r->spin += 0"),
    "spin_stops_at_once": ("r->spin += (r->spin < 0) - (r->spin > 0)", "r->spin = 0"),
    "heading_before_spin": ("r->spin + HEADINGS) % HEADINGS", "HEADINGS) % HEADINGS"),
    "brake_is_weak": ("action == BRAKE ? -3", "action == BRAKE ? -2"),
    "speed_unbounded": (": -1), 0, 12)", ": -1), 0, 13)"),
    "coasting_is_free": (": action == BRAKE ? -3 : -1)", ": action == BRAKE ? -3 : 0)"),
    "forward_costs_one": ("action == FORWARD ? 2 : 1;", "action == FORWARD ? 1 : 1;"),
    "fuel_below_zero": ("if (r->fuel < 0) r->fuel = 0;", ""),
    "rolls_without_fuel": ("if (r->fuel == 0) r->speed = 0;", ""),
    "gust_before_chance": ("pcg32_below(&r->rng, 16) == 0", "pcg32_below(&r->rng, 16) == 1"),
    "sine_is_negative": ("(r->heading + 48)", "(r->heading + 16)"),
    "field_is_open": (
        "over_256(r->speed * COSINE[r->heading]), 0, SIDE - 1)",
        "over_256(r->speed * COSINE[r->heading]), 0, SIDE)",
    ),
    "travelled_in_x_only": ("llabs(r->x - x) + llabs(r->y - y)", "llabs(r->x - x)"),
    "crater_is_wider": ("llabs(r->x - r->crater_x[i]) <= 3", "llabs(r->x - r->crater_x[i]) <= 9"),
    "damage_counts_craters": ("r->damage += 1;", "r->damage += 2;"),
    "beacon_is_near": ("distance(r) <= 2", "distance(r) <= 4"),
    "reward_of_the_past": ("before - distance(r) - 5", "distance(r) - before - 5"),
}


@mutant("steps.fault")
@contextmanager
def fault(subject: Any, *, name: str) -> Iterator[None]:
    """One of FAULTS in the text of the twin."""
    right, wrong = FAULTS[name]
    if subject.source.count(right) != 1:
        raise ValueError(f"{name}: {right!r} stands {subject.source.count(right)} times, not once")
    with patch.object(subject, "source", subject.source.replace(right, wrong)):
        yield


@mutant("steps.episode_goes_on_turning")
@contextmanager
def episode_goes_on_turning(subject: Any) -> Iterator[None]:
    """The defect of version 1.0: a reset keeps the spin."""
    with patch.object(subject, "defines", ("CARRY_SPIN",)):
        yield


@mutant("steps.step_after_the_end")
@contextmanager
def step_after_the_end(subject: Any) -> Iterator[None]:
    """The twin takes a step after the end of an episode."""
    changed = subject.source.replace(" || r->done) return -2", ") return -2")
    with patch.object(subject, "source", changed):
        yield


@mutant("steps.defect_is_gone")
@contextmanager
def defect_is_gone(subject: Any) -> Iterator[None]:
    """Version 1.0 without the defect that the register lists."""
    with patch.object(subject, "old_twin", subject.twin):
        yield


@mutant("steps.shim_forgets")
@contextmanager
def shim_forgets(subject: Any) -> Iterator[None]:
    """The shim does not emulate the defect."""
    from rover.reference import Rover

    with patch.object(subject, "shimmed", Rover):
        yield
