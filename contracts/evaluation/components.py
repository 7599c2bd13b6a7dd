"""Figures computed again from the arrays beside a record, by code that is not the engine's.

A figure that is owed arrays and has none is a problem, as is an array that does not have the size
the record states: the run's figures and each baseline's, values and intervals alike.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from verify.api import mutant

FID_NAMES = ("fid", "fid_proxy")
SHARES = ("precision", "recall", "coverage", "class_accuracy")
MOMENTS = ("mu", "sigma", "reference_mu", "reference_sigma")
MISMATCH = 1.0e-6  # of the score: float64 eigenvalues by two orders of the same product
Z = 1.959963984540054
# Of a half-width: the quantiles of 200 resamples stray by a seventh of it, one standard deviation.
INTERVAL = 0.35
WIDTHS = {
    "fid-inception-2015-12-05": 2048,
    "fid-inception-2015-12-05-tensorflow-resize": 2048,
    "drift-mae-layer4-pca64": 64,
}
CONTRACT = ("extractor", "extractor_sha256", "resize", "rounding")
Record = Mapping[str, Any]
Arrays = Mapping[str, Any]


class RecordError(Exception):
    """A record that cannot be used; the message names file, field, found and expected."""


def beside(name: str, record: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Place and figure of all that baselines state; raises RecordError for what is not their kind.

    Not every record has baselines, classes that collapsed, or a count of classes.
    """
    for field, kind in (("baselines", dict), ("collapsed", list), ("classes_covered", int)):
        _require(f"{name}: {field}", record.get(field, kind()), kind)
    for rival, made in record.get("baselines", {}).items():
        place = f"{name}: baselines.{rival}"
        _require(place, made, dict)
        _require(f"{place}.metrics", made.get("metrics"), dict)
        yield from ((f"{place}.metrics.{key}", one) for key, one in made["metrics"].items())


def _require(place: str, value: Any, kind: type) -> None:
    if type(value) is not kind:
        found = type(value).__name__
        raise RecordError(f"{place}: found {found}, expected {kind.__name__}")


def problem_of(record: Record) -> str | None:
    """The first thing in which a record is not what its components say; None without any."""
    arrays = read_arrays(Path(record["path"]), record, "components")
    return next(_problems(record, arrays), None)


def recomputed_names(record: Record) -> list[str]:
    """The figures of a record that are computed again."""
    owed = (*FID_NAMES, *SHARES, "inception_score")
    return [name for name in record["metrics"] if name in owed]


def _problems(record: Record, arrays: Arrays) -> Iterator[str]:
    if len(record["seeds"]) != 1 or type(record["seeds"][0]) is not int:
        yield f"seeds are {record['seeds']!r}; expected one: a record is one drawing of samples"
    yield from _shapes(record, arrays)
    yield from _reference(record, arrays)
    own = {key: array for key, array in arrays.items() if not key.startswith("baselines/")}
    yield from _figures(record, record["metrics"], own)
    for name, made in record.get("baselines", {}).items():
        shared = {key: array for key, array in arrays.items() if "/reference_" in key}
        prefix = f"baselines/{name}/"
        mine = {k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)}
        said = f"baseline {name!r}: "
        yield from (f"{said}{one}" for one in _figures(record, made["metrics"], shared | mine))
    yield from _classes(record, arrays)


def _shapes(record: Record, arrays: Arrays) -> Iterator[str]:
    width = WIDTHS.get(record["extractor"])
    for key, array in arrays.items():
        part = key.rpartition("/")[2]
        if part in MOMENTS:
            sides = tuple(array.shape)
            if len(sides) != (2 if part.endswith("sigma") else 1) or len(set(sides)) != 1:
                yield f"{key} has shape {sides}"
            elif width is not None and sides[0] != width:
                yield f"{key} is {sides[0]} wide; {record['extractor']} gives {width} numbers"


def _reference(record: Record, arrays: Arrays) -> Iterator[str]:
    """The digest of the reference's moments is the one that is stated, as is what made them."""
    contract = record.get("statistics", {})
    for name in FID_NAMES:
        if f"{name}/reference_mu" not in arrays or f"{name}/reference_sigma" not in arrays:
            continue
        overridden = any("statistics overridden" in one for one in record["bypasses"])
        for field in () if overridden else CONTRACT:
            if contract.get(field) != record[field]:
                yield f"statistics.{field} is {contract.get(field)!r}, {field} {record[field]!r}"
        found = moments_digest(
            contract, arrays[f"{name}/reference_mu"], arrays[f"{name}/reference_sigma"]
        )
        stated = (record["statistics_sha256"], record.get("statistics_moments_sha256"))
        if found not in stated:
            yield f"the reference's moments have digest {found}, stated is {stated[0]}"


def moments_digest(contract: Mapping[str, Any], mean: Any, covariance: Any) -> str:
    """sha256 of reference moments with their contract, as statistics of moments alone have it."""
    found = hashlib.sha256(json.dumps(dict(contract), sort_keys=True).encode())
    for name, array in (("mu", mean), ("sigma", covariance)):
        found.update(f"\0{name} {array.shape} {array.dtype.str}\0".encode())
        found.update(array.tobytes())
    return found.hexdigest()


def _figures(record: Record, metrics: Mapping[str, Any], arrays: Arrays) -> Iterator[str]:
    scores = scores_of(arrays)
    for name, value in scores.items():
        if name not in metrics:
            yield f"components of {name}, which the record does not have"
            continue
        figure = metrics[name]
        if not abs(figure["value"] - value) <= MISMATCH * (1.0 + abs(value)):
            yield f"{name} is {figure['value']}, its components give {value}"
        yield from _interval(record, name, figure, arrays)
    owed = (*FID_NAMES, *SHARES, "inception_score")
    yield from (f"{name} without its components" for name in metrics
                if name in owed and name not in scores)  # fmt: skip


def _interval(
    record: Record, name: str, figure: Mapping[str, Any], arrays: Arrays
) -> Iterator[str]:
    """The interval follows from what was counted, or from the resamples that are kept."""
    import numpy as np

    low, high = figure["interval"]
    if name in SHARES:
        hits = np.asarray(arrays[f"{name}/hits"], np.float64)
        if len(hits) != figure["count"] or hits.min() < 0.0 or hits.max() > 1.0:
            yield f"{name}: {len(hits)} indicators in [{hits.min()}, {hits.max()}], count "\
                f"{figure['count']}"  # fmt: skip
        if name == "class_accuracy" and len(hits) != record["samples"]:
            yield f"{name}: {len(hits)} samples judged of {record['samples']}"
        ends = _share_interval(hits)
        half = (ends[1] - ends[0]) / 2
        slack = INTERVAL * half + 1.0 / len(hits)
        if abs(low - ends[0]) > slack or abs(high - ends[1]) > slack:
            yield f"{name}: interval {[low, high]}, its indicators give {list(ends)}"
        return
    if figure["count"] != record["samples"]:
        yield f"{name}: count {figure['count']}, the record has {record['samples']} samples"
    values = arrays.get(f"{name}/resampled")
    if values is None or values.ndim != 1 or len(values) < 2:
        yield f"{name}: an interval without its resamples"
        return
    half = Z * float(np.std(np.asarray(values, np.float64), ddof=1))
    least = 1.0 if name == "inception_score" else 0.0
    wanted = (min(figure["value"], max(least, figure["value"] - half)), figure["value"] + half)
    if not np.allclose((low, high), wanted, rtol=MISMATCH, atol=MISMATCH):
        yield f"{name}: interval {[low, high]}, its resamples give {list(wanted)}"


def _share_interval(hits: Any) -> tuple[float, float]:
    """The normal interval of a mean; Wilson's where all or none hit."""
    n, value = len(hits), float(hits.mean())
    if value in (0.0, 1.0):
        reach = Z * Z / (n + Z * Z)
        return (0.0, reach) if value == 0.0 else (1.0 - reach, 1.0)
    half = Z * float(hits.std()) / math.sqrt(n)
    return value - half, value + half


def _classes(record: Record, arrays: Arrays) -> Iterator[str]:
    """Lost and collapsed classes follow from the spread of each and the real digits it reached."""
    spreads = arrays.get("spread/by_class")
    if spreads is None:
        return
    collapsed = [label for label, spread in enumerate(spreads) if spread < 0.5]
    if list(record.get("collapsed", [])) != collapsed:
        yield f"collapsed are {record.get('collapsed')}, the spread of the classes says {collapsed}"
    each = record.get("per_class", [])
    reached, start = arrays.get("coverage/hits"), 0
    sizes = [one.get("real", 0) for one in each]
    if reached is None or len(each) != len(spreads) or sum(sizes) != len(reached):
        yield f"per_class has {len(each)} classes of {sum(sizes)} real samples"
        return
    covered = 0
    for one, size in zip(each, sizes, strict=True):
        share = float(reached[start : start + size].mean())
        start += size
        if not abs(share - one["coverage"]) <= MISMATCH:
            yield f"class {one['label']}: coverage {one['coverage']}, its indicators give {share}"
        covered += one["count"] > 0 and share >= 0.5 * _equal(size, min(one["count"], size))
    if covered != record.get("classes_covered"):
        yield f"classes_covered is {record.get('classes_covered')}, the indicators give {covered}"


def _equal(real: int, generated: int) -> float:
    """Coverage of as many samples of the same distribution (Naeem 2020, Lemma 2), k = 5."""
    missed = math.prod((real - j) / (real + generated - j) for j in range(1, 6))
    return 1.0 - missed if generated else 0.0


def read_arrays(record: Path, whole: Record, part: str) -> dict[str, Any]:
    """Arrays of a file beside a record, whose digest the record names under `part`."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    named = whole.get(part)
    named = named if isinstance(named, dict) else {}
    path = record.with_name(Path(str(named.get("file", "missing"))).name)
    if not path.is_file():
        raise RecordError(f"{record.name}: {part}: found no {path.name}, expected a file")
    data = path.read_bytes()
    found = hashlib.sha256(data).hexdigest()
    if found != named.get("sha256"):
        raise RecordError(f"{path.name}: found sha256 {found}, expected {named.get('sha256')}")
    try:
        return dict(load(data))
    except SafetensorError as error:
        raise RecordError(f"{path.name}: found {error}, expected safetensors") from None


def scores_of(arrays: Arrays) -> dict[str, float]:
    """Scores by name, from moments, indicators and split scores."""
    import numpy as np

    found: dict[str, float] = {}
    for name in FID_NAMES:
        if all(f"{name}/{part}" in arrays for part in MOMENTS):
            wide = {part: arrays[f"{name}/{part}"].astype(np.float64) for part in MOMENTS}
            mean = wide["mu"] - wide["reference_mu"]
            one, two = wide["sigma"], wide["reference_sigma"]
            roots = np.sqrt(np.linalg.eigvals(two @ one).astype(np.complex128)).real.sum()
            found[name] = float(mean @ mean + np.trace(one) + np.trace(two) - 2.0 * roots)
    for name in SHARES:
        if f"{name}/hits" in arrays:
            found[name] = float(np.mean(arrays[f"{name}/hits"]))
    if "inception_score/splits" in arrays:
        found["inception_score"] = float(np.mean(arrays["inception_score/splits"]))
    return found


@mutant("evaluation.baseline_edited")
def baseline_edited(subject: object) -> AbstractContextManager[object]:
    """Every figure of every baseline was edited by a thousandth; the components were not."""
    real = problem_of

    def typed(figure: Mapping[str, Any]) -> dict[str, Any]:
        return {**figure, "value": figure["value"] * 0.999}

    def problem(record: Record) -> str | None:
        rivals = {
            name: {**made, "metrics": {k: typed(v) for k, v in made["metrics"].items()}}
            for name, made in record.get("baselines", {}).items()
        }
        return real({**record, "baselines": rivals} if rivals else record)

    return patch(f"{__name__}.problem_of", problem)


@mutant("evaluation.components_gone")
def components_gone(subject: object) -> AbstractContextManager[object]:
    """Moments are no longer among the components; shares still are."""
    real = read_arrays

    def read(*given: Any) -> dict[str, Any]:
        return {k: v for k, v in real(*given).items() if not k.startswith(FID_NAMES)}

    return patch(f"{__name__}.read_arrays", read)
