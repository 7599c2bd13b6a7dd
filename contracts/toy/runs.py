"""Toy runs: what the drifting loss achieves within seconds, and what attraction alone does not.

Figures are on the axis `proxy`. The loss is the subject's; data, generator, loop and ruler are
those of `drift.toy`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from drift.toy import targets
from drift.toy.train import OBJECTIVES, RECIPES, Plan, Run, shorter, train
from verify.api import CheckContext, Measurement, check

AXIS = "proxy"
SHOWN_POINTS = 200  # of a cloud that the report draws


@check("toy.drift_falls", needs=("drift_loss",))
def drift_falls(ctx: CheckContext) -> Measurement:
    """Raw drift of the last tenth of the updates over that of the first ten; the worst start."""
    tau, ratios = float(ctx.params["temperature"]), {}
    for start, run in runs(ctx):
        first, last = run.drift_at(tau)
        ratios[start] = last / first
        if not ratios[start] <= (ctx.tolerance or 0.0):
            break
    what = f"{ctx.params['target']}: last drift at {tau:g} over the first"
    return ctx.judge_worst(ratios, what, axis=AXIS, details=conditions(ctx))


@check("toy.modes", needs=("drift_loss",))
def modes(ctx: CheckContext) -> Measurement:
    """What the rarest mode lacks of its fair share of samples; the worst start."""
    lacking, watched = {}, []
    for start, run in runs(ctx):
        assert run.last is not None
        watched.append(frames(ctx, start, run))
        lacking[start] = 1.0 - run.last.smallest_share
        if not lacking[start] <= (ctx.tolerance or 0.0):
            break
    what = f"{ctx.params['target']}: what the rarest mode lacks of its fair share"
    return ctx.judge_worst(lacking, what, axis=AXIS, details={**conditions(ctx), "drawn": watched})


@check("toy.attraction_only", needs=("drift_loss",))
def attraction_only(ctx: CheckContext) -> Measurement:
    """The same run with and without repulsion: ratio of distances and of diversities."""
    ratios: dict[str, dict[str, float]] = {}
    for case in ctx.params["cases"]:
        full, ablated = (one_run(ctx, case["target"], case["start"], case["steps"], objective)
                         for objective in OBJECTIVES)  # fmt: skip
        assert full.last is not None
        assert ablated.last is not None
        ratios[f"{case['target']}, {case['start']}"] = {
            "distance": max(full.last.energy_distance, 0.0) / ablated.last.energy_distance,
            "diversity": ablated.last.diversity / full.last.diversity,
        }
        if max(ratios[next(reversed(ratios))].values()) > (ctx.tolerance or 0.0):
            break
    worst = max(ratios, key=lambda case: max(ratios[case].values()))
    found = ratios[worst]
    return ctx.judge(
        max(found.values()),
        f"{worst}: distance with repulsion is {found['distance']:.3g} of that without; diversity "
        f"without is {found['diversity']:.3g} of that with",
        axis=AXIS,
        details={"ratios": ratios, "seed": ctx.seed},
    )


@check("toy.replay", needs=("drift_loss",))
def replay(ctx: CheckContext) -> Measurement:
    """The same plan twice, with the global random state moved and other measuring between."""
    target, start, steps = (ctx.params[k] for k in ("target", "start", "steps"))
    first = one_run(ctx, target, start, steps)
    torch.rand(7)
    second = one_run(ctx, target, start, steps, rows=3)
    other = one_run(ctx, target, start, steps, seed=ctx.seed + 1)
    if not torch.equal(first.drift, second.drift):
        at = int((first.drift != second.drift).any(dim=1).nonzero()[0])
        return ctx.decide(False, f"the drift of two equal runs differs first at update {at}")
    if not torch.equal(first.snapshots[steps], second.snapshots[steps]):
        return ctx.decide(False, "two equal runs end in different samples")
    if torch.equal(first.drift, other.drift):
        return ctx.decide(False, "another seed gives the same run")
    return ctx.decide(True, f"{steps} updates replay bit for bit; another seed gives another run")


def runs(ctx: CheckContext) -> Iterator[tuple[str, Run]]:
    """One run for each start that the clause names."""
    for start in ctx.params["starts"]:
        yield start, one_run(ctx, ctx.params["target"], start, ctx.params["steps"])


def one_run(
    ctx: CheckContext,
    target: str,
    start: str,
    steps: int,
    objective: str = OBJECTIVES[0],
    *,
    rows: int = 1,
    seed: int | None = None,
) -> Run:
    """Train with the subject's loss, or with our attraction-only variant of it."""
    recipe = shorter(RECIPES[target], int(steps))
    plan = Plan(start, ctx.seed if seed is None else seed, recipe, objective)
    loss = ctx.subject.drift_loss if objective == OBJECTIVES[0] else None
    return train(targets.make(target), plan, objective=loss, rows=rows)


def frames(ctx: CheckContext, start: str, run: Run) -> dict[str, Any]:
    """The samples of a run at its snapshots, over real ones, for the report to draw."""
    target = targets.make(ctx.params["target"])
    moments = [[f"update {step}", _shown(run.snapshots[step])] for step in sorted(run.snapshots)]
    return {
        "kind": "frames",
        "title": f"{run.target}, from the start {start}: generated over real samples",
        "target": _shown(torch.cat(target.real())),
        "frames": moments,
    }


def _shown(samples: torch.Tensor) -> list[list[float]]:
    """Points of the plane, to the hundredth."""
    flat = samples.reshape(-1, samples.shape[-1])[:SHOWN_POINTS]
    return [[round(float(x), 2), round(float(y), 2)] for x, y in flat]


def conditions(ctx: CheckContext) -> dict[str, Any]:
    """What the figures were measured under."""
    return {"steps": ctx.params["steps"], "seed": ctx.seed}
