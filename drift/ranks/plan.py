"""What each process of a run needs: memory, bytes sent, arithmetic and time, from shapes alone.

Formulas are in docs/distributed.md. B labels of a step, b of the process that has the most, p of
one pass, G generated, P positive, N unconditional samples of each label, R temperatures, F numbers
in the features of a sample, n parameters, W processes.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace

from drift import plan as counted
from drift.config import Template
from drift.errors import InputError
from drift.plan import FLOAT32, Plan
from drift.ranks.parallel import Kind
from drift.train.room import size

FLOAT64 = 8
ROOM = 0.9  # of a device's memory; the rest is for kernels, fragments and the transport
SUSTAINED = 0.4  # of the peak, an assumption: nobody has measured it here
CONTROL_BYTES = 16  # of one agreement; three a step


@dataclass(frozen=True)
class Device:
    """Peak operations a second of dense matrix products, bytes of memory, bytes a second between
    processes of one node, one way."""

    bfloat16: float
    float32: float
    memory: float
    link: float


def devices() -> Mapping[str, Device]:
    """Vendors' figures (SXM, 80 GB); of this machine its memory, and rates of two plain cores."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "h100": Device(989e12, 67e12, 80e9, 450e9),
        "a100": Device(312e12, 19.5e12, 80e9, 300e9),
        "cpu": Device(1.25e11, 1.25e11, float(pages), 1e9),
    }


@dataclass(frozen=True)
class RankPlan:
    """Figures of the process that has most to do; bytes unless said."""

    world: int
    device: str
    parallel: Kind
    labels: int  # b
    labels_per_pass: int  # p
    fits: bool
    memory: Mapping[str, int]
    collectives: Mapping[str, int]  # a step
    flops: float  # a step
    seconds: float  # a step

    @property
    def memory_bytes(self) -> int:
        """Everything that is held at the same time."""
        return sum(self.memory.values())

    @property
    def passes(self) -> int:
        """Passes of a step."""
        return -(-self.labels // self.labels_per_pass)

    def lines(self, steps: int) -> list[str]:
        """For a person to read."""
        held = ", ".join(f"{name} {size(count)}" for name, count in self.memory.items())
        sent = ", ".join(f"{name} {size(count)}" for name, count in self.collectives.items())
        room = ROOM * devices()[self.device].memory
        word = "fits" if self.fits else "DOES NOT FIT"
        option = f"--labels-per-pass {self.labels_per_pass}"
        return [
            f"processes      {self.world} of {self.device}, {self.parallel}; up to {self.labels} "
            f"labels each, {self.labels_per_pass} a pass, {self.passes} passes ({option})",
            f"memory each    {size(self.memory_bytes)} {word} in {size(room)}: {held}",
            f"sent a step    {sent}",
            f"a step each    {self.flops:.3g} floating-point operations, {self.seconds:.3g} s at "
            f"{SUSTAINED:.0%} of the peak",
            f"time           {self.seconds * steps / 3600:.3g} hours for {steps:,} steps",
            "estimates: counted, not measured; data and the arithmetic of the loss are left out",
        ]


def rank_plan(
    template: Template, *, world: int, device: str, parallel: Kind = "ddp",
    labels_per_pass: int | None = None,
) -> RankPlan:  # fmt: skip
    """The plan of one process of `world`; labels a pass are the most that fit where none are given.

    Raises InputError for a device that is not known and for less than one process.
    """
    if world < 1:
        raise InputError("--world", found=world, expected="at least 1")
    if device not in devices():
        raise InputError("--device", found=device, expected=" or ".join(devices()))
    whole = counted.plan(template)
    most = -(-template.loss.class_labels // world)
    if labels_per_pass is not None:
        return _with_pass(template, whole, world, device, parallel, min(labels_per_pass, most))
    low, high = 1, most  # the most that fit, by bisection: memory rises with them
    while low < high:
        middle = -(-(low + high) // 2)
        fits = _with_pass(template, whole, world, device, parallel, middle).fits
        low, high = (middle, high) if fits else (low, middle - 1)
    return _with_pass(template, whole, world, device, parallel, low)


def least_world(template: Template, device: str, parallel: Kind) -> int | None:
    """The least number of processes, a power of two, that a run fits on; None: not with one label
    each."""
    whole, world = counted.plan(template), 1
    while world < 2 * template.loss.class_labels:
        if _with_pass(template, whole, world, device, parallel, 1).fits:
            return world
        world *= 2
    return None


def _with_pass(
    template: Template, whole: Plan, world: int, device: str, parallel: Kind, labels: int
) -> RankPlan:
    most = -(-template.loss.class_labels // world)
    memory = _memory(template, whole, world, parallel, most, labels)
    passes = -(-most // labels)
    one = RankPlan(
        world, device, parallel, most, labels, False, memory,
        _collectives(template, whole, world, parallel, most, passes),
        _flops(template, whole, most, passes), 0.0,
    )  # fmt: skip
    known = devices()[device]
    peak = known.bfloat16 if template.generator.activation_dtype == "bfloat16" else known.float32
    seconds = one.flops / (SUSTAINED * peak)
    if world > 1:
        seconds += sum(one.collectives.values()) / known.link
    return replace(one, fits=one.memory_bytes <= ROOM * known.memory, seconds=seconds)


def _memory(
    template: Template, whole: Plan, world: int, parallel: Kind, most: int, labels: int
) -> dict[str, int]:
    loss = template.loss
    spread = world if parallel == "fsdp2" else 1
    parameters = whole.generator_parameters * FLOAT32
    features = whole.feature_numbers * FLOAT32
    real = loss.positives + loss.unconditional
    held = most * (loss.generated * (1 + len(loss.temperatures)) + real) * features
    gathered = 2 * parameters // template.generator.depth if spread > 1 else 0  # two blocks
    return {
        "parameters": parameters // spread + gathered,
        "gradients": parameters // spread,
        "moments": 2 * parameters // spread,
        "averages": len(template.optimizer.ema_decay) * parameters // spread,
        "encoder": whole.encoder_bytes,
        "activations": labels * loss.generated * whole.activation_bytes // whole.samples_per_step,
        "features": held,
    }


def _collectives(
    template: Template, whole: Plan, world: int, parallel: Kind, most: int, passes: int
) -> dict[str, int]:
    """Bytes that one process sends a step, in rings for what all of them need."""
    if world == 1:
        return {"nothing": 0}
    loss, ring = template.loss, (world - 1) / world
    temperatures = len(loss.temperatures)
    parameters = whole.generator_parameters * FLOAT32
    figures = whole.features * (3 + temperatures**2 + 1) * FLOAT64
    height, width, channels = template.generator.input_shape
    sample = height * width * channels * FLOAT32
    gradients = {"gradients (all-reduce)": round(2 * ring * parameters)}
    if parallel == "fsdp2":
        forwards = 1 if passes == 1 else 2
        gathers = passes * (forwards + 1)
        gradients = {
            "parameters (all-gather)": round(gathers * ring * parameters),
            "gradients (reduce-scatter)": round(passes * ring * parameters),
        }
    return {
        "loss (2 all-reduces)": round(2 * ring * figures),
        **gradients,
        "real samples (exchange)": round(
            ring * most * (loss.positives + loss.unconditional) * sample
        ),
        "agreements": 3 * CONTROL_BYTES,
    }


def _flops(template: Template, whole: Plan, most: int, passes: int) -> float:
    """Of one process; in passes, features of generated samples are computed twice."""
    share = most / template.loss.class_labels
    again = whole.forward_flops if passes > 1 else 0.0
    return share * (whole.flops_per_step + again)
