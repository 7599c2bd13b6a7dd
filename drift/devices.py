"""Where a command computes: a device that is not there is one error, at the start."""

from __future__ import annotations

import torch

from drift.errors import InputError


def chosen(name: str) -> str:
    """`auto` is the first CUDA device where there is one; InputError for one that is not there."""
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.zeros(1, device=name)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            "--device",
            found=f"{name} ({reason})",
            expected="auto, cpu or a CUDA device",
        ) from error
    return name
