"""The parts of a run, at the size of the digits template, each beside the same matrix products."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import torch
from torch import Tensor

from drift.bench.timing import Case, Work, products
from drift.config import Template, encoder_kwargs, load_template
from drift.data import DigitsSource
from drift.encoder import EncoderConfig, MaskedAutoencoder
from drift.errors import DriftError
from drift.evaluate import fid, prdc
from drift.features import FeatureExtractor
from drift.generator import Generator
from drift.queue import SampleQueue
from drift.sample.sampler import Sampler, cycled
from drift.train import build, draw, step
from drift.train.step import TrainState

CLAUSE = "CFG-001"
SAMPLES = 200
ROWS, WIDTH = 1000, 64  # of the features that figures are computed of


def generator() -> list[Case]:
    """Samples of a step and their gradient back to the parameters."""
    state, batch = _step(load_template("digits"))

    def run() -> None:
        state.generator.zero_grad(set_to_none=True)
        step.generate(state, batch).square().mean().backward()  # type: ignore[no-untyped-call]

    return [_beside(f"{len(batch.noise)} samples and their gradient", run)]


def encoder() -> list[Case]:
    """Features of the samples of a step, with the gradient back to the pixels."""
    state, batch = _step(load_template("digits"))
    images = batch.noise

    def run() -> None:
        x = images.clone().requires_grad_()
        total = torch.stack([value.mean() for value in state.extractor(x).values()]).sum()
        total.backward()  # type: ignore[no-untyped-call]

    return [_beside(f"features of {len(images)} images and their gradient", run)]


def training_step() -> list[Case]:
    """One update of generator and averages, from a batch that is drawn already."""
    state, batch = _step(load_template("digits"))
    return [_beside("one update", lambda: step.train_step(state, batch))]


def sampling() -> list[Case]:
    """Samples in one pass each, with the streams that they are drawn from."""
    model = build.generator(load_template("digits"), seed=0)
    labels = cycled(range(10), SAMPLES)
    return [
        _beside(f"{SAMPLES} samples", lambda: Sampler(model).all(labels, alpha=1.0, seed=0)),
    ]


def queue() -> list[Case]:
    """A push and a draw of queues as full as they get."""
    template = load_template("digits")
    settings, source = template.queue, DigitsSource()
    bank = SampleQueue(source.classes, settings.per_class_capacity)
    everything = torch.arange(len(source.labels))
    samples = source.get(everything)
    bank.push(samples, source.labels)
    fresh = slice(0, settings.push_per_step)
    labels = source.labels[: template.loss.class_labels]

    def run() -> Tensor:
        bank.push(samples[fresh], source.labels[fresh])
        stream = torch.Generator().manual_seed(0)
        return bank.sample(labels, template.loss.positives, generator=stream)

    return [_beside(f"{settings.push_per_step} pushed, {len(labels)} labels drawn", run)]


def evaluation() -> list[Case]:
    """Frechet distance and coverage of two sets of features."""
    draws = torch.Generator().manual_seed(0)
    ours, theirs = torch.randn(2, ROWS, WIDTH, generator=draws).numpy()

    def run() -> None:
        fid.frechet(fid.moments(ours), fid.moments(theirs))
        prdc.coverage_hits(ours, theirs)

    return [_beside(f"figures of {ROWS} samples of {WIDTH} features", run)]


def verify() -> list[Case]:
    """One cheap clause, from the command line to the sealed bundle, beside the import of torch."""
    import tempfile

    def run() -> None:
        with tempfile.TemporaryDirectory() as place:
            words = ["run", "--no-falsify", "--reports", place, CLAUSE]
            _child("-m", "verify", *words)

    def yardstick() -> None:
        _child("-c", "import torch")

    return [
        Case(f"verify run --no-falsify {CLAUSE}", run, yardstick, "a process that imports torch")
    ]


PARTS: dict[str, Callable[[], list[Case]]] = {
    "generator": generator,
    "encoder": encoder,
    "step": training_step,
    "sampling": sampling,
    "queue": queue,
    "eval": evaluation,
    "verify": verify,
}


def _child(*words: str) -> None:
    """A process of its own; 3 is what `verify run` ends with where no falsifiers were tried."""
    ended = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False)
    if ended.returncode not in (0, 3):
        raise DriftError(
            " ".join(words), found=f"exit code {ended.returncode}: {ended.stderr[-200:]}",
            expected="0, or 3 without falsifiers",
            remedy="Run it in a folder with a pack that is sound.",
        )  # fmt: skip


def _beside(name: str, run: Work) -> Case:
    yardstick = products()
    return Case(name, run, yardstick.work, yardstick.floor)


def _step(template: Template) -> tuple[TrainState, step.StepBatch]:
    """A state with an encoder of random weights, and the first batch of its run."""
    feed = draw.open_feed(template, DigitsSource(), seed=0)
    draw.warm_up(feed, template)
    batch = draw.draw(feed, template, seed=0, step=0)
    return state_of(template, build.generator(template, seed=0)), batch


def state_of(template: Template, model: Generator) -> TrainState:
    """A state before its first update."""
    return TrainState.create(model, random_extractor(template), build.train_config(template))


def random_extractor(template: Template) -> FeatureExtractor:
    """Features of an encoder that has learned nothing: they cost what others cost."""
    config = EncoderConfig.from_reference(encoder_kwargs(template))
    stream = torch.Generator().manual_seed(0)
    network = MaskedAutoencoder(config, generator=stream)
    return FeatureExtractor(network, config=build.feature_config(template))
