"""Ways to compute what lies between the samples of a call and their forces.

    plain     drift.pairs as it is written, about twelve passes over [B, R, G, T]
    compiled  drift.native: C++, one pass over the samples of each group; on a CPU where there is a
              compiler, and elsewhere the plain way (`used` says which)
    fused     one Triton kernel for the coefficients of all temperatures, drift.fused: for CUDA, not
              measured on a GPU so far

All three are held to each other by one set of tests. A trace comes from the plain way. The name of
a variant (`drift.variants`) asks for another loss, which is measured beside this one.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from functools import cache, partial
from importlib.util import find_spec

import torch
from torch import Tensor

from drift import native, pairs, precision, trace, variants
from drift.errors import InputError
from drift.semantics import Semantics

Coefficients = variants.Coefficients

KERNELS = ("plain", "compiled", "fused")


def coefficients_of(kernel: str, room: pairs.Room | None = None) -> Coefficients:
    """(distances [B, G, T], rates [R], weight [B, T], G + N, switches) -> a_j [B, R, G, T].

    rates  -1 / tau
    room   the plain way's result lies in it, and holds until the next one

    InputError for a name that is not one of KERNELS, or that needs what is absent.
    """
    if kernel in variants.VARIANTS:
        return _variant(kernel)
    if kernel not in KERNELS:
        raise InputError("kernel", found=repr(kernel), expected=" or ".join(KERNELS))
    return _fused() if kernel == "fused" else partial(plain, room=room)


def used(kernel: str, device: torch.device) -> str:
    """The way that is taken where `kernel` is asked for."""
    if kernel != "compiled":
        return kernel
    there = device.type == "cpu" and not trace.active() and native.library() is not None
    return kernel if there else "plain"


def precisely(kernel: str, device: torch.device) -> AbstractContextManager[None]:
    """A block in which products are exact; what `drift.native` computes never is anything else."""
    natively = used(kernel, device) == "compiled"
    return nullcontext() if natively else precision.full_precision(device)


def _variant(name: str) -> Coefficients:
    if trace.active():  # its stages would be the method's
        raise InputError("kernel", found=f"{name!r} within a trace", expected="plain")
    return variants.VARIANTS[name]


def plain(
    dist: Tensor,
    rates: Tensor,
    weight: Tensor,
    repelling: int,
    switches: Semantics,
    room: pairs.Room | None = None,
) -> Tensor:
    """One function of torch after the other."""
    shape = (len(dist), len(rates), *dist.shape[1:])
    out = room.empty("logits", shape, dist) if room else None
    logits = torch.mul(dist[:, None], rates[:, None, None], out=out)
    return pairs.pair_coefficients(logits, weight[:, None], repelling, switches, _nothing, room)


def _nothing(name: str, value: Tensor) -> None:
    """Stages are recorded temperature by temperature, not here."""


@cache
def _fused() -> Coefficients:
    if find_spec("triton") is None:
        raise InputError("kernel", found="'fused', without triton", expected="plain or compiled")
    from drift import fused

    return fused.coefficients
