"""Recorded cases by their outcome: loss and gradient, and nothing of how they came about."""

from __future__ import annotations

from typing import Any

import numpy as np

from verify.api import CheckContext, Measurement, check
from verify.numeric.arrays import Array, as_array, largest, worst_of

from ..common import golden, oracle
from ..common.draws import LossDraw
from .calls import TEMPERATURES, OutsideError, answer, array, call, inside, reduced, relative

# B, G, P, N, S: few, so that a compiled subject compiles few times. What was measured of a release
# (`MEASURED` of the subject community) is of these draws, in this order.
SHAPES = ((1, 4, 5, 0, 6), (2, 6, 4, 3, 4), (3, 5, 6, 2, 8))
# Then one with as many samples as any column asks for, and one with features as wide as maps are:
# what stops short of either, or goes another way there, agrees on all that is smaller.
COLUMNS = ((1, 64, 128, 32, 8), (1, 5, 6, 2, 640))

FAINT = 1e-4  # of clouds whose distances are about 4: the scale is then about 4e-4


@check("audit.outcome", needs=("drift_loss_and_gradient",))
@inside
def outcome(ctx: CheckContext) -> Measurement:
    """Loss and gradient of one recorded case."""
    case = golden.recorded(ctx, ctx.params["case"])
    loss, gradient = answer(ctx.subject, case.group("in"), case.meta["R_list"])
    rule = golden.stage_rule(case)
    found = {"loss": loss, "gradient": gradient}
    expected = {
        "loss": reduced(ctx.subject, as_array(case.arrays["out/loss"])),
        "gradient": as_array(case.arrays["out/grad_gen"]),
    }
    allowed = {
        "loss": rule("out/loss") * (1 if loss.ndim else len(case.arrays["out/loss"])),
        "gradient": rule("out/grad_gen"),
    }
    ratios = {name: largest(found[name] - expected[name]) / allowed[name] for name in found}
    worst = max(ratios, key=lambda name: ratios[name])
    off = relative(found[worst], expected[worst])
    place = np.unravel_index(np.argmax(np.abs(found[worst] - expected[worst])), found[worst].shape)
    at = f"[{', '.join(map(str, place))}]" if place else ""
    reason = (
        f"{case.name}: the {worst} is off by {off:.3g} of its largest value; {worst}{at} is "
        f"{found[worst][place]:.6g}, recorded {expected[worst][place]:.6g}"
    )
    relatives = {name: relative(found[name], expected[name]) for name in found}
    return ctx.judge(
        ratios[worst], reason, unit="of the recorded tolerance", details={"relative": relatives}
    )


def drawn(ctx: CheckContext, *, widths: bool = False) -> list[dict[str, Array]]:
    """Well-conditioned clouds of the few shapes; `widths`: groups of very different spread."""
    clouds = []
    small = max(len(SHAPES), ctx.examples // 8)
    shapes = [*(SHAPES[number % len(SHAPES)] for number in range(small)), *COLUMNS]
    for number, (b, g, p, n, s) in enumerate(shapes):
        draw = LossDraw(1000 * ctx.seed + number, b, g, p, n, s, 1.0, 0.0)
        given = draw.clouds()
        if n:
            rng = np.random.default_rng(number)
            given["weight_neg"] = np.repeat(rng.uniform(0.3, 9.0, size=(b, 1)), n, axis=1)
        else:
            del given["neg"]
        if widths:
            factor = np.array([1.0, 8.0, 0.2])[:b, None, None]
            given |= {name: given[name] * factor for name in ("gen", "pos", "neg") if name in given}
        clouds.append({name: single(value) for name, value in given.items()})
    return clouds


def faint(ctx: CheckContext) -> list[dict[str, Array]]:
    """Clouds whose mean distance is below the floor of the scale and above that of distances."""
    names = ("gen", "pos", "neg")
    return [
        {name: value * np.float32(FAINT) if name in names else value for name, value in one.items()}
        for one in drawn(ctx)[: len(SHAPES)]
    ]


def single(value: Array) -> Any:
    """In float32, as a subject is given it."""
    return value.astype(np.float32)


def force_error(given: dict[str, Array], loss: Array, gradient: Array) -> tuple[float, float, str]:
    """(largest error of loss and of the force that the gradient stands for, relative, words)."""
    weights = {name: given.get(f"weight_{name}") for name in ("gen", "pos", "neg")}
    right = oracle.trace_loss(
        given["gen"], given["pos"], given.get("neg"), weights, temperatures=TEMPERATURES
    )
    expected = right.loss if loss.ndim else as_array(right.loss.sum())
    _, samples, features = gradient.shape
    c = float(right.stages["scale_inputs"])
    force = largest(gradient - right.gradient) * samples * features * c / 2
    off = largest(loss - expected)
    words = f"loss {np.ravel(loss)[0]:.6g}, expected {np.ravel(expected)[0]:.6g}"
    return worst_of((off, force)), off / largest(expected), words


def _worst(ctx: CheckContext, clouds: list[dict[str, Array]], law: str) -> Measurement:
    worst, said, judged, outside = 0.0, "", 0, ""
    for given in clouds:
        try:
            loss, gradient = answer(ctx.subject, given, TEMPERATURES)
        except OutsideError as error:
            outside = str(error)
            continue
        judged += 1
        found, off, words = force_error(given, loss, gradient)
        if not found <= worst:
            shape = [*given["gen"].shape[:2], given["pos"].shape[1], given["gen"].shape[2]]
            worst, said = found, f"[B, G, P, S] = {shape}: {words}, off by {off:.3g}"
    if not judged:
        raise OutsideError(outside)
    return ctx.judge(worst, f"{law}; {judged} draws, the worst {said}", details={"draws": judged})


@check("audit.oracle", needs=("drift_loss_and_gradient",))
@inside
def against_oracle(ctx: CheckContext) -> Measurement:
    """Loss and gradient on drawn clouds are the oracle's."""
    return _worst(ctx, drawn(ctx), "float32 against the float64 oracle")


@check("audit.batch_scale", needs=("drift_loss_and_gradient",))
@inside
def batch_scale(ctx: CheckContext) -> Measurement:
    """One scale and one norm for all groups, however different their spread."""
    clouds = [given for given in drawn(ctx, widths=True) if len(given["gen"]) > 1]
    return _worst(ctx, clouds, "one feature scale and one force norm for the whole call")


@check("audit.faint", needs=("drift_loss_and_gradient",))
@inside
def below_the_floor(ctx: CheckContext) -> Measurement:
    """One floor divides the distances, and the same the coordinates."""
    return _worst(ctx, faint(ctx), "both divisors have the floor of the scale")


@check("audit.measured", needs=("drift_loss_and_gradient",))
@inside
def measured(ctx: CheckContext) -> Measurement:
    """It is this subject that is measured: other inputs give other answers, equal ones the same."""
    given = dict(drawn(ctx)[1])
    try:
        loss, gradient = answer(ctx.subject, given, TEMPERATURES)
    except OutsideError:
        given = {"gen": given["gen"], "pos": given["pos"]}
        loss, gradient = answer(ctx.subject, given, TEMPERATURES)
    again = answer(ctx.subject, {k: v.copy() for k, v in given.items()}, TEMPERATURES)
    repeats = max(largest(again[0] - loss), relative(again[1], gradient))
    changes = {}
    for name, other in _other_inputs(given):
        changed = answer(ctx.subject, other, TEMPERATURES)
        changes[name] = max(relative(changed[0], loss), relative(changed[1], gradient))
    deaf = [name for name, change in changes.items() if not change > 1e-3]
    good = not deaf and repeats <= 1e-3
    reason = "other inputs give other answers, and the same ones the same"
    if deaf:
        reason = f"the answer is the same to 1e-3 after: {', '.join(deaf)}"
    elif not good:
        reason = f"the same input gives an answer that is off by {repeats:.3g} the second time"
    return ctx.decide(good, reason, details={"changes": changes, "repeats": repeats})


def _other_inputs(given: dict[str, Array]) -> list[tuple[str, dict[str, Array]]]:
    swapped = {**given, "gen": given["gen"][:, ::-1].copy()}
    shifted = {**given, "pos": given["pos"] + np.float32(1.0)}
    scaled = {**given, "gen": given["gen"] * np.float32(2.0)}
    return [("samples in another order", swapped), ("positives shifted", shifted),
            ("samples scaled", scaled)]  # fmt: skip


@check("audit.features", needs=("feature_loss_value",))
@inside
def features(ctx: CheckContext) -> Measurement:
    """The feature loss of maps and vectors is the oracle's."""
    worst, said = 0.0, []
    for name, places, seed in (("map", 3, 0), ("vector", 1, 1), ("map", 3, 2)):
        rng = np.random.default_rng(seed)
        labels, g, p, n, s = 2, 4, 5, 2 if seed else 0, 4
        alpha = np.array([1.0, 2.5], np.float32)
        values = rng.normal(size=(labels, g + p + n, places, s)).astype(np.float32)
        gen, real = {name: values[:, :g].copy()}, {name: values[:, g:].copy()}
        spec: dict[str, Any] = {"positives": p, "temperatures": list(TEMPERATURES)}
        answered = call(
            ctx.subject, "feature_loss_value", gen_features=gen, real_features=real, alpha=alpha,
            semantics="reference" if _takes_semantics(ctx.subject) else None, **spec,
        )  # fmt: skip
        found = float(array(answered, [], "the loss"))
        expected, _ = oracle.feature_loss(gen, real, alpha, semantics="reference", **spec)
        error = abs(found - expected) / abs(expected)
        said.append(f"{name} of {places}: {found:.6g}, expected {expected:.6g}, "
                    f"{found / expected:.4g} times")  # fmt: skip
        worst = worst_of((worst, error))
    return ctx.judge(worst, "; ".join(said), unit="of the expected value")


def _takes_semantics(subject: object) -> bool:
    takes = getattr(subject, "takes", None)
    return takes is None or "semantics" in takes["feature_loss_value"]["names"]
