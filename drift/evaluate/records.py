"""Evaluation records: a number with everything that decides what it may be compared with.

A record is one JSON file (schema drift-evaluation/1) and, beside it, the components from which its
scores can be computed again. Its axis follows from the facts; nobody can state it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

import drift
from drift import atomic
from drift.digest import file_digest
from drift.errors import DriftError
from drift.evaluate import fid, pins
from drift.evaluate.extractors import FID_INCEPTION, INCEPTION_SHA256
from drift.evaluate.figures import Figure
from drift.sample.loading import BYPASSED, EMA, NO_GATES
from drift.state.environment import code_digest
from drift.state.record import now

SCHEMA = "drift-evaluation/1"
PAPER_EVAL, REPO_EVAL, PROXY, SMOKE = "paper-eval", "repo-eval", "proxy", "smoke"
TIERS = {PAPER_EVAL: "A", REPO_EVAL: "B", PROXY: "C", SMOKE: "C"}
PAPER_SAMPLES = 50_000
PAPER_RESIZE = "torchscript-bilinear-299"
TRUNCATE = "truncate"
IMAGENET = "imagenet"
BALANCED = "balanced"  # the same number of every class: the mix of ImageNet's validation labels
SUFFIX = ".components.safetensors"
TRACE = ".trace.safetensors"  # from which the samples and their features can be had again

PINNED_STATISTICS = pins.PINNED_STATISTICS


class RecordError(DriftError):
    """A record that cannot be written or is not what it says."""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What a number depends on besides the samples; None where nobody knows."""

    samples: int
    seeds: tuple[int, ...]
    alpha: float | None
    labels: str
    weights: str | None
    ema_decay: str | None = None
    checkpoint_sha256: str | None
    step: int | None = None
    template: str | None = None
    template_fingerprint: str | None
    column: str | None
    dataset: str | None
    tokenizer: str = "none"
    extractor: str
    extractor_sha256: str
    resize: str
    rounding: str = TRUNCATE
    statistics_sha256: str
    statistics_moments_sha256: str | None = None  # of moments and contract alone; None: the same
    statistics: Mapping[str, Any] = field(default_factory=dict)
    source: str
    source_sha256: str
    samples_sha256: str | None = None  # of the very pixels and labels that were measured, in order
    selected_from: int = 1
    bypasses: tuple[str, ...] = ()


def axis_of(facts: Facts) -> tuple[str, tuple[str, ...]]:
    """(evidence axis, what keeps it from a stronger one)."""
    if facts.bypasses or facts.checkpoint_sha256 is None:
        unknown = () if facts.checkpoint_sha256 else ("no checkpoint is known",)
        return SMOKE, (*facts.bypasses, *unknown)
    foreign = _not_the_protocol(facts)
    if foreign:
        return PROXY, foreign
    weaker = _not_the_papers(facts)
    return (REPO_EVAL, weaker) if weaker else (PAPER_EVAL, ())


def tier_of(facts: Facts, axis: str) -> str:
    """The most that a claim could be on this record.

    None where the run's gates were bypassed, and where nobody knows what drew the samples: a mark
    that was lost on the way must not leave more than the mark did.
    """
    bypassed = any(one.startswith(BYPASSED) or one == NO_GATES for one in facts.bypasses)
    return "none" if bypassed or facts.checkpoint_sha256 is None else TIERS[axis]


def _not_the_protocol(facts: Facts) -> tuple[str, ...]:
    """In what a record differs from the release's protocol."""
    wanted = {
        "dataset": IMAGENET,
        "extractor": FID_INCEPTION,
        "extractor_sha256": INCEPTION_SHA256,
        "resize": PAPER_RESIZE,
        "rounding": TRUNCATE,
        "weights": EMA,
    }
    return tuple(
        f"{name} is {getattr(facts, name)}, not {value}"
        for name, value in wanted.items()
        if getattr(facts, name) != value
    )


def _not_the_papers(facts: Facts) -> tuple[str, ...]:
    """In what a record of the protocol is less than the paper's."""
    found = []
    if facts.samples < PAPER_SAMPLES:
        found.append(f"{facts.samples} samples, not {PAPER_SAMPLES}")
    if facts.statistics_sha256 not in PINNED_STATISTICS:
        found.append("statistics that are not the pinned ones")
    if facts.labels != BALANCED:
        found.append(f"labels are {facts.labels}, not those of the validation set")
    if facts.column is None or facts.template_fingerprint is None:
        found.append("no column of Table 8")
    return tuple(found)


def record_of(facts: Facts, figures: Mapping[str, Figure], **more: Any) -> dict[str, Any]:
    """The record without its components; `more` are further JSON values."""
    axis, reasons = axis_of(facts)
    return {
        "schema": SCHEMA,
        "axis": axis,
        "axis_because": list(reasons),
        "tier": tier_of(facts, axis),
        **asdict(facts),
        "metrics": {name: figure.as_dict() for name, figure in figures.items()},
        **more,
        "created": now(),
        "code_sha256": code_digest(),
        "versions": _versions(),
    }


def write(
    path: Path,
    record: Mapping[str, Any],
    components: Mapping[str, NDArray[Any]],
    trace: Mapping[str, NDArray[Any]] | None = None,
) -> dict[str, Any]:
    """Write components and trace, then the record that names their digests -> as it was written.

    trace  what draws the samples again, where it is small enough to be kept
    Raises RecordError where a file is in the way or the disk refuses; nothing is then left behind.
    """
    parts = {"components": (path.with_name(path.stem + SUFFIX), components)}
    if trace is not None:
        parts["trace"] = (path.with_name(path.stem + TRACE), trace)
    for place in (path, *(beside for beside, _ in parts.values())):
        if place.exists():
            raise RecordError(
                str(place), found="a file there", expected="none", remedy="Choose another --out."
            )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        named = {name: _beside(*part) for name, part in parts.items()}
        whole = {**record, **named}
        text = json.dumps(whole, indent=1, sort_keys=True, allow_nan=False) + "\n"
        atomic.write_bytes(path, text.encode(), exclusive=True)
    except (OSError, ValueError, TypeError) as error:
        for beside, _ in parts.values():
            beside.unlink(missing_ok=True)
        raise RecordError(
            str(path), found=f"a record that cannot be written ({error})", expected="a new file"
        ) from error
    return whole


def _beside(place: Path, arrays: Mapping[str, NDArray[Any]]) -> dict[str, str]:
    """Write arrays -> the file and its digest, as a record names them."""
    contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    atomic.write_bytes(place, save(contiguous, metadata={"schema": SCHEMA}))
    return {"file": place.name, "sha256": file_digest(place)}


def read_components(path: Path, record: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    """The components of a record at `path`; raises RecordError where they are not its own."""
    named = record.get("components", {})
    beside = path.with_name(Path(str(named.get("file", ""))).name or "no name")
    if not beside.is_file():
        raise RecordError(str(path), found="no file of components", expected=str(named.get("file")))
    found = file_digest(beside)
    if found != named.get("sha256"):
        raise RecordError(str(beside), found=f"sha256 {found}", expected=str(named.get("sha256")))
    try:
        return dict(load(beside.read_bytes()))
    except SafetensorError as error:
        raise RecordError(str(beside), found=str(error), expected="safetensors") from error


def recomputed(components: Mapping[str, NDArray[Any]]) -> dict[str, float]:
    """Scores from their components, by name of the metric."""
    found: dict[str, float] = {}
    for name in ("fid", "fid_proxy"):
        if f"{name}/mu" in components:
            ours, theirs = (
                fid.Moments(components[f"{name}/{side}mu"], components[f"{name}/{side}sigma"], 0)
                for side in ("", "reference_")
            )
            found[name] = fid.frechet(ours, theirs)
    for name in ("precision", "recall", "coverage", "class_accuracy"):
        if f"{name}/hits" in components:
            found[name] = float(components[f"{name}/hits"].mean())
    if "inception_score/splits" in components:
        found["inception_score"] = float(components["inception_score/splits"].mean())
    return found


def _versions() -> dict[str, str]:
    from importlib.metadata import PackageNotFoundError, version

    found = {"drift": drift.__version__}
    for name in ("torch", "numpy", "torch_fidelity"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "absent"
    return found
