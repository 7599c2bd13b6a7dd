"""Recording a case: what the recorder gives, given again elsewhere, and what its noise allows.

The recorder runs in two fresh processes, the second one in the reverse order: what depends on the
process, on its hash seed or on what ran before is no recording. Nothing is written before all of
that held, and both files appear whole.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from verify import __version__
from verify.files import write_bytes
from verify.numeric.arrays import largest
from verify.numeric.cases import SCHEMA
from verify.problems import IntegrityError, UsageError
from verify.spec.bindings import Binding

__all__ = ["NOISES", "Recorded", "measure", "record", "require_free", "write"]

INPUT = "in/"
ROUNDINGS = 16  # of the largest value: no tolerance is smaller, however small the measured noise
OTHER_SEEDS = 4

AGAIN = "equal bit for bit, in another process, in the reverse order"

Arrays = dict[str, NDArray[Any]]
Run = tuple[int, str]  # seed, dtype


@dataclass(frozen=True)
class Noise:
    """What a tolerance rests on: the runs that are compared, a factor on what differs, and why."""

    factor: float
    basis: str
    seeds: int = 1
    dtypes: tuple[str, ...] = ("float64",)

    def runs(self, seed: int) -> list[Run]:
        """(seed, dtype) of every run; the first one is kept."""
        return [(seed + n, dtype) for n in range(self.seeds) for dtype in self.dtypes]


NOISES: Mapping[str, Noise] = {
    "precision": Noise(
        10.0,
        f"10 times the largest difference between float32 and float64, at least {ROUNDINGS} "
        "roundings of the largest value",
        dtypes=("float32", "float64"),
    ),
    "seeds": Noise(
        3.0,
        f"3 times the largest difference between the seed and {OTHER_SEEDS} others, at least "
        f"{ROUNDINGS} roundings of the largest value",
        seeds=1 + OTHER_SEEDS,
    ),
    "exact": Noise(0.0, "nothing is allowed: the recording is of exact values"),
}


@dataclass(frozen=True)
class Recorded:
    """The kept arrays, what their other runs differ by, and all that is said of them."""

    arrays: Arrays
    meta: Mapping[str, Any]


def record(root: Path, binding: Binding, case: str, seed: int) -> Recorded:
    """Run the recorder twice over; raises UsageError where it raised, IntegrityError as `measure`.

    root  of the pack; `binding` says where its recorder stands
    """
    given = _elsewhere(root, binding, case, seed, backwards=False)
    again = _elsewhere(root, binding, case, seed, backwards=True)
    for run, one, other in zip(given.runs, given.arrays, again.arrays, strict=True):
        _require_equal(f"{case}, seed {run[0]}, {run[1]}", one, other)
    arrays = given.arrays[0]
    recorder = {"file": binding.file, "sha256": _sha256((root / binding.file).read_bytes())}
    meta = {
        "schema": SCHEMA,
        "case": case,
        "check": binding.name,
        "recorder": recorder,
        "seed": seed,
        "noise": given.noise,
        "stages": stages_of(arrays),
        "arrays": {k: {"dtype": str(v.dtype), "shape": v.shape} for k, v in arrays.items()},
        **measure(case, given.arrays, NOISES[given.noise]),
        "versions": {"verify": __version__, **given.versions},
    }
    return Recorded(arrays, meta)


def stages_of(arrays: Mapping[str, Any]) -> list[str]:
    """All but the inputs, in the order of computation."""
    return [name for name in arrays if not name.startswith(INPUT)]


def measure(case: str, runs: Sequence[Arrays], noise: Noise) -> dict[str, Any]:
    """Self-check and tolerance of the first run, from all of them.

    Raises IntegrityError where nothing was recorded, where the runs differ in more than noise,
    where no noise was found though some was to be measured, and where zeros would be allowed.
    """
    first, *others = runs
    stages = stages_of(first)
    if not stages:
        raise _dirty(case, "no stage", "arrays beside the inputs", "return what is computed")
    for other in others:
        _require_same_question(case, first, other)
    apart = {s: max((_difference(first[s], o[s]) for o in others), default=0.0) for s in stages}
    if others and not any(apart.values()):
        expected = "runs that differ by the noise to be measured"
        remedy = 'compute in ctx.dtype from ctx.rng(), or register it with noise="exact"'
        raise _dirty(case, f"no difference between {len(runs)} runs", expected, remedy)
    sizes = {s: largest(np.nan_to_num(first[s], posinf=0, neginf=0)) for s in stages}
    floors = {s: _rounding(first[s]) * sizes[s] if others else 0.0 for s in stages}
    allowed = {s: max(noise.factor * apart[s], floors[s]) for s in stages}
    for s in stages:
        if allowed[s] > 0.0 and not allowed[s] < sizes[s]:
            found = f"stage {s} with values to {sizes[s]:.3g} and noise {apart[s]:.3g}"
            raise _dirty(case, found, "less noise than zeros would be off by", "record another")
    check = {"recorded_again": AGAIN, "largest": sizes, "difference": apart}
    return {"self_check": check, "tolerance": {"basis": noise.basis, "absolute": allowed}}


def require_free(folder: Path, name: str, *, replace: bool) -> None:
    """Raises UsageError where a file of the case is there already."""
    there = [path.name for path in _files(folder, name) if path.exists()]
    if there and not replace:
        raise UsageError(
            f"{folder}: found {' and '.join(there)} already there; expected a new case; remedy: "
            "choose another --case, or say --replace"
        )


def write(folder: Path, name: str, recorded: Recorded) -> tuple[Path, Path]:
    """`NAME.safetensors`, then `NAME.json` with its digest; raises UsageError.

    Arrays of one recording beside the words of another are refused when they are read.
    """
    from safetensors.numpy import save

    tensors, words = _files(folder, name)
    fresh = not words.exists()
    data = save(recorded.arrays)
    meta = {**recorded.meta, "sha256": _sha256(data)}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_bytes(tensors, data)
        write_bytes(words, (json.dumps(meta, indent=1, ensure_ascii=False) + "\n").encode())
    except OSError as error:
        if fresh:
            tensors.unlink(missing_ok=True)
        raise UsageError(f"{folder}: cannot be written ({error.strerror})") from None
    return tensors, words


def _files(folder: Path, name: str) -> tuple[Path, Path]:
    return folder / f"{name}.safetensors", folder / f"{name}.json"


@dataclass(frozen=True)
class _Given:
    """What a process gave: arrays run by run, and how it came to them."""

    noise: str
    runs: list[Run]
    arrays: list[Arrays]
    versions: dict[str, str]


def _elsewhere(root: Path, binding: Binding, case: str, seed: int, *, backwards: bool) -> _Given:
    """What the recorder gives in a process of its own, in the order of its runs."""
    from safetensors.numpy import load_file

    with TemporaryDirectory() as place:
        asked = {"root": str(root), "module": binding.module, "name": binding.name, "case": case,
                 "seed": seed, "backwards": backwards, "folder": place}  # fmt: skip
        done = subprocess.run(
            [sys.executable, "-P", "-m", "verify.numeric.recorder"],
            input=json.dumps(asked), capture_output=True, text=True,
            env={**os.environ, "PYTHONHASHSEED": "2" if backwards else "1"},
        )  # fmt: skip
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no word"])[-1]
            raise UsageError(
                f"{binding.file}:{binding.line}: {binding.name}: found that the recorder gave "
                f"nothing for {case!r} ({last}); expected arrays; remedy: mend it"
            )
        told = json.loads((Path(place) / "told.json").read_text(encoding="utf-8"))
        held = [load_file(Path(place) / f"{at}.safetensors") for at in range(len(told["names"]))]
    ordered = [{k: one[k] for k in names} for one, names in zip(held, told["names"], strict=True)]
    return _Given(told["noise"], told["runs"], ordered, told["versions"])


def _require_equal(place: str, one: Arrays, other: Arrays) -> None:
    for name in [*one, *(name for name in other if name not in one)]:
        a, b = one.get(name), other.get(name)
        if a is None or b is None or a.dtype != b.dtype or a.tobytes() != b.tobytes():
            expected = "the same arrays from another process"
            raise _dirty(place, f"{name} differs", expected, "draw from ctx.rng() and nothing else")
    if list(one) != list(other):
        raise _dirty(place, "another order of names", "one order", "do not iterate over a set")


def _require_same_question(case: str, one: Arrays, other: Arrays) -> None:
    """Runs that are compared have the same names, shapes and inputs."""
    for name in {**one, **other}:
        a, b = one.get(name), other.get(name)
        if a is None or b is None or a.shape != b.shape:
            raise _dirty(case, f"{name} in some runs alone", "the same in all", "record all of it")
        if name.startswith(INPUT) and not np.array_equal(a, b, equal_nan=a.dtype.kind == "f"):
            expected = "inputs that are the case's own, whatever the seed and the dtype"
            remedy = "draw them from np.random.default_rng of the case, rounded to float32"
            raise _dirty(case, f"{name} differs between runs", expected, remedy)


def _difference(one: NDArray[Any], other: NDArray[Any]) -> float:
    a, b = (np.asarray(value, dtype=np.float64) for value in (one, other))
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    with np.errstate(invalid="ignore"):
        apart = np.where(same, 0.0, a - b)
    return largest(np.where(np.isnan(apart), np.inf, apart))


def _rounding(array: NDArray[Any]) -> float:
    return ROUNDINGS * float(np.finfo(array.dtype).eps) if array.dtype.kind == "f" else 0.0


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _dirty(place: str, found: str, expected: str, remedy: str) -> IntegrityError:
    return IntegrityError(
        f"{place}: found {found}; expected {expected}; remedy: {remedy}; nothing was written"
    )
