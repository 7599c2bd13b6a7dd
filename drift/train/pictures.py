"""What a run looks like: one picture of samples a window, the same noise each time."""

from __future__ import annotations

import math
from pathlib import Path

import torch
from torch import Tensor

from drift import rng
from drift.sample import grids
from drift.state import atomic
from drift.train.run import Run

PER_CLASS = 8
MOST_CLASSES = 10


@torch.no_grad()
def samples_now(run: Run) -> Tensor:
    """Samples of the first classes by the average with the longest memory, [classes*8, C, H, W]."""
    template = run.template
    classes = min(template.generator.num_classes, MOST_CLASSES)
    count = classes * PER_CLASS
    generator = rng.stream(run.options.seed, "picture")
    height, width, channels = template.generator.input_shape
    noise = torch.randn(count, channels, height, width, generator=generator)
    shape = (count, template.generator.style_tokens)
    style = torch.randint(template.generator.style_codes, shape, generator=generator)
    averaged = run.state.ema[max(run.state.ema)]
    parameters = {name: value.to(run.options.device) for name, value in averaged.items()}
    made: Tensor = torch.func.functional_call(
        run.state.generator,
        parameters,
        (
            noise.to(run.options.device),
            torch.arange(classes).repeat_interleave(PER_CLASS).to(run.options.device),
            torch.full((count,), template.evaluation.alpha).to(run.options.device),
            style.to(run.options.device),
        ),
    )
    return made.cpu()


def write(path: Path, samples: Tensor, *, columns: int = PER_CLASS) -> None:
    """A PNG grid of samples [N, C, H, W] in [-1, 1]; latents show their first channel, scaled."""
    if samples.shape[1] not in (1, 3):
        first = samples[:, :1]
        samples = first / first.abs().amax().clamp_min(1e-6)
    levels = ((samples.clamp(-1, 1) + 1) * 127.5).to(torch.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic.write_bytes(path, grids.png(grids.grid(levels, columns)))


def curve(path: Path, rows: list[dict[str, float]], names: list[str]) -> None:
    """A PNG of figures over steps, on a logarithmic axis where they span decades."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axis = pyplot.subplots(figsize=(6, 3.2), layout="constrained")
    for name in names:
        values = [row[name] for row in rows]
        axis.plot([row["step"] for row in rows], values, label=name)
    everything = [row[name] for row in rows for name in names if row[name] > 0]
    if everything and math.log10(max(everything) / min(everything)) > 1:
        axis.set_yscale("log")
    axis.set_xlabel("step")
    axis.legend(frameon=False)
    temporary = path.with_name(f".{path.name}.tmp")
    figure.savefig(temporary, format="png", dpi=110)
    pyplot.close(figure)
    temporary.replace(path)
