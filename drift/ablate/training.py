"""A setting trained, drawn from, and reduced to the moments that are kept.

Runs of one seed share initial weights, noise and the order of the data wherever their settings
leave them alike.
"""

from __future__ import annotations

import dataclasses
import json
import time
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


def measure(folder: Path, template: Template, kernel: str, seed: int, judge: Path) -> None:
    began, began_cpu = time.perf_counter(), time.process_time()
    diagnostic = _train(folder / RUN, template, kernel, seed, judge)
    pixels = _draw(folder / RUN, template, seed)
    seen = encoded(judge)
    ours, real = fid.moments(seen(pixels)), fid.moments(seen.held_out)
    arrays = {
        "mu": ours.mean, "sigma": ours.covariance,
        "reference_mu": real.mean, "reference_sigma": real.covariance,
    }  # fmt: skip
    # In float32, as they are kept: the figure is that of what is kept.
    held = {name: np.ascontiguousarray(array, np.float32) for name, array in arrays.items()}
    atomic.write_bytes(folder / MOMENTS, save(held))
    atomic.write_bytes(folder / PICTURE, grids.png(grids.grid(pixels[:SHOWN], columns=10)))
    facts = {
        "template_fingerprint": fingerprint(template),
        "kernel": kernel,
        "seed": seed,
        "steps": template.optimizer.training_steps,
        "samples": len(pixels),
        "extractor": seen.extractor,
        "judge_sha256": seen.sha256,
        "diagnostic": diagnostic,
        "wall_s": round(time.perf_counter() - began, 1),
        "cpu_s": round(time.process_time() - began_cpu, 1),
    }
    atomic.write_text(folder / FIGURES, json.dumps(facts, indent=1, sort_keys=True) + "\n")


def _train(folder: Path, template: Template, kernel: str, seed: int, judge: Path) -> list[str]:
    """The run of a template under another loss -> what demotes whatever is made from it."""
    require_neutral(template)
    extractor = FeatureExtractor(_encoder(judge), config=build.feature_config(template))
    options = run.RunOptions(folder, seed=seed, window=WINDOW, checkpoint_every=10**9)
    going = run.start(template, DigitsSource(), extractor, options, say=lambda text: None)
    if kernel != "plain":
        going.state.config = dataclasses.replace(going.state.config, kernel=kernel)
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


def require_neutral(template: Template) -> None:
    """Raise DriftError where a run would be taught by the features that judge it."""
    if template.loss.feature_taps != "none":
        raise DriftError(
            "loss.feature_taps", found=template.loss.feature_taps, expected="none",
            remedy="The encoder judges here; what has taught a setting is no judge of it.",
        )  # fmt: skip
