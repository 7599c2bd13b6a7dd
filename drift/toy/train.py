"""The loop of a toy run: what is trained, by which objective, and what is recorded."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from drift import loss, schedule
from drift.errors import DriftError, InputError
from drift.toy.ablation import attraction_only_loss
from drift.toy.generator import ToyGenerator
from drift.toy.measure import Figures, Ruler
from drift.toy.targets import Target

OBJECTIVES = ("drifting", "attraction-only")
SNAPSHOTS = (0.0, 0.05, 0.15, 0.4, 1.0)  # of the run, for pictures
FIRST_UPDATES = 10  # over which the first drift is averaged
LAST_SHARE = 0.1  # of the updates, over which the last drift is averaged

Objective = Callable[..., tuple[Tensor, Mapping[str, Tensor]]]


@dataclass(frozen=True)
class Recipe:
    """A toy run but for its target, its start and its seed.

    generated, positives  samples of each group in an update (G and P)
    rate                  of AdamW (betas 0.9, 0.95; no decay); falls along half a cosine, which the
                          published runs do not do: a toy run has to settle within seconds
    evaluated             samples of each group that are measured
    """

    steps: int
    generated: int
    positives: int
    rate: float
    noise: int
    width: int
    evaluated: int
    depth: int = 3
    temperatures: tuple[float, ...] = (0.02, 0.05, 0.2)


RECIPES = {
    "bimodal": Recipe(600, 64, 64, 5e-3, noise=2, width=128, evaluated=500),
    "checkerboard": Recipe(2000, 64, 64, 5e-3, noise=2, width=128, evaluated=500, depth=4),
    "digits": Recipe(800, 32, 64, 2e-3, noise=16, width=256, evaluated=100),
}


@dataclass(frozen=True)
class Plan:
    """One run: everything that its numbers depend on, besides the code."""

    start: str
    seed: int
    recipe: Recipe
    objective: str = "drifting"
    device: str = "cpu"


@dataclass
class Run:
    """What a run leaves behind.

    drift      raw mean square f of the force before normalisation, [updates, temperatures]; the
               normalised loss is flat by construction, this is what falls
    rows       measured figures over time, as written to the metric log
    snapshots  update -> samples [B, n, S] from the same noises
    """

    plan: Plan
    target: str
    drift: Tensor
    rows: list[dict[str, Any]] = field(default_factory=list)
    snapshots: dict[int, Tensor] = field(default_factory=dict)
    first: Figures | None = None
    last: Figures | None = None
    seconds: float = 0.0

    def drift_at(self, temperature: float) -> tuple[float, float]:
        """Mean raw f of the first 10 updates and of the last tenth, at one temperature."""
        column = self.drift[:, self.plan.recipe.temperatures.index(temperature)].double()
        tail = max(1, round(LAST_SHARE * len(column)))
        return float(column[:FIRST_UPDATES].mean()), float(column[-tail:].mean())


class DivergedError(DriftError):
    """The loss is no number any more."""


def train(
    target: Target,
    plan: Plan,
    *,
    objective: Objective | None = None,
    rows: int = 20,
    on_update: Callable[[int], None] = lambda done: None,
    on_row: Callable[[dict[str, Any]], None] = lambda row: None,
) -> Run:
    """Train one generator. The same plan gives the same numbers, bit for bit on one CPU.

    objective  in place of `drift.loss.drift_loss`; its signature, as in interface v1
    rows       how often the samples are measured, besides at the start
    """
    chosen = objective or objective_named(plan.objective)
    with one_thread():
        return _train(target, plan, chosen, rows, on_update, on_row)


@contextmanager
def one_thread() -> Iterator[None]:
    """Tensors this small gain nothing from more threads, and sums do not depend on their number."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _train(
    target: Target,
    plan: Plan,
    objective: Objective,
    rows: int,
    on_update: Callable[[int], None],
    on_row: Callable[[dict[str, Any]], None],
) -> Run:
    recipe, device = plan.recipe, torch.device(plan.device)
    weights, noises, data, probe = (_stream(plan.seed, k) for k in range(4))
    model = _model(target, plan, weights).to(device)
    condition = target.condition.to(device)
    probes = _noise(model, target, recipe.evaluated, probe).to(device)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=recipe.rate, betas=(0.9, 0.95), weight_decay=0.0
    )
    run = Run(plan, target.name, torch.zeros(recipe.steps, len(recipe.temperatures)))
    log = _Log(run, Ruler(target), rows, on_row)
    log.measure(0, model, condition, probes)
    for step in range(recipe.steps):
        _set_rate(optimizer, step, recipe)
        noise = _noise(model, target, recipe.generated, noises).to(device)
        positives = target.positives(recipe.positives, data).to(device)
        samples = model(noise, condition)
        value, info = objective(samples, positives, temperatures=recipe.temperatures)
        optimizer.zero_grad()
        torch.autograd.backward(value.mean())
        optimizer.step()
        log.update(step, value, info)
        on_update(step + 1)
        log.measure(step + 1, model, condition, probes)
    run.seconds = log.elapsed_s()
    return run


def _set_rate(optimizer: torch.optim.Optimizer, step: int, recipe: Recipe) -> None:
    for group in optimizer.param_groups:
        group["lr"] = schedule.learning_rate(
            step, base=recipe.rate, warmup_steps=0, total_steps=recipe.steps, kind="cosine"
        )


def objective_named(name: str) -> Objective:
    """The drifting loss, or its attraction alone."""
    if name not in OBJECTIVES:
        raise InputError("objective", found=repr(name), expected="one of " + ", ".join(OBJECTIVES))
    return loss.drift_loss if name == "drifting" else attraction_only_loss


def shorter(recipe: Recipe, steps: int | None) -> Recipe:
    """The recipe with another number of updates."""
    if steps is None:
        return recipe
    if steps < 1:
        raise InputError("steps", found=steps, expected="at least 1")
    return replace(recipe, steps=steps)


def snapshot_steps(steps: int) -> list[int]:
    """The updates after which samples are kept for a picture, in order."""
    return sorted({round(share * steps) for share in SNAPSHOTS})


def _model(target: Target, plan: Plan, generator: torch.Generator) -> ToyGenerator:
    if plan.start not in target.starts:
        raise InputError(
            f"start of {target.name}",
            found=repr(plan.start),
            expected="one of " + ", ".join(target.starts),
        )
    recipe = plan.recipe
    model = ToyGenerator(
        recipe.noise,
        target.condition.shape[1],
        target.features,
        width=recipe.width,
        depth=recipe.depth,
        generator=generator,
    )
    model.begin_at(target.starts[plan.start], target.condition, generator)
    return model


def _stream(seed: int, stream: int) -> torch.Generator:
    """Independent generators, so that measuring more often does not change the run."""
    return torch.Generator().manual_seed(1000 * seed + stream)


def _noise(model: ToyGenerator, target: Target, n: int, generator: torch.Generator) -> Tensor:
    return torch.randn(len(target.condition), n, model.noise, generator=generator)


class _Log:
    """Rows of the metric log: figures of the samples, and loss and drift since the last row."""

    def __init__(
        self, run: Run, ruler: Ruler, rows: int, on_row: Callable[[dict[str, Any]], None]
    ) -> None:
        steps = run.plan.recipe.steps
        self.run, self.ruler, self.on_row = run, ruler, on_row
        self.steps = {round(steps * k / rows) for k in range(rows + 1)} | {0, steps}
        self.keep = set(snapshot_steps(steps))
        self.losses: list[float] = []
        self.scales: list[float] = []
        self.began = time.perf_counter()

    def elapsed_s(self) -> float:
        return time.perf_counter() - self.began

    def update(self, step: int, value: Tensor, info: Mapping[str, Tensor]) -> None:
        self.losses.append(float(value.detach().mean()))
        self.scales.append(float(info["scale"]))
        names = [f"loss_{tau}" for tau in self.run.plan.recipe.temperatures]
        self.run.drift[step] = torch.stack([info[name].detach().cpu() for name in names])
        if not math.isfinite(self.losses[-1]):
            raise DivergedError(
                f"toy {self.run.target}, update {step}",
                found=f"a loss of {self.losses[-1]}",
                expected="a finite loss",
                remedy="Lower the rate of the recipe.",
            )

    def measure(self, done: int, model: ToyGenerator, condition: Tensor, probes: Tensor) -> None:
        if done not in self.steps and done not in self.keep:
            return
        with torch.no_grad():
            samples = model(probes, condition).cpu()
        if done in self.keep:
            self.run.snapshots[done] = samples
        if done not in self.steps:
            return
        figures = self.ruler.measure(samples)
        self.run.first, self.run.last = self.run.first or figures, figures
        row = self._row(done, figures)
        self.run.rows.append(row)
        self.on_row(row)

    def _row(self, done: int, figures: Figures) -> dict[str, Any]:
        plan, since = self.run.plan, len(self.losses)
        taus = plan.recipe.temperatures
        drift = self.run.drift[done - since : done].double().mean(dim=0).tolist()
        row = {
            "target": self.run.target,
            "start": plan.start,
            "objective": plan.objective,
            "step": done,
            "loss": _mean(self.losses),
            "scale": _mean(self.scales),
            "drift": {str(t): d for t, d in zip(taus, drift, strict=True)} if since else None,
            **figures.row(),
            "seconds": round(self.elapsed_s(), 3),
        }
        self.losses.clear()
        self.scales.clear()
        return row


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
