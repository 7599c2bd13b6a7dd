"""The two passes of `drift.target` over the groups of a call, each in C++, on a CPU (DEC-0347).

loss.cpp measures the distances of a group, or pulls its samples; what it computes in between stays
in cache. What is added up over groups between the passes comes back in float64. Groups are spread
over as many threads as torch has. Shapes as in `drift.loss`. A call has to be `contiguous`.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from drift import compiling, pairs
from drift.clouds import Clouds
from drift.semantics import Semantics

SOURCE = Path(__file__).with_name("loss.cpp")
MOST_CLOUDS = 3
LINE = 64  # bytes, of loss.cpp
SHARE = 1 << 22  # multiplications of one product, below which another thread is not worth waking

_Integer = ctypes.c_int64


class Call(ctypes.Structure):
    """`Call` of call.hpp."""

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


class Kept(NamedTuple):
    """What `pull` takes from `measure`; nothing but loss.cpp reads it.

    given    where the samples are, as loss.cpp is told
    centres  [B, S], the mean of the generated samples
    dist     [B, T, .], rows of whole lines; None where distances are computed again
    """

    given: Call
    centres: Tensor
    dist: Tensor | None

    @property
    def nbytes(self) -> int:
        """What it takes to keep it."""
        return self.centres.nbytes + (0 if self.dist is None else self.dist.nbytes)


def measure(call: Clouds, keep: bool) -> tuple[Tensor, Kept]:
    """Figures [B, 3] of `drift.target.distance_sums`; distances are kept or are not."""
    groups, generated, features = call.gen.shape
    in_line = LINE // call.gen.element_size()
    row = -(-generated // in_line) * in_line
    dist = call.gen.new_empty(groups, call.weight.shape[1], row) if keep else None
    kept = Kept(_given(call), call.gen.new_empty(groups, features), dist)
    figures = torch.empty(groups, 3, dtype=torch.float64)
    _each_group("measure", call, kept.given, *map(_address, (dist, kept.centres, figures)))
    return figures, kept


def pull(
    call: Clouds,
    kept: Kept,
    scale: float,
    coordinate_scale: float,
    taus: Sequence[float],
    switches: Semantics,
    out: Sequence[Tensor],
) -> Tensor:
    """Forces of each temperature into out [R] of [B, G, S], in the units of the input.

    Their mean products in normalised coordinates come back, [B, R R + 1] in float64 and with a one.

    scale  what distances are divided by, and coordinate_scale coordinates
    """
    given = kept.given
    rates = _doubles(-1.0 / tau for tau in taus)
    given.temperatures, given.rates = len(taus), ctypes.addressof(rates)
    given.floor, given.in_kernel = switches.affinity_floor, switches.uncond_weight == "in_kernel"
    mask = "raw_mask" if switches.self_mask.startswith("raw") else "mask"
    setattr(given, mask, pairs.SELF_MASKS[switches.self_mask])
    products = torch.empty(len(call.gen), len(taus) ** 2 + 1, dtype=torch.float64)
    divisors = (ctypes.c_double(scale), ctypes.c_double(coordinate_scale**2))
    samples = (_address(kept.dist), _address(kept.centres))
    _each_group("pull", call, given, *samples, *divisors, _addresses(out), _address(products))
    return products


def total(figures: Tensor) -> list[float]:
    """Figures [B, n] in float64 -> their sums over groups."""
    sums = (ctypes.c_double * figures.shape[1])()
    _function("total", figures.dtype)(*map(_Integer, figures.shape), _address(figures), sums)
    return list(sums)


def add(
    call: Clouds,
    given: Call,
    forces: Sequence[Tensor],
    shares: Sequence[float],
    products: Tensor,
    factors: Sequence[float],
) -> Tensor:
    """The first of the pulled forces [R] of [B, G, S] becomes the sum of all times shares [R].

    The losses of the groups come back, [B]: products [B, R R + 1] times factors.
    """
    loss = call.gen.new_empty(len(call.gen))
    sums = (_addresses(forces), _doubles(shares), _address(products), _doubles(factors))
    _each_group("add", call, given, *sums, _address(loss))
    return loss


def contiguous(call: Clouds) -> Clouds:
    """The call with samples whose features lie side by side, as loss.cpp reads them."""
    targets = tuple(one if one.stride(-1) == 1 else one.contiguous() for one in call.targets)
    return Clouds(targets, call.weight.contiguous())


def _given(call: Clouds) -> Call:
    _, generated, features = call.gen.shape
    given = Call(generated, call.weight.shape[1], features, call.repelling, len(call.targets))
    for place, cloud in enumerate(call.targets):
        given.cloud[place], given.samples[place] = cloud.data_ptr(), cloud.shape[1]
        given.group_stride[place], given.row_stride[place] = cloud.stride(0), cloud.stride(1)
    given.weight = call.weight.data_ptr()
    given.clip, given.close = pairs.SQUARED_DISTANCE_CLIP, pairs.CLOSE
    return given


@cache
def _function(name: str, dtype: torch.dtype) -> Callable[..., Any]:
    """That of loss.cpp for numbers of this type."""
    function: Callable[..., Any] = getattr(library(), f"{name}_{str(dtype).removeprefix('torch.')}")
    return function


def _address(tensor: Tensor | None) -> ctypes.c_void_p:
    return ctypes.c_void_p(None if tensor is None else tensor.data_ptr())


def _addresses(tensors: Sequence[Tensor]) -> ctypes.Array[ctypes.c_void_p]:
    return (ctypes.c_void_p * len(tensors))(*(one.data_ptr() for one in tensors))


def _doubles(numbers: Iterable[float]) -> ctypes.Array[ctypes.c_double]:
    held = tuple(numbers)
    return (ctypes.c_double * len(held))(*held)


def _each_group(name: str, call: Clouds, given: Call, *arguments: Any) -> None:
    """A function of loss.cpp, some groups in each thread: ctypes lets go of Python's lock."""
    function = _function(name, call.gen.dtype)
    groups = len(call.gen)
    worth = 1 + groups * call.gen[:1].numel() * call.weight.shape[1] // SHARE
    threads = max(1, min(torch.get_num_threads(), groups, worth))
    first, *others = pairwise(_Integer(groups * part // threads) for part in range(threads + 1))
    running = [
        _pool(threads - 1).submit(function, ctypes.byref(given), *part, *arguments)
        for part in others
    ]
    try:
        function(ctypes.byref(given), *first, *arguments)
    finally:
        for one in running:
            one.result()


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    """Threads beside the one that asks; they wait for the next call."""
    return ThreadPoolExecutor(threads)


os.register_at_fork(after_in_child=_pool.cache_clear)  # a fork has none of its parent's threads
