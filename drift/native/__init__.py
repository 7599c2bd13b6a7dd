"""The two passes of `drift.target` over the groups of a call, each in C++, on a CPU (DEC-0347).

loss.cpp measures the distances of a group, or pulls its samples; what it computes in between stays
in cache. Groups are spread over as many threads as torch has. Shapes as in `drift.loss`. A call has
to be `contiguous`.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from drift import compiling, pairs
from drift.clouds import Clouds
from drift.semantics import Semantics

SOURCE = Path(__file__).with_name("loss.cpp")
MOST_CLOUDS = 3

_Integer = ctypes.c_int64


class _Call(ctypes.Structure):
    """`Call` of loss.cpp."""

    _fields_ = (
        *((name, _Integer) for name in ("generated", "targets", "features", "repelling", "clouds")),
        ("cloud", ctypes.c_void_p * MOST_CLOUDS),
        *((name, _Integer * MOST_CLOUDS) for name in ("samples", "group_stride", "row_stride")),
        ("weight", ctypes.c_void_p),
        ("temperatures", _Integer),
        ("rates", ctypes.c_void_p),
        *((name, ctypes.c_double) for name in ("floor", "clip", "close", "raw_mask", "mask")),
        ("in_kernel", _Integer),
    )


@cache
def library() -> ctypes.CDLL | None:
    """loss.cpp, compiled once a process; None where there is no compiler, or where it fails."""
    return compiling.library(SOURCE)


def measure(call: Clouds, keep: bool) -> tuple[Tensor, Tensor | None]:
    """Figures [B, 3] of `drift.target.distance_sums`, in float64; distances [B, T, G] if kept."""
    groups, generated, _ = call.gen.shape
    dist = call.gen.new_empty(groups, call.weight.shape[1], generated) if keep else None
    figures = torch.empty(groups, 3, dtype=torch.float64)
    _each_group("measure", call, _given(call), _address(dist), _address(figures))
    return figures, dist


def pull(
    call: Clouds,
    dist: Tensor | None,
    scale: float,
    coordinate_scale: float,
    taus: Sequence[float],
    switches: Semantics,
    out: Tensor,
) -> Tensor:
    """Forces of all groups into out [B, R, G, S], in the units of the input.

    Their mean products in normalised coordinates come back, [B, R, R] in float64.

    dist   as `measure` kept it
    scale  what distances are divided by, and coordinate_scale coordinates
    """
    given = _given(call)
    rates = (ctypes.c_double * len(taus))(*(-1.0 / tau for tau in taus))
    given.temperatures, given.rates = len(taus), ctypes.addressof(rates)
    given.floor, given.in_kernel = switches.affinity_floor, switches.uncond_weight == "in_kernel"
    mask = "raw_mask" if switches.self_mask.startswith("raw") else "mask"
    setattr(given, mask, pairs.SELF_MASKS[switches.self_mask])
    products = torch.empty(len(call.gen), len(taus), len(taus), dtype=torch.float64)
    divisors = (ctypes.c_double(scale), ctypes.c_double(coordinate_scale**2))
    _each_group("pull", call, given, _address(dist), *divisors, _address(out), _address(products))
    return products


def contiguous(call: Clouds) -> Clouds:
    """The call with samples whose features lie side by side, as loss.cpp reads them."""
    targets = tuple(one if one.stride(-1) == 1 else one.contiguous() for one in call.targets)
    return Clouds(targets, call.weight.contiguous())


def _given(call: Clouds) -> _Call:
    _, generated, features = call.gen.shape
    given = _Call(generated, call.weight.shape[1], features, call.repelling, len(call.targets))
    for place, cloud in enumerate(call.targets):
        given.cloud[place], given.samples[place] = cloud.data_ptr(), cloud.shape[1]
        given.group_stride[place], given.row_stride[place] = cloud.stride(0), cloud.stride(1)
    given.weight = call.weight.data_ptr()
    given.clip, given.close = pairs.SQUARED_DISTANCE_CLIP, pairs.CLOSE
    return given


def _address(tensor: Tensor | None) -> ctypes.c_void_p:
    return ctypes.c_void_p(None if tensor is None else tensor.data_ptr())


def _each_group(name: str, call: Clouds, given: _Call, *arguments: Any) -> None:
    """A function of loss.cpp, some groups in each thread: ctypes lets go of Python's lock."""
    dtype = str(call.gen.dtype).removeprefix("torch.")
    function: Callable[..., Any] = getattr(library(), f"{name}_{dtype}")
    groups = len(call.gen)
    threads = max(1, min(torch.get_num_threads(), groups))
    parts = pairwise(_Integer(groups * part // threads) for part in range(threads + 1))
    if threads == 1:
        function(ctypes.byref(given), *next(parts), *arguments)
        return
    with ThreadPoolExecutor(threads) as pool:
        running = [pool.submit(function, ctypes.byref(given), *part, *arguments) for part in parts]
    for one in running:
        one.result()
