"""A plain model of the queues, and the state machine that holds an implementation against it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import redirect_stdout
from io import StringIO
from typing import Any

import torch
from hypothesis import seed
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from verify.api import CheckContext
from verify.numeric.laws import search_settings

LABELS = st.lists(st.integers(0, 2), min_size=0, max_size=14)


def counterexample_to_the_model(ctx: CheckContext, *, steps: int) -> str | None:
    """The broken law and the operations before it, or None after `ctx.examples` sequences."""
    made = {"make_queue": staticmethod(ctx.subject.SampleQueue)}
    machine = seed(ctx.seed)(type("Machine", (QueueMachine,), made))
    limits = search_settings(ctx, stateful_step_count=steps)
    try:
        with redirect_stdout(StringIO()):  # a worker's standard output is not for traces
            run_state_machine_as_test(machine, settings=limits)
    except AssertionError as broken:
        return f"{broken}"
    return None


class QueueMachine(RuleBasedStateMachine):
    """Each class is a list of numbers, oldest first, cut to the capacity from the front."""

    make_queue: Callable[[int, int], Any]

    @initialize(capacity=st.integers(1, 5), classes=st.integers(1, 3))
    def start(self, capacity: int, classes: int) -> None:
        self.capacity, self.classes = capacity, classes
        self.queue = self.make_queue(classes, capacity)
        self.model: list[list[float]] = [[] for _ in range(classes)]
        self.pushed = 0
        self.source = torch.Generator().manual_seed(0)
        self.history = [f"SampleQueue({classes}, {capacity})"]

    @rule(labels=LABELS)
    def push(self, labels: list[int]) -> None:
        labels = [label % self.classes for label in labels]
        numbers = [float(self.pushed + i + 1) for i in range(len(labels))]
        self.pushed += len(labels)
        self.history.append(f"push({labels})")
        self.queue.push(torch.tensor(numbers).reshape(-1, 1), torch.tensor(labels).long())
        for label, number in zip(labels, numbers, strict=True):
            self.model[label] = [*self.model[label], number][-self.capacity :]

    @precondition(lambda self: self.pushed > 0)
    @rule(labels=LABELS.filter(bool), wanted=st.integers(1, 6))
    def draw(self, labels: list[int], wanted: int) -> None:
        labels = [label % self.classes for label in labels]
        self.history.append(f"sample({labels}, {wanted})")
        short = {c: len(self.model[c]) for c in labels if len(self.model[c]) < wanted}
        before = self.source.get_state()
        try:
            drawn = self.queue.sample(torch.tensor(labels), wanted, generator=self.source)
        except LookupError as error:
            self.law(bool(short), f"a draw that can be served was refused: {error}")
            self.law(getattr(error, "held", None) == short, f"held is not {short}: {error}")
            self.law(torch.equal(before, self.source.get_state()), "a refusal consumed randomness")
            return
        self.law(not short, f"a draw was served although classes are short: {short}")
        self.law(tuple(drawn.shape) == (len(labels), wanted, 1), f"shape {tuple(drawn.shape)}")
        for label, row in zip(labels, drawn[..., 0].tolist(), strict=True):
            self.law(set(row) <= set(self.model[label]), f"class {label} gave {row}")
            self.law(len(set(row)) == wanted, f"class {label} repeats a sample: {row}")

    @rule()
    def restore(self) -> None:
        self.history.append("restore")
        state = self.queue.state_dict()
        self.queue = self.make_queue(self.classes, self.capacity)
        self.queue.load_state_dict(state)

    @invariant()
    def counts_and_contents(self) -> None:
        if not hasattr(self, "queue"):  # before the first step
            return
        counts = self.queue.state_dict()["count"].tolist()
        self.law(counts == [len(held) for held in self.model], f"counts {counts}")
        for label, held in enumerate(self.model):
            if not held:
                continue
            drawn = self.queue.sample(
                torch.tensor([label]), len(held), generator=torch.Generator().manual_seed(1)
            )
            got = sorted(drawn.flatten().tolist())
            self.law(got == held, f"class {label} holds {got}, the model {held}")

    def law(self, holds: bool, otherwise: str) -> None:
        if not holds:
            raise AssertionError(f"{otherwise}; after {'; '.join(self.history)}")
