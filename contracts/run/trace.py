"""Samples of whole runs on digits, drawn again from the weights that are kept beside each record.

Components can be typed as figures can. These are compared with what kept weights draw and a kept
encoder sees: only who has trained such weights has such components.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from drift.digits import NotInstalledError
from drift.errors import DriftError
from drift.evaluate import kept
from drift.sample import grids
from verify.api import CheckContext, Measurement, check, mutant

from ..evaluation import components
from ..evaluation import records as evaluation
from . import records as digits_run

Record = dict[str, Any]
Arrays = dict[str, Any]
CLASSES, SHOWN = 10, 100
# How far a byte that another machine rounds otherwise may move each kind of array.
ALLOWED = {"mu": 1e-3, "sigma": 5e-3, "hits": 5e-3, "by_class": 1e-2, "resampled": 0.6}


@check("digits_trace.drawn_again", needs=digits_run.NEEDS)
def drawn_again(ctx: CheckContext) -> Measurement:
    """The largest difference between kept components and those of samples drawn again."""
    found = digits_run.runs(ctx)
    if isinstance(found, Measurement):
        return found
    template = ctx.subject.load_template(digits_run.template_of(ctx))
    worst, at, weights = 0.0, "nothing", set()
    for record in found:
        name = Path(record["path"]).name
        try:
            trace = components.read_arrays(Path(record["path"]), record, "trace")
            weights.add(_digest(trace))
            for off, place in _differences(record, trace, template):
                worst, at = max((worst, at), (off, f"{name}: {place}"))
                if not worst <= 1.0:  # one is enough; the rest costs minutes
                    return _judged(ctx, worst, at, found)
        except NotInstalledError:
            raise  # nobody knows, and the harness says what is missing
        except (components.RecordError, DriftError) as error:
            return ctx.decide(False, f"{name}: {error}")
    if len(weights) < len(digits_run.checkpoints(found)):
        return ctx.decide(False, "two records are kept with the same weights: one run")
    return _judged(ctx, worst, at, found, pictures(found[0], template))


def pictures(record: Record, template: Any) -> list[dict[str, str]]:
    """Samples of the kept weights and of each baseline, a column a class, for the report."""
    trace = components.read_arrays(Path(record["path"]), record, "trace")
    drawn = kept.samples(
        trace, template, count=SHOWN, seed=record["seeds"][0], alpha=record["alpha"]
    )
    return [
        {
            "kind": "picture",
            "title": f"{name.removeprefix('baselines/') or Path(record['path']).stem}: "
            f"{SHOWN} samples, a column a class",
            "alt": f"A grid of {SHOWN} small grey digits, ten rows of the classes 0 to 9.",
            "png": base64.b64encode(grids.png(grids.grid(pixels, CLASSES))).decode("ascii"),
        }
        for name, pixels in drawn.items()
    ]


def _judged(
    ctx: CheckContext,
    worst: float,
    at: str,
    found: list[Record],
    drawn: Sequence[dict[str, str]] = (),
) -> Measurement:
    return ctx.judge(
        worst, f"{at} differs by {worst:.3g} of what rounding may change",
        unit="of what rounding may change", axis=digits_run.PROXY,
        provenance=digits_run.provenance(found), details={"drawn": list(drawn)},
    )  # fmt: skip


def _differences(record: Record, trace: Arrays, template: Any) -> Iterator[tuple[float, str]]:
    """(difference over what is allowed, array), the run's first, then its baselines'."""
    sha256 = kept.encoder_sha256(trace, template)
    if sha256 != record["extractor_sha256"]:
        raise components.RecordError(
            f"extractor_sha256: found {record['extractor_sha256']}, expected {sha256} of the "
            "encoder that is kept"
        )
    arrays = components.read_arrays(Path(record["path"]), record, "components")
    drawn = kept.components(
        trace, template, count=record["samples"], seed=record["seeds"][0], alpha=record["alpha"]
    )
    for prefix, again in drawn:
        for name, array in again.items():
            if prefix and ("/reference_" in name or name.startswith("spread/")):
                continue  # those of the run
            yield _off(arrays.get(f"{prefix}{name}"), array, name), f"{prefix}{name}"


def _off(held: Any, again: Any, name: str) -> float:
    part = name.rpartition("/")[2].removeprefix("reference_")
    if part == "resampled":
        ratio = float(np.std(held, ddof=1) / np.std(again, ddof=1)) if held is not None else 0.0
        return abs(ratio - 1.0) / ALLOWED[part]
    if held is None or held.shape != again.shape:
        return float("inf")
    difference = np.abs(np.asarray(held, np.float64) - np.asarray(again, np.float64))
    size = difference.mean() if part == "hits" else difference.max() / (1.0 + np.abs(again).max())
    return float(size) / ALLOWED[part]


def _digest(trace: Arrays) -> str:
    found = hashlib.sha256()
    for name in sorted(trace):
        if name.startswith(f"{kept.GENERATOR}/"):
            found.update(trace[name].tobytes())
    return found.hexdigest()


def _with_trace(change: Any) -> AbstractContextManager[object]:
    original = components.read_arrays

    def read(path: Path, record: Any, part: str) -> Arrays:
        arrays = original(path, record, part)
        return change(arrays) if part == "trace" else arrays

    return patch.object(components, "read_arrays", read)


@mutant("digits_trace.other_weights")
def other_weights(subject: object) -> AbstractContextManager[Any]:
    """The samples are not those of the weights that are kept: these were trained otherwise."""

    def change(arrays: Arrays) -> Arrays:
        mine = f"{kept.GENERATOR}/"
        return {k: v * np.float32(1.01) if k.startswith(mine) and v.dtype.kind == "f" else v
                for k, v in arrays.items()}  # fmt: skip

    return _with_trace(change)


@mutant("digits_trace.other_encoder")
def other_encoder(subject: object) -> AbstractContextManager[Any]:
    """The features are of another encoder than the one that the record names."""

    def change(arrays: Arrays) -> Arrays:
        mine = f"{kept.ENCODER}/"
        return {k: v[::-1].copy() if k.startswith(mine) and v.ndim == 4 else v
                for k, v in arrays.items()}  # fmt: skip

    return _with_trace(change)


@mutant("digits_trace.typed_components")
@contextmanager
def typed_components(subject: object) -> Iterator[None]:
    """Figures and components agree with each other and were both typed: a nearer mean."""
    original = components.read_arrays

    def read(path: Path, record: Any, part: str) -> Arrays:
        arrays = original(path, record, part)
        if part != "components":
            return arrays
        nearer = 0.5 * (arrays["fid_proxy/mu"] + arrays["fid_proxy/reference_mu"])
        return arrays | {"fid_proxy/mu": nearer}

    with (
        patch.object(components, "read_arrays", read),
        patch.object(digits_run, "_problem", lambda record: None),
    ):
        yield


@mutant("digits_trace.one_run_thrice")
@contextmanager
def one_run_thrice(subject: object) -> Iterator[None]:
    """One run is kept under three names."""
    original = evaluation.load_records

    def load(folder: Path) -> list[Record]:
        records = original(folder)
        if not records:
            return records
        names = ("path", "trace", "components", "seeds", "samples", "extractor_sha256", "alpha")
        return [record | {name: records[0][name] for name in names} for record in records]

    with (
        patch.object(evaluation, "load_records", load),
        patch.object(digits_run, "_problem", lambda record: None),
        patch(f"{__name__}._differences", lambda *given: iter(())),
    ):
        yield
