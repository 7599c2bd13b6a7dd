"""A setting trained, drawn from, and reduced to the moments that are kept.

Runs of one seed share initial weights, noise and the order of the data wherever their settings
leave them alike.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save

from drift import atomic
from drift.artifacts import store
from drift.config import Template, fingerprint
from drift.data import DigitsSource
from drift.encoder import MaskedAutoencoder
from drift.errors import DriftError
from drift.evaluate import fid
from drift.evaluate.proxy import Encoded
from drift.features import FeatureExtractor
from drift.sample import grids, images, loading
from drift.sample.sampler import Sampler, cycled
from drift.train import build, run

RUN = "run"
FIGURES, MOMENTS, PICTURE = "measured.json", "moments.safetensors", "samples.png"
WINDOW = 50
SHOWN = 40  # samples of a picture, a column a class


@dataclass(frozen=True)
class Measured:
    """What is kept of a run besides its moments; digests are those of trunks of encoders.

    diagnostic  what demotes whatever is made from the run
    """

    template_fingerprint: str
    kernel: str
    seed: int
    steps: int
    samples: int
    extractor: str
    judge_sha256: str
    teacher_sha256: str | None
    diagnostic: list[str]
    wall_s: float
    cpu_s: float


def measure(
    folder: Path, template: Template, kernel: str, seed: int, judge: Path, teacher: Path | None
) -> None:
    """Train, draw and judge one setting.

    teacher  the encoder in the loss; None: the template has none there
    """
    began, began_cpu = time.perf_counter(), time.process_time()
    seen = encoded(judge)
    by = None if teacher is None else build.parameters_digest(_encoder(teacher).encoder)
    require_neutral(template, by, seen.sha256)
    diagnostic = _train(folder / RUN, template, kernel, seed, teacher or judge)
    pixels = _draw(folder / RUN, template, seed)
    ours, real = fid.moments(seen(pixels)), fid.moments(seen.held_out)
    arrays = {
        "mu": ours.mean, "sigma": ours.covariance,
        "reference_mu": real.mean, "reference_sigma": real.covariance,
    }  # fmt: skip
    # In float32, as they are kept: the figure is that of what is kept.
    held = {name: np.ascontiguousarray(array, np.float32) for name, array in arrays.items()}
    atomic.write_bytes(folder / MOMENTS, save(held))
    atomic.write_bytes(folder / PICTURE, grids.png(grids.grid(pixels[:SHOWN], columns=10)))
    facts = Measured(
        template_fingerprint=fingerprint(template),
        kernel=kernel,
        seed=seed,
        steps=template.optimizer.training_steps,
        samples=len(pixels),
        extractor=seen.extractor,
        judge_sha256=seen.sha256,
        teacher_sha256=by,
        diagnostic=diagnostic,
        wall_s=round(time.perf_counter() - began, 1),
        cpu_s=round(time.process_time() - began_cpu, 1),
    )
    atomic.write_text(folder / FIGURES, json.dumps(vars(facts), indent=1, sort_keys=True) + "\n")


def _train(folder: Path, template: Template, kernel: str, seed: int, encoder: Path) -> list[str]:
    """The run of a template under another loss -> what demotes whatever is made from it.

    encoder  of the loss; where the loss compares pixels it is not asked
    """
    extractor = FeatureExtractor(_encoder(encoder), config=build.feature_config(template))
    options = run.RunOptions(folder, seed=seed, window=WINDOW, checkpoint_every=10**9)
    going = run.start(template, DigitsSource(), extractor, options, say=lambda text: None)
    if kernel != "plain":
        going.state.config = replace(going.state.config, kernel=kernel)
        going.facts["diagnostic"] = [*going.facts["diagnostic"], f"variant of the loss: {kernel}"]
    run.train(going, lambda window: None)
    return list(going.facts["diagnostic"])


def _draw(folder: Path, template: Template, seed: int) -> torch.Tensor:
    """uint8 [N, 1, 8, 8] of the averaged weights, classes in turn."""
    generator = loading.load(folder).generator
    labels = cycled(range(template.generator.num_classes), template.evaluation.samples)
    drawn = Sampler(generator, batch_size=500).all(
        labels, alpha=template.evaluation.alpha, seed=seed
    )
    return images.pixels(drawn)


@cache
def encoded(judge: Path) -> Encoded:
    """Features under the judge, made once a process."""
    return Encoded(_encoder(judge))


@cache
def _encoder(path: Path) -> MaskedAutoencoder:
    return store.load_encoder(path)


def require_neutral(template: Template, teacher: str | None, judge: str) -> None:
    """Raise DriftError where a run would be taught by the features that judge it.

    Digests of trunks; `teacher` None: no other encoder than the judge is there.
    """
    if template.loss.feature_taps != "none" and teacher in (None, judge):
        raise DriftError(
            "loss.feature_taps", found=f"{template.loss.feature_taps}, taught by the judge",
            expected="none, or an encoder of another seed",
            remedy="What has taught a setting is no judge of it.",
        )  # fmt: skip
