"""Checkpoints: immutable step files, `step-00000040.safetensors`, each complete in itself.

Tensors are those of model, optimiser, averages and queues by slash-separated names; everything else
(step, loader position, configuration and its fingerprint) is JSON in the header. One digest covers
both, so a file that was cut or changed by a bit is never taken for a good one. There is no pickle.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load, save
from torch import Tensor

from drift import atomic
from drift.artifacts import header
from drift.artifacts.errors import ArtifactError
from drift.errors import DriftError
from drift.ranks import Ranks

SCHEMA = "drift-checkpoint/1"
_NAME = re.compile(r"step-(\d{8})\.safetensors\Z")


class CheckpointError(DriftError):
    """A checkpoint that cannot be used."""


@dataclass(frozen=True)
class Checkpoint:
    """What a run is after `step` updates; `facts` are plain JSON."""

    step: int
    tensors: Mapping[str, Tensor]
    facts: Mapping[str, Any]

    def group(self, prefix: str) -> dict[str, Tensor]:
        """The tensors under `prefix/`, without it."""
        lead = f"{prefix}/"
        return {k.removeprefix(lead): v for k, v in self.tensors.items() if k.startswith(lead)}


def path_of(folder: Path, step: int) -> Path:
    """Where the checkpoint of a step lies."""
    return folder / f"step-{step:08d}.safetensors"


def write(folder: Path, checkpoint: Checkpoint) -> Path:
    """Write a checkpoint under its step; an existing one is never overwritten."""
    path = path_of(folder, checkpoint.step)
    tensors = {name: t.detach().cpu().contiguous() for name, t in checkpoint.tensors.items()}
    facts = _canonical({**checkpoint.facts, "step": checkpoint.step, "schema": SCHEMA})
    # One entry: several would be written in the random order of a hash map.
    metadata = {"checkpoint": _canonical({"facts": facts, "digest": _digest(tensors, facts)})}
    try:
        atomic.write_bytes(path, save(tensors, metadata=metadata), exclusive=True)
    except FileExistsError as error:
        raise CheckpointError(
            str(path), found=f"a file already there ({error.strerror})", expected="a new name",
            remedy="Another process wrote it, or it was put there: move it away, then --resume.",
        ) from error  # fmt: skip
    except OSError as error:
        raise CheckpointError(
            str(path),
            found=f"a file that cannot be written ({error.strerror or error})",
            expected="room and permission for a new file",
            remedy="Earlier checkpoints are untouched; free space and resume from the last one.",
        ) from error
    return path


def read(path: Path) -> Checkpoint:
    """Read and verify a checkpoint; raises CheckpointError with what is wrong."""
    try:
        checked = header.read_header(path)  # bounds every size before anything is allocated
        metadata = json.loads((checked.metadata or {})["checkpoint"])
        facts, digest = metadata["facts"], metadata["digest"]
        tensors = load(path.read_bytes())
    except (ArtifactError, OSError, ValueError, KeyError, TypeError) as error:
        raise _bad(path, str(error)) from error
    except Exception as error:  # safetensors raises its own type for a damaged file
        raise _bad(path, str(error)) from error
    if digest != _digest(tensors, facts):
        raise _bad(path, "contents that do not have the digest written with them")
    parsed = json.loads(facts)
    if parsed.get("schema") != SCHEMA:
        raise _bad(path, f"schema {parsed.get('schema')!r}", expected=f"schema {SCHEMA}")
    return Checkpoint(parsed["step"], tensors, parsed)


def steps(folder: Path) -> list[int]:
    """Steps of the checkpoints of a folder, ascending."""
    found = (_NAME.match(path.name) for path in folder.glob("step-*.safetensors"))
    return sorted(int(match[1]) for match in found if match)


def latest_good(folder: Path, say: Callable[[str], None]) -> Checkpoint | None:
    """The newest checkpoint that verifies; each one passed over is said with its reason."""
    for step in reversed(steps(folder)):
        path = path_of(folder, step)
        try:
            return read(path)
        except CheckpointError as error:
            say(f"passed over: {error}")
    return None


def require_latest(folder: Path, say: Callable[[str], None]) -> Checkpoint:
    """`latest_good`; raises CheckpointError where no checkpoint of the folder verifies."""
    kept = latest_good(folder, say)
    if kept is None:
        raise CheckpointError(
            str(folder),
            found="no checkpoint that verifies",
            expected="at least one",
            remedy="Start the run anew in another folder.",
        )
    return kept


def latest(folder: Path, ranks: Ranks, say: Callable[[str], None]) -> Checkpoint:
    """The newest good checkpoint of a folder that all processes see, the same on each.

    Raises CheckpointError where the writer finds none, or another process not the writer's.
    """
    found: list[Checkpoint] = []
    ranks.by_writer(lambda: found.append(require_latest(folder, say)))
    step = ranks.agree(number=found[0].step if found else 0)
    with ranks.met():
        return found[0] if found else read(path_of(folder, step))


def set_aside(folder: Path, after: int, say: Callable[[str], None]) -> None:
    """Rename, and keep, the step files later than `after` that do not verify: their steps are done
    again, and the names are wanted. Raises CheckpointError for a good one."""
    for step in steps(folder):
        if step <= after:
            continue
        path = path_of(folder, step)
        try:
            read(path)
        except CheckpointError:
            kept = _free(path.with_name(f"{path.name}.damaged"))
            path.rename(kept)
            say(f"set aside: {kept}")
        else:
            raise CheckpointError(
                str(path), found="a good checkpoint that was not there when this run was started",
                expected=f"none after step {after}",
                remedy="Another process went on in this folder; pass --resume again.",
            )  # fmt: skip


def _free(path: Path) -> Path:
    """`path`, or the first of its numbered names that nobody has."""
    names = (path.with_name(f"{path.name}-{number}") for number in itertools.count(2))
    return path if not path.exists() else next(name for name in names if not name.exists())


def require_none(folder: Path) -> None:
    """Raise CheckpointError where a run has begun in the folder."""
    if steps(folder):
        raise CheckpointError(
            str(folder),
            found="a run that has begun",
            expected="a new folder",
            remedy="Pass --resume to go on, or choose another --out.",
        )


def require_same(kept: Checkpoint, facts: Mapping[str, Any]) -> None:
    """Raise CheckpointError naming every key in which the run differs from the checkpoint's.

    The fingerprint comes last: it alone shows another column, fidelity, name or list of deviations.
    """
    differing = [
        f"{name}: {before!r} in the checkpoint, {now!r} here"
        for part in ("seed", "data", "encoder", "template", "fingerprint")
        for name, before, now in _pairs(part, kept.facts.get(part), facts.get(part))
        if before != now
    ]
    if len(differing) > 1 and differing[-1].startswith("fingerprint:"):
        differing.pop()  # the fields that make it another one are named
    differing += _renamed(kept.facts.get("dataset") or {}, facts.get("dataset") or {})
    if differing:
        raise CheckpointError(
            f"checkpoint of step {kept.step}",
            found="; ".join(differing),
            expected="the run it was written by",
            remedy="Resume with the same template, header included, and the same data, encoder and "
            "seed, or start a new run.",
        )


def _renamed(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What was known of the data set and is another now; what was unknown may become known."""
    return [
        f"dataset.{key}: {before[key]!r} in the checkpoint, {now.get(key)!r} here"
        for key in ("name", "licence")
        if before.get(key, "unknown") != "unknown" and before[key] != now.get(key)
    ]


def _pairs(name: str, before: Any, now: Any) -> list[tuple[str, Any, Any]]:
    now = json.loads(json.dumps(now))  # tuples and lists are the same on the disk
    if isinstance(before, dict) and isinstance(now, dict):
        return [(key, before.get(key), now.get(key)) for key in sorted(before.keys() | now.keys())]
    return [(name, before, now)]


def _bad(path: Path, found: str, expected: str = "a whole checkpoint") -> CheckpointError:
    return CheckpointError(
        str(path), found=found, expected=expected, remedy="Resume from an earlier step."
    )


def _canonical(facts: Mapping[str, Any]) -> str:
    return json.dumps(facts, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _digest(tensors: Mapping[str, Tensor], facts: str) -> str:
    digest = hashlib.sha256(facts.encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"\0{name} {tuple(tensor.shape)} {tensor.dtype}\0".encode())
        raw = tensor.contiguous().flatten().view(torch.uint8) if tensor.numel() else tensor
        digest.update(raw.numpy().tobytes())
    return digest.hexdigest()
