"""The edges of queues: what they refuse, what an error says, and draws of all or with repeats."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from drift import queue
from verify.api import CheckContext, Measurement, check, mutant

from ..common.refusals import judge_refusals

FALSE_ALARM = 1e-6
NEEDS = ("SampleQueue", "InputError")


def _filled(ctx: CheckContext, held: int = 3, **options: Any) -> Any:
    """Two classes of four slots; class 1 holds `held` samples, class 0 none."""
    bank = ctx.subject.SampleQueue(2, 4, **options)
    bank.push(torch.arange(1.0, held + 1)[:, None], torch.ones(held, dtype=torch.int64))
    return bank


@check("queue.refusals", needs=NEEDS)
def refusals(ctx: CheckContext) -> Measurement:
    """Every argument of every call alone outside of its domain, and the edges of the domain."""
    source = torch.Generator().manual_seed(0)
    ones, zero = torch.tensor([1]), torch.zeros(1, 1, dtype=torch.int64)

    def call(do: str, held: int = 3, **given: Any) -> object:
        bank = _filled(ctx) if held else ctx.subject.SampleQueue(2, 4)
        if do == "make":
            return ctx.subject.SampleQueue(**given)
        return getattr(bank, do)(**given)

    def draw(**changes: Any) -> dict[str, Any]:
        return {"do": "sample", "labels": ones, "n": 2, "generator": source, **changes}

    def take(**changes: Any) -> dict[str, Any]:
        return {"do": "gather", "labels": ones, "indices": zero, **changes}

    def push(samples: Tensor, labels: Any) -> dict[str, Any]:
        return {"do": "push", "samples": samples, "labels": labels}

    taken = {
        "one class of one slot": {"do": "make", "classes": 1, "capacity": 1},
        "a draw of none": draw(n=0),
        "a draw of one": draw(n=1),
        "labels as a list": draw(labels=[1]),
        "labels of bytes": draw(labels=torch.tensor([1], dtype=torch.uint8)),
        "the last slot": take(indices=zero + 3),
        "no labels": push(torch.zeros(0, 1), torch.tensor([])),
        "a push of labels as a list": push(torch.zeros(1, 1), [0]),
        "samples that are numbers": {**push(torch.zeros(2), torch.tensor([0, 1])), "held": 0},
        "a draw of none from a class without samples": draw(n=0, labels=torch.tensor([0])),
    }
    refused = {
        "no class": ("classes", {"do": "make", "classes": 0, "capacity": 1}),
        "no slot": ("capacity", {"do": "make", "classes": 1, "capacity": 0}),
        "a negative draw": ("sample: n", draw(n=-1)),
        "a draw from no generator": ("generator", draw(generator=None)),
        "a fractional label": ("labels", draw(labels=torch.tensor([1.0]))),
        "a label that is true": ("labels", draw(labels=torch.tensor([True]))),
        "a complex label": ("labels", draw(labels=torch.tensor([1j]))),
        "labels of two axes": ("labels", draw(labels=torch.tensor([[1]]))),
        "a label above the last": ("2", draw(labels=torch.tensor([2]))),
        "labels that are all above the last": ("11", draw(labels=torch.arange(2, 12))),
        "a label below the first": ("-1", take(labels=torch.tensor([-1]))),
        "a slot above the last": ("indices", take(indices=torch.tensor([[0, 4]]))),
        "a slot below the first": ("indices", take(indices=torch.tensor([[-1, 0]]))),
        "slots of one axis": ("indices", take(indices=torch.tensor([0]))),
        "slots of another number of labels": ("indices", take(indices=zero.expand(2, 1))),
        "a sample without a label": ("push", push(torch.zeros(2, 1), ones)),
        "a number for samples": ("push", push(torch.tensor(1.0), ones)),
        "samples of another dtype": ("push", push(torch.zeros(1, 1, dtype=torch.float64), ones)),
        "an infinity": ("row 1", push(torch.tensor([[0.0], [torch.inf]]), torch.tensor([0, 1]))),
        "an infinity in a second row's second number": (
            "row 1",
            {**push(torch.tensor([[0.0, 0.0], [0.0, torch.inf]]), torch.tensor([0, 1])), "held": 0},
        ),
    }
    return judge_refusals(ctx, call, taken, refused)


@check("queue.state_refusals", needs=NEEDS)
def state_refusals(ctx: CheckContext) -> Measurement:
    """Every entry of a state alone that fits no queue of this shape, and states that do."""
    good = _filled(ctx).state_dict()
    bank, count, ptr = good["bank"], good["count"], good["ptr"]

    def call(**changes: Any) -> None:
        state = {**good, **changes}
        kept = {name: value for name, value in state.items() if value is not None}
        _filled(ctx, held=4).load_state_dict(kept)

    empty = {"bank": None, "count": count * 0, "ptr": ptr * 0}
    taken = {
        "its own": {},
        "one of no samples": empty,
        "a full ring anywhere": {"count": torch.tensor([0, 4]), "ptr": torch.tensor([0, 2])},
        "a full ring at its start": {"count": torch.tensor([0, 4]), "ptr": torch.tensor([0, 0])},
        "other integers": {"count": count.int()},
    }
    refused = {
        "an unknown entry": ("extra", {"extra": count}),
        "no count": ("count is missing", {"count": None}),
        "no pointer": ("ptr is missing", {"ptr": None}),
        "a count of another length": ("count", {"count": count[:1]}),
        "fractional pointers": ("ptr", {"ptr": ptr.double()}),
        "a negative count": (
            "class 0",
            {"count": torch.tensor([-1, 3]), "ptr": torch.tensor([-1, 3])},
        ),
        "a count above the capacity": ("class 1", {"count": torch.tensor([0, 5])}),
        "a pointer below the ring": (
            "class 1",
            {"count": torch.tensor([0, 4]), "ptr": torch.tensor([0, -1])},
        ),
        "a pointer behind the ring": (
            "class 1",
            {"count": torch.tensor([0, 4]), "ptr": torch.tensor([0, 4])},
        ),
        "a pointer that is not where the ring ends": ("class 1", {"ptr": torch.tensor([0, 2])}),
        "two classes that are wrong, the first of them": ("class 0", {"ptr": torch.tensor([1, 2])}),
        "samples that are not there": ("bank is missing", {"bank": None}),
        "a bank of other slots": ("bank", {"bank": bank[:, :3]}),
        "a bank of other samples": ("bank", {"bank": bank.repeat(1, 1, 2)}),
        "a bank of another dtype": ("bank", {"bank": bank.double()}),
    }
    return judge_refusals(ctx, call, taken, refused)


@check("queue.what_it_says", needs=("SampleQueue",))
def what_it_says(ctx: CheckContext) -> Measurement:
    """The error of a short draw, word by word: classes named and counted, and what mends it."""
    for short in (9, 10, 11, 12, 13):
        bank = ctx.subject.SampleQueue(short + 1, 5)
        bank.push(torch.zeros(5, 1), torch.full((5,), short))
        for asked, mend in ((4, "Push more"), (5, "Push more"), (6, "raise the capacity above 5")):
            said = _said(bank, torch.arange(short + 1), asked)
            named = [f"class {c} holds 0" for c in range(min(short, 10))]
            in_all = short + (asked > 5)  # the one that is full holds too little of 6
            more = f" and {in_all - 10} more classes are short" if in_all > 10 else ""
            counted = said.count("holds"), said.count("more classes")
            if not all(word in said for word in (*named, more, mend)) or (
                counted != (min(in_all, 10), in_all > 10)
            ):
                return ctx.decide(False, f"{short} classes without samples, {asked} asked: {said}")
    return ctx.decide(True, "ten classes are named, the rest is counted")


def _said(bank: Any, labels: Tensor, n: int) -> str:
    try:
        bank.sample(labels, n, generator=torch.Generator())
    except LookupError as error:
        return str(error)
    return "(nothing: samples were drawn)"


@check("queue.before_the_first_push", needs=NEEDS)
def before_the_first_push(ctx: CheckContext) -> Measurement:
    """Nothing was pushed: nothing can be drawn, whatever the queue falls back to."""
    source = torch.Generator().manual_seed(0)
    for strict in (True, False):
        for n in (0, 1, 2):
            bank = ctx.subject.SampleQueue(2, 4, strict=strict)
            try:
                got = bank.sample(torch.tensor([1]), n, generator=source)
            except LookupError as error:
                held = getattr(error, "held", None)
                if held == {1: 0}:
                    continue
                return ctx.decide(False, f"a draw of {n} from class 1 says that {held} are held")
            return ctx.decide(False, f"strict={strict}: a draw of {n} gave {list(got.shape)}")
        try:
            bank.gather(torch.tensor([1]), torch.tensor([[0]]))
        except LookupError:
            continue
        return ctx.decide(False, "a slot was read before there were any")
    return ctx.decide(True, "six draws and two reads are refused")


@check("queue.copies", needs=("SampleQueue",))
def copies(ctx: CheckContext) -> Measurement:
    """What is stored has the samples' dtype, no gradient and no memory of others."""
    bank = ctx.subject.SampleQueue(1, 2)
    given = torch.ones(2, 1, dtype=torch.float64, requires_grad=True)
    bank.push(given, torch.tensor([0, 0]))
    state = bank.state_dict()
    if state["bank"].requires_grad or state["bank"].dtype != given.dtype:
        return ctx.decide(False, f"stored as {state['bank'].dtype}, with the samples' gradient")
    other = ctx.subject.SampleQueue(1, 2)
    other.load_state_dict({**state, "bank": state["bank"].clone().requires_grad_()})
    if other.state_dict()["bank"].requires_grad:
        return ctx.decide(False, "a restored bank carries a gradient")
    third = ctx.subject.SampleQueue(1, 2)
    third.load_state_dict(state)
    for value in state.values():
        value.zero_()
    kept = third.state_dict()
    same = bool((kept["bank"] == 1).all()) and int(kept["count"]) == 2
    if not same:
        return ctx.decide(False, "a restored queue changes with the state it was restored from")
    third.load_state_dict(ctx.subject.SampleQueue(1, 2).state_dict())
    if "bank" in third.state_dict() or int(third.state_dict()["count"]):
        return ctx.decide(False, "the state of an empty queue leaves samples behind")
    return ctx.decide(True, "three states share nothing with what they were made of")


@check("queue.even_draws", needs=("SampleQueue",))
def even_draws(ctx: CheckContext) -> Measurement:
    """Which sample stands at which place, in draws of all and in draws with repeats."""
    from scipy.stats import chi2

    held, draws, worst, where = int(ctx.params["held"]), int(ctx.params["draws"]), 0.0, ""
    critical = float(chi2.isf(FALSE_ALARM / 2, held * (held - 1)))
    for what, n, strict in (("all", held, True), ("with repeats", held + 1, False)):
        bank = ctx.subject.SampleQueue(1, held + 5, strict=strict)
        bank.push(torch.arange(float(held))[:, None], torch.zeros(held, dtype=torch.int64))
        labels = torch.zeros(draws, dtype=torch.int64)
        drawn = bank.sample(labels, n, generator=torch.Generator().manual_seed(ctx.seed))
        place = drawn[..., 0].long()[:, :held] + held * torch.arange(held)
        counts = torch.bincount(place.flatten(), minlength=held * held).double()
        statistic = float(((counts - draws / held) ** 2 / (draws / held)).sum())
        if not statistic / critical <= worst:
            worst, where = statistic / critical, what
    return ctx.judge(worst, f"chi-square is {worst:.2f} of its critical value in draws of {where}")


@mutant("queue.slots_unchecked", queue.SampleQueue, "gather")
def slots_unchecked(real: Any, self: Any, labels: Tensor, indices: Tensor) -> Tensor:
    """Slots are looked up as Python looks up: -1 is the last."""
    bank: Tensor = torch.zeros(1, 1) if self._bank is None else self._bank
    return bank[labels[:, None] % len(bank), indices % bank.shape[1]]


@mutant("queue.keeps_what_it_is_given", queue.SampleQueue, "load_state_dict")
def keeps_what_it_is_given(real: Any, self: Any, state: Any) -> None:
    """A restored queue holds the tensors of the state itself."""
    self._ptr, self._count, self._bank = state["ptr"], state["count"], state.get("bank")


@mutant("queue.draws_in_order", queue, "draw_distinct")
def draws_in_order(real: Any, *given: Any) -> Any:
    """Without repeats, but the older before the newer."""
    return real(*given).sort(dim=1).values


OTHER_VALUES = (
    # A state is taken as it comes.
    mutant("queue.state_unchecked", queue, state_problems=lambda *given: []),
    # The error of a thousand short classes is a thousand clauses long.
    mutant("queue.names_all_classes", queue, NAMED_CLASSES=10**6),
)
