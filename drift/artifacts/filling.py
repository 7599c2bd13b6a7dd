"""A file's tensors into a model: every one, in its shape and dtype, and no other."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import torch
from torch import Tensor

from drift.artifacts import contents
from drift.artifacts.architectures import Model
from drift.artifacts.errors import ArtifactError, file_errors, shown
from drift.artifacts.header import Header, TensorEntry
from drift.interop.layout import LayoutError

DTYPES: Mapping[str, torch.dtype] = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
}
NAMES = {dtype: name for name, dtype in DTYPES.items()}


def require_same_tensors(header: Header, model: Model) -> None:
    """Raises LayoutError that names every missing, surplus and misshapen tensor."""
    expected = {name: tuple(tensor.shape) for name, tensor in _state(model).items()}
    dtypes = {name: NAMES[tensor.dtype] for name, tensor in _state(model).items()}
    found = header.tensors
    missing = {name: shape for name, shape in expected.items() if name not in found}
    surplus = {name: entry.shape for name, entry in found.items() if name not in expected}
    misshapen = {
        name: (found[name].shape, shape)
        for name, shape in expected.items()
        if name in found and found[name].shape != shape
    }
    unreadable = {
        name: f"found dtype {found[name].dtype}, expected {dtype}"
        for name, dtype in dtypes.items()
        if name in found and found[name].dtype != dtype
    }
    if missing or surplus or misshapen or unreadable:
        raise LayoutError(
            str(header.path),
            missing=missing,
            surplus=surplus,
            misshapen=misshapen,
            unreadable=unreadable,
        )


def fill(model: Model, header: Header) -> None:
    """Read every tensor of the file into the model, in place of its shapes."""
    tensors = {name: _read(header, entry) for name, entry in header.tensors.items()}
    model.load_state_dict(tensors, strict=True, assign=True)


def require_loaded(model: Model, metadata: Mapping[str, str], *, place: str) -> None:
    """Raises ArtifactError unless the model holds exactly the tensors that were saved."""
    state = _state(model)
    unfilled = [name for name, tensor in state.items() if tensor.is_meta]
    if unfilled:
        raise ArtifactError(
            place, found=f"{len(unfilled)} parameters that nothing filled", expected="none"
        )
    bad = [name for name, tensor in state.items() if not _finite(tensor)]
    if bad:
        raise ArtifactError(
            f"{place}: {bad[0]}",
            found=f"numbers that are not finite in {len(bad)} tensors",
            expected="finite parameters",
            remedy="The file is damaged or its run diverged; fetch or export it again.",
        )
    recorded = metadata.get("tensors_sha256")
    if recorded is not None and recorded != digest(state):
        raise ArtifactError(
            place,
            found="tensors with another digest than the one recorded when they were saved",
            expected=shown(recorded),
            remedy="The file was damaged or changed after it was saved; fetch or import it again.",
        )


def digest(tensors: Mapping[str, Tensor]) -> str:
    """The digest of drift.artifacts.contents, from tensors in memory."""
    return contents.combined(
        contents.digest_line(
            name, NAMES[tensor.dtype], tensor.shape, hashlib.sha256(_bytes(tensor)).hexdigest()
        )
        for name, tensor in tensors.items()
    )


def _read(header: Header, entry: TensorEntry) -> Tensor:
    """One tensor, copied out of the file: nothing keeps it mapped, nobody else can change it."""
    if entry.dtype not in DTYPES:
        raise ArtifactError(
            f"{header.path}: {shown(entry.name)}", found=entry.dtype, expected="a float dtype"
        )
    raw = torch.empty(entry.end - entry.begin, dtype=torch.uint8)
    view = raw.numpy().data
    with file_errors(header.path, "a readable file"), header.path.open("rb") as stream:
        stream.seek(header.data_start + entry.begin)
        done = 0
        while done < len(view):
            got = stream.readinto(view[done:])
            if not got:
                raise ArtifactError(
                    str(header.path), found="a file that shrank", expected="the bytes it had"
                )
            done += got
    return raw.view(DTYPES[entry.dtype]).reshape(entry.shape)


def _state(model: Model) -> dict[str, Tensor]:
    return dict(model.state_dict())


def _bytes(tensor: Tensor) -> memoryview:
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    return flat.view(torch.uint8).numpy().data


def _finite(tensor: Tensor) -> bool:
    low, high = torch.aminmax(tensor.detach()) if tensor.numel() else (tensor, tensor)
    return bool(torch.isfinite(low).all() and torch.isfinite(high).all())
