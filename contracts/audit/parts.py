"""Guidance, schedule, queue, evaluation: what one function of a subject shows of each."""

from __future__ import annotations

from typing import Any

import numpy as np

from verify.api import CheckContext, Measurement, SubjectError, check
from verify.numeric.arrays import Array, as_array, largest, worst_of

from ..common import golden, oracle
from .calls import Domain, OutsideError, array, call, inside, relative


@check("audit.sample_alpha", needs=("sample_alpha",))
@inside
def sample_alpha(ctx: CheckContext) -> Measurement:
    """Guidance scales are those of the inverse CDF."""
    u = np.linspace(0.0, 1.0, 101, dtype=np.float32)
    worst, said = 0.0, ""
    for power in (1.0, 3.0, 5.0):
        spec = {"power": power, "minimum": 1.0, "maximum": 4.0}
        found = array(call(ctx.subject, "sample_alpha", u=u, **spec), u.shape, "alpha")
        expected = oracle.sample_alpha(u, **spec)
        error = largest(found / expected - 1.0)
        if not error <= worst:
            at = int(np.argmax(np.abs(found - expected)))
            worst = worst_of((error,))
            said = f"power {power:g}, u {u[at]:g}: {found[at]:.6g}, expected {expected[at]:.6g}"
    return ctx.judge(worst, f"the worst: {said or 'none'}", unit="relative")


@check("audit.uncond_weight", needs=("uncond_weight",))
@inside
def uncond_weight(ctx: CheckContext) -> Measurement:
    """w = (alpha - 1)(G - 1) / N."""
    alpha = np.array([1.0, 1.5, 2.5, 4.0], np.float32)
    worst, said = 0.0, ""
    for generated, unconditional in ((64, 16), (2, 1), (8, 32)):
        counts = {"generated": generated, "unconditional": unconditional}
        answered = call(ctx.subject, "uncond_weight", alpha=alpha, **counts)
        found = array(answered, alpha.shape, "the weight")
        expected = oracle.uncond_weight(alpha, **counts)
        error = relative(found, expected)
        if not error <= worst:
            worst = worst_of((error,))
            said = f"{found.tolist()} at {counts}, expected {expected.tolist()}"
    return ctx.judge(worst, f"the worst: {said or 'none'}", unit="relative")


@check("audit.first_rate", needs=("learning_rate",))
@inside
def first_rate(ctx: CheckContext) -> Measurement:
    """The first update, and each of the warm-up, has the rate of the straight line from 1e-6."""
    kind = Domain(ctx.subject).stated.get("schedules", ["const"])[0]
    spec = {"base": 2e-4, "warmup_steps": 10, "total_steps": 100, "kind": kind}
    return _rates(ctx, range(11), spec)


@check("audit.rate_after_warmup", needs=("learning_rate",))
@inside
def rate_after_warmup(ctx: CheckContext) -> Measurement:
    """After the warm-up the rate stays, or follows the cosine that was asked for."""
    kind = ctx.params["kind"]
    if kind not in Domain(ctx.subject).stated.get("schedules", [kind]):
        raise OutsideError(f"the subject says that it has no schedule {kind}")
    spec = {"base": 2e-4, "warmup_steps": 10, "total_steps": 100, "kind": kind}
    return _rates(ctx, (10, 11, 40, 99, 100), spec)


def _rates(ctx: CheckContext, steps: Any, spec: dict[str, Any]) -> Measurement:
    worst, said = 0.0, ""
    for step in steps:
        found = float(array(call(ctx.subject, "learning_rate", step=step, **spec), [], "the rate"))
        expected = oracle.learning_rate(step, **spec)
        error = abs(found - expected) / spec["base"]
        if not said and not error <= (ctx.tolerance or 0.0):
            said = f"the first to be off, update {step}: {found:.6g}, expected {expected:.6g}"
        worst = worst_of((worst, error))
    return ctx.judge(worst, said or "every rate", unit="of the base rate")


@check("audit.queue_resume", needs=("queue_after_resume",))
@inside
def queue_resume(ctx: CheckContext) -> Measurement:
    """After a resume each class holds what it held."""
    classes, capacity, pushed = 100, 128, 130
    labels = np.tile(np.arange(classes), pushed)
    samples = np.random.default_rng(0).normal(size=(len(labels), 1, 2, 2)).astype(np.float32)
    answered = call(
        ctx.subject, "queue_after_resume", samples=samples, labels=labels,
        classes=classes, capacity=capacity,
    )  # fmt: skip
    found = array(answered, [classes], "the counts")
    lost = int(np.sum(capacity - found))
    reason = (
        f"{classes} classes of {capacity} samples hold {found.mean():.3g} on average after a "
        f"resume, the fewest {found.min():.0f}"
    )
    return ctx.judge(float(abs(lost)), reason, unit="samples lost")


@check("audit.queue_push", needs=("queue_after_push",))
@inside
def queue_push(ctx: CheckContext) -> Measurement:
    """What the recorded queues hold after their last batch: a full class drops its oldest."""
    worst, said = 0.0, ""
    for name in ctx.params["cases"]:
        case = golden.recorded(ctx, name)
        adds = [one["key"] for one in case.meta["ops"] if one["op"] == "add"]
        slots, counts = _pair(call(
            ctx.subject, "queue_after_push",
            batches=[np.array(case.arrays[f"{key}/samples"]) for key in adds],
            labels=[case.arrays[f"{key}/labels"].astype(np.int64) for key in adds],
            classes=case.meta["num_classes"], capacity=case.meta["max_size"],
        ), "slots and counts")  # fmt: skip
        recorded = {one: as_array(case.arrays[f"{adds[-1]}/{one}"]) for one in ("bank", "count")}
        found = {"bank": array(slots, recorded["bank"].shape, "the slots"),
                 "count": array(counts, recorded["count"].shape, "the counts")}  # fmt: skip
        wrong = _classes_that_differ(found, recorded)
        said = said or (f"{name}: classes {wrong} hold something else" if wrong else "")
        worst += len(wrong)
    return ctx.judge(worst, said or "every class holds what was recorded", unit="classes")


def _classes_that_differ(found: dict[str, Array], recorded: dict[str, Array]) -> list[int]:
    """Whatever the order of the slots; those never filled are not compared."""

    def held(state: dict[str, Array], label: int) -> list[list[float]]:
        count = max(int(state["count"][label]), 0)
        return sorted(row.flatten().tolist() for row in state["bank"][label, :count])

    return [
        label
        for label in range(len(recorded["count"]))
        if found["count"][label] != recorded["count"][label]
        or held(found, label) != held(recorded, label)
    ]


def _pair(answered: Any, what: str) -> tuple[Any, Any]:
    if isinstance(answered, (list, tuple)) and len(answered) == 2:
        return answered[0], answered[1]
    if np.shape(answered) == (2,):
        return answered[0], answered[1]
    raise SubjectError("nonsense", f"{what}: found a {type(answered).__name__}; expected a pair")


@check("audit.frechet", needs=("frechet_distance",))
@inside
def frechet(ctx: CheckContext) -> Measurement:
    """Three recorded Frechet distances: plain, rank-deficient, identical."""
    case = golden.recorded(ctx, "metrics")
    one, two, poor = (
        [case.arrays[f"fid/{name}{n}"].astype(np.float64) for name in ("mu", "sigma")]
        for n in ("1", "2", "3_rank_deficient")
    )
    worst, said = 0.0, []
    for name, (a, b) in {"fid": (one, two), "fid_rank_deficient": (one, poor),
                         "fid_identical": (one, one)}.items():  # fmt: skip
        answered = call(ctx.subject, "frechet_distance", mean=a[0], covariance=a[1],
                        other_mean=b[0], other_covariance=b[1])  # fmt: skip
        found = float(array(answered, [], "the distance"))
        right = float(case.meta["exact_float64"][name])
        said.append(f"{found:.6g}, recorded {right:.6g}")
        worst = worst_of((worst, abs(found - right) / golden.recorded_tolerance(case, "fid")))
    return ctx.judge(worst, "; ".join(said), unit="of the recorded tolerance")


@check("audit.precision_recall", needs=("precision_recall",))
@inside
def precision_recall(ctx: CheckContext) -> Measurement:
    """The recorded shares of the third neighbour."""
    case = golden.recorded(ctx, "metrics")
    answered = call(ctx.subject, "precision_recall", generated=np.array(case.arrays["pr/fake"]),
                    real=np.array(case.arrays["pr/real"]))  # fmt: skip
    found = [float(array(one, [], "a share")) for one in _pair(answered, "precision and recall")]
    right = [float(case.meta["exact_float64"][name]) for name in ("precision", "recall")]
    worst = max(abs(a - b) for a, b in zip(found, right, strict=True))
    words = (
        f"precision {found[0]:.6g}, recall {found[1]:.6g}; recorded {right[0]:.6g}, {right[1]:.6g}"
    )
    return ctx.judge(worst, words, unit="of the share")
