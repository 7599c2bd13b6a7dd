"""Queues: checks against the recording, a plain model, the law of uniform draws, and refusals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from verify.api import CheckContext, Measurement, check

from ..common import golden
from .model import counterexample_to_the_model

FALSE_ALARM = 1e-6  # how often a correct sampler would be called wrong, over all seeds
CASES = ("memory_bank", "memory_bank_uncond")


@check("queue.recorded", needs=("SampleQueue",))
def recorded(ctx: CheckContext) -> Measurement:
    """bank, ptr and count after every recorded push; recorded slots give the recorded samples."""
    compared = 0
    for case in CASES:
        for key, operation, bank, trace in _replayed(ctx, case):
            if operation["op"] == "add":
                state = bank.state_dict()
                names = ("bank", "ptr", "count")
                wrong = [n for n in names if not _same(state.get(n), trace[f"{key}/{n}"])]
            else:
                got = bank.gather(trace[f"{key}/labels"], trace[f"{key}/indices"])
                wrong = [] if _same(got, trace[f"{key}/out"]) else ["out"]
            if wrong:
                return ctx.decide(False, f"{case} {key}: {', '.join(wrong)} differ first here")
            compared += 1
    return ctx.decide(True, f"{compared} recorded operations are equal to the last bit")


@check("queue.reference_fallback", needs=("SampleQueue",))
def reference_fallback(ctx: CheckContext) -> Measurement:
    """Asked for by name, draws follow the recorded rule; not asked for, a short class raises."""
    strict_refusals = rows = 0
    for case in CASES:
        for key, operation, bank, trace in _replayed(ctx, case):
            if operation["op"] == "add":
                continue
            labels, n = trace[f"{key}/labels"], operation["n"]
            drawn = bank.sample(labels, n, generator=_generator(ctx))
            problem = _rule_broken(bank.state_dict(), labels, n, drawn)
            if problem:
                return ctx.decide(False, f"{case} {key}: {problem}")
            rows += len(labels)
            default = ctx.subject.SampleQueue(bank.classes, bank.capacity)
            default.load_state_dict(bank.state_dict())
            if bool((bank.state_dict()["count"][labels.long()] < n).any()):
                strict_refusals += 1
                if _refusal(default, labels, n, _generator(ctx)) is None:
                    return ctx.decide(False, f"{case} {key}: a queue built by default fell back")
    return ctx.decide(
        True,
        f"{rows} rows follow the recorded rule; {strict_refusals} short draws refused by default",
    )


@check("queue.model", needs=("SampleQueue",))
def model(ctx: CheckContext) -> Measurement:
    """A hypothesis state machine against a list per class; see model.py."""
    found = counterexample_to_the_model(ctx, steps=int(ctx.params["steps"]))
    if found is not None:
        return ctx.decide(False, found)
    return ctx.decide(True, f"{ctx.examples} sequences of up to {ctx.params['steps']} operations")


@check("queue.uniform_draws", needs=("SampleQueue",))
def uniform_draws(ctx: CheckContext) -> Measurement:
    """Chi-square of ordered pairs from a partly filled ring, over its critical value."""
    from scipy.stats import chi2

    held, draws = int(ctx.params["held"]), int(ctx.params["draws"])
    bank = ctx.subject.SampleQueue(2, held + 3)
    bank.push(torch.arange(1.0, held + 1.0)[:, None], torch.ones(held, dtype=torch.int64))
    labels = torch.ones(draws, dtype=torch.int64)
    drawn = bank.sample(labels, 2, generator=_generator(ctx))[..., 0].long() - 1
    if bool((drawn < 0).any()):
        return ctx.decide(False, f"{int((drawn < 0).sum())} samples come from slots never filled")
    pairs = torch.bincount(drawn[:, 0] * held + drawn[:, 1], minlength=held * held).double()
    distinct = ~torch.eye(held, dtype=torch.bool).flatten()
    if bool(pairs[~distinct].any()):
        repeats = int(pairs[~distinct].sum())
        return ctx.decide(False, f"{repeats} of {draws} draws of 2 hold the same sample twice")
    cells = held * (held - 1)
    statistic = float(((pairs[distinct] - draws / cells) ** 2 / (draws / cells)).sum())
    critical = float(chi2.isf(FALSE_ALARM, cells - 1))
    return ctx.judge(
        statistic / critical,
        f"chi-square {statistic:.1f} over {cells} ordered pairs, critical value {critical:.1f}",
        details={"pairs": cells, "draws": draws, "seed": ctx.seed},
    )


@check("queue.underflow", needs=("SampleQueue",))
def underflow(ctx: CheckContext) -> Measurement:
    """A short draw raises with the counts of every short class and leaves no trace."""
    bank = ctx.subject.SampleQueue(5, 4)
    bank.push(torch.arange(6.0)[:, None], torch.tensor([0, 0, 0, 2, 2, 4]))
    before, source = bank.state_dict(), _generator(ctx)
    untouched = source.get_state()
    error = _refusal(bank, torch.tensor([4, 0, 1, 2, 4]), 3, source)
    if error is None:
        return ctx.decide(False, "3 samples were drawn from classes that hold 0, 1 and 2")
    said = {name: getattr(error, name, None) for name in ("held", "requested", "capacity")}
    expected = {"held": {1: 0, 2: 2, 4: 1}, "requested": 3, "capacity": 4}
    if said != expected:
        return ctx.decide(False, f"the error says {said}, expected {expected}")
    if not _same_state(before, bank.state_dict()):
        return ctx.decide(False, "the refused draw changed the queue")
    if not torch.equal(source.get_state(), untouched):
        return ctx.decide(False, "the refused draw consumed random numbers")
    return ctx.decide(True, "the error names classes 1, 2 and 4 with their counts; nothing changed")


@check("queue.atomic_push", needs=("SampleQueue",))
def atomic_push(ctx: CheckContext) -> Measurement:
    """A batch with one bad label or one bad sample is refused whole."""
    good = torch.tensor([[1.0], [2.0]])
    batches = {
        "a label above the last class": (good, torch.tensor([0, 3])),
        "a negative label": (good, torch.tensor([0, -1])),
        "fractional labels": (good, torch.tensor([0.0, 1.0])),
        "a label too few": (good, torch.tensor([0])),
        "a NaN": (torch.tensor([[1.0], [float("nan")]]), torch.tensor([0, 1])),
        "another shape": (torch.zeros(2, 2), torch.tensor([0, 1])),
    }
    for name, (samples, labels) in batches.items():
        bank = ctx.subject.SampleQueue(3, 4)
        bank.push(torch.tensor([[7.0]]), torch.tensor([1]))
        before = bank.state_dict()
        try:
            bank.push(samples, labels)
        except (ValueError, TypeError):
            if _same_state(before, bank.state_dict()):
                continue
            return ctx.decide(False, f"a refused batch with {name} changed the queue")
        return ctx.decide(False, f"a batch with {name} was accepted")
    return ctx.decide(True, f"{len(batches)} kinds of bad batch are refused and leave no trace")


@check("queue.resume", needs=("SampleQueue",))
def resume(ctx: CheckContext) -> Measurement:
    """After a round trip through its state a queue draws, drops and counts as the original."""
    source = _generator(ctx)
    for pushed in (0, 3, 7, 40):
        original = ctx.subject.SampleQueue(3, 5)
        restored = ctx.subject.SampleQueue(3, 5)
        labels = torch.randint(0, 3, (pushed,), generator=source)
        original.push(torch.rand(pushed, 2, generator=source), labels)
        restored.load_state_dict(original.state_dict())
        more = torch.rand(7, 2, generator=source), torch.tensor([0, 1, 2, 2, 0, 1, 0])
        drawn = []
        for bank in (original, restored):
            bank.push(*more)
            short = _refusal(bank, torch.tensor([2, 0]), 2, _generator(ctx))
            if short is not None:
                return ctx.decide(False, f"{pushed} samples before the state was taken: {short}")
            drawn.append(bank.sample(torch.tensor([2, 0]), 2, generator=_generator(ctx)))
        if not _same_state(original.state_dict(), restored.state_dict()):
            return ctx.decide(False, f"{pushed} samples: the same push gives another state")
        if not torch.equal(*drawn):
            return ctx.decide(False, f"{pushed} samples: the same seed gives another draw")
    return ctx.decide(True, "four fillings resume exactly: state, drop order and draws")


def _replayed(ctx: CheckContext, case: str) -> Any:
    """(key, operation, queue after it, trace) for each recorded operation, in order."""
    recorded_case = golden.recorded(ctx, case)
    record = recorded_case.meta
    trace = {name: torch.tensor(value) for name, value in recorded_case.arrays.items()}
    bank = ctx.subject.SampleQueue(record["num_classes"], record["max_size"], strict=False)
    for operation in record["ops"]:
        key = operation["key"]
        if operation["op"] == "add":
            bank.push(trace[f"{key}/samples"], trace[f"{key}/labels"])
        yield key, operation, bank, trace


def _rule_broken(state: Mapping[str, Tensor], labels: Tensor, n: int, drawn: Tensor) -> str:
    """What departs from the reference's rule in `drawn` [B, n, ...]; empty if nothing does."""
    for row, label in zip(drawn, labels.tolist(), strict=True):
        count = int(state["count"][label])
        held = {tuple(s.flatten().tolist()) for s in state["bank"][label, :count]}
        got = [tuple(s.flatten().tolist()) for s in row]
        if count == 0 and bool(row.any()):
            return f"class {label} is empty but its row is not zero"
        if count > 0 and not set(got) <= held:
            return f"class {label} gives samples that it does not hold"
        if count >= n and len(set(got)) != n:
            return f"class {label} holds {count} and repeats samples among {n}"
    return ""


def _refusal(bank: Any, labels: Tensor, n: int, source: torch.Generator) -> Exception | None:
    try:
        bank.sample(labels, n, generator=source)
    except LookupError as error:
        return error
    return None


def _generator(ctx: CheckContext) -> torch.Generator:
    return torch.Generator().manual_seed(ctx.seed)


def _same(got: Tensor | None, expected: Tensor) -> bool:
    return (
        got is not None
        and got.shape == expected.shape
        and torch.equal(got.double(), expected.double())
    )


def _same_state(a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> bool:
    return set(a) == set(b) and all(_same(a[name], b[name]) for name in a)
