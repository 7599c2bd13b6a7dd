"""The passes in C++ give what the plain ones give, at every size, and are absent without a word."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from drift import clouds, compiling, kernels, native, target, totals, trace
from drift.loss import drift_loss, feature_loss
from drift.native import target as natively

CPU = torch.device("cpu")
FLOAT32, FLOAT64 = 2.0e-5, 1.0e-10  # of the largest entry
LEAST = 1.0e-30
PATIENCE_S = 600  # until a process counts as hung; no measure of the machine
# B, G, P, N, S: whole vectors and tiles, one more, one less, one sample, one feature
SIZES = [
    (2, 16, 16, 16, 64),
    (3, 17, 33, 1, 65),
    (1, 31, 2, 0, 15),
    (2, 1, 1, 0, 1),
    (2, 70, 5, 3, 130),
]


@pytest.fixture
def forgotten() -> Iterator[None]:
    """The library is compiled anew, and again after the test."""
    native.library.cache_clear()
    yield
    native.library.cache_clear()


def drawn(size: tuple[int, ...], dtype: torch.dtype = torch.float32) -> list[Tensor]:
    b, g, p, n, s = size
    draw = torch.Generator().manual_seed(g)
    return [torch.randn(b, k, s, generator=draw, dtype=torch.float64).to(dtype) for k in (g, p, n)]


def outcome(samples: list[Tensor], **options: Any) -> list[Tensor]:
    gen = samples[0].clone().requires_grad_()
    loss, info = drift_loss(gen, *samples[1:], **options)
    (gradient,) = torch.autograd.grad(loss.sum(), gen)
    return [loss.detach(), gradient, *info.values()]


def assert_alike(samples: list[Tensor], **options: Any) -> None:
    """As near to the plain way in float64 as is asked for, or as four times the plain way is."""
    allowed = FLOAT64 if samples[0].dtype == torch.float64 else FLOAT32
    exact = outcome([one.double() for one in samples], **options)
    plain, native = (outcome(samples, **options, kernel=one) for one in ("plain", "compiled"))
    for found, expected, right in zip(native, plain, exact, strict=True):
        assert found.dtype == expected.dtype
        assert off(found, right) <= max(allowed, 4.0 * off(expected, right))


def off(found: Tensor, right: Tensor) -> float:
    return float((found - right).abs().max() / right.abs().max().clamp_min(LEAST))


def test_it_is_used_where_there_is_a_compiler() -> None:
    assert kernels.used("compiled", CPU) == ("compiled" if shutil.which("c++") else "plain")
    assert kernels.used("compiled", torch.device("meta")) == "plain"
    with trace.recording():
        assert kernels.used("compiled", CPU) == "plain"
    assert kernels.used("plain", CPU) == "plain"


@pytest.mark.parametrize("semantics", ["reference", "paper"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("size", SIZES)
def test_loss_gradient_and_figures_are_those_of_the_plain_way(
    size: tuple[int, ...], dtype: torch.dtype, semantics: str
) -> None:
    samples = drawn(size, dtype)
    weight = torch.rand(size[0], size[3], generator=torch.Generator().manual_seed(1))
    weight[:, :1] = 0.0
    assert_alike(samples, weight_neg=weight, semantics=semantics)


@pytest.mark.parametrize("semantics", ["reference", "paper"])
@pytest.mark.parametrize(
    "place", ["far", "somewhat apart", "coincident", "the nearest weighs nothing"]
)
def test_samples_far_apart_and_in_one_place_are_as_in_the_plain_way(
    place: str, semantics: str
) -> None:
    gen, pos, neg = drawn((3, 6, 7, 4, 20))
    weight = torch.ones(3, 4)
    if place == "far":  # exponentials underflow
        gen[:, 0] += 1.0e4
        pos[0] -= 1.0e3
    elif place == "somewhat apart":  # one of two ways to an exponential at one temperature each
        gen[:, 0] += torch.tensor([[1.0], [4.0], [10.0]])
    elif place == "coincident":  # the expansion of |x - y|^2 has no digits left
        pos[:, :3] = gen[:, :3]
        neg[:, 0] = gen[:, 1] + 1.0e-4
    else:
        neg[:, 0], weight[:, 0] = gen[:, 0], 0.0
    assert_alike([gen, pos, neg], weight_neg=weight, semantics=semantics)


def test_samples_need_not_lie_side_by_side() -> None:
    gen, real = (torch.randn(2, k, 5, 9).transpose(0, 1) for k in (4, 6))
    alpha = torch.tensor([1.0, 1.5, 2.0, 2.0])[: len(gen)]
    features = {"gen_features": {"map": gen}, "real_features": {"map": real[: len(gen)]}}
    call: dict[str, Any] = {**features, "alpha": alpha, "positives": 1, "semantics": "reference"}
    plain, _ = feature_loss(**call, temperatures=(0.05,))
    other, _ = feature_loss(**call, temperatures=(0.05,), kernel="compiled")
    assert torch.allclose(plain, other, rtol=FLOAT32)


@pytest.mark.parametrize("kernel", ["plain", "compiled"])
def test_weights_that_are_all_zero_give_no_number(kernel: str) -> None:
    gen, pos, neg = drawn((2, 5, 4, 3, 20))
    zero = {f"weight_{name}": torch.zeros(2, n) for name, n in (("gen", 5), ("pos", 4), ("neg", 3))}
    loss, gradient, scale, *_ = outcome([gen, pos, neg], **zero, kernel=kernel)
    assert all(one.isnan().all() for one in (loss, gradient, scale))


def test_what_is_no_number_stays_none() -> None:
    samples = drawn((2, 5, 4, 3, 20))
    samples[1][0, 0, 0] = torch.nan
    assert all(one.isnan().all() for one in outcome(samples, kernel="compiled"))


def test_a_group_has_the_same_numbers_in_any_company_and_any_thread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """So that processes, pieces and threads have nothing to add up but figures of groups."""
    samples = drawn((7, 6, 5, 3, 20))
    whole = outcome(samples, kernel="compiled")
    call = clouds.gather(*samples, None, None, None, False)
    figures, _ = natively._measure(call, 0)[1:]
    some = clouds.gather(*(one[2:5] for one in samples), None, None, None, False)
    assert torch.equal(natively._measure(some, 0).figures, figures[2:5])
    monkeypatch.setattr(target, "KEPT_BYTES", 0)  # distances again
    assert all(map(torch.equal, whole, outcome(samples, kernel="compiled")))
    monkeypatch.setattr(target, "SLAB_BYTES", 1)
    monkeypatch.setattr(target, "PIECE_BYTES", 1)
    monkeypatch.setattr(target, "PIECE_BYTES_THREADED", 1)
    assert all(map(torch.equal, whole, outcome(samples, kernel="compiled")))
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    assert woken(monkeypatch, lambda: outcome(samples, kernel="compiled")) == 0
    monkeypatch.setattr(native, "SHARE", 1)
    found: list[Any] = []
    assert woken(monkeypatch, lambda: found.extend(outcome(samples, kernel="compiled"))) == 2 * 3
    assert all(map(torch.equal, whole, found))


def woken(monkeypatch: pytest.MonkeyPatch, work: Callable[[], object]) -> int:
    """How often another thread was given a part of a pass."""
    parts = []
    real = ThreadPoolExecutor.submit
    with monkeypatch.context() as patched:
        patched.setattr(
            ThreadPoolExecutor, "submit", lambda self, *given: parts.append(1) or real(self, *given)
        )
        work()
    return len(parts)


@pytest.mark.parametrize(("groups", "expected"), [(1, 0), (2, 3), (300, 3)])
def test_another_thread_is_woken_where_it_has_something_to_do(
    monkeypatch: pytest.MonkeyPatch, groups: int, expected: int
) -> None:
    """In each of three passes; one group is never divided."""
    samples = drawn((groups, 64, 64, 16, 256))
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    monkeypatch.setattr(native, "SHARE", 64 * 144 * 256)
    assert woken(monkeypatch, lambda: outcome(samples, kernel="compiled")) == expected


FORKS = """
import os
import torch
from drift import native
from drift.loss import drift_loss

torch.get_num_threads, native.SHARE = lambda: 2, 1
gen, pos = torch.randn(2, 7, 6, 20, generator=torch.Generator().manual_seed(0))
before = drift_loss(gen, pos, kernel="compiled")[0]
child = os.fork()
if child == 0:
    os._exit(int(not torch.equal(drift_loss(gen, pos, kernel="compiled")[0], before)))
assert os.waitpid(child, 0)[1] == 0
"""


def test_a_fork_has_threads_of_its_own() -> None:
    """Those of its parent are gone, and would be waited for."""
    one = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-c", FORKS], env=one, check=True, timeout=PATIENCE_S)


def test_processes_have_the_loss_of_all_groups_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads for processes, of which one has no groups, add up what the loss asks them to."""
    samples, shards = drawn((7, 6, 5, 3, 20)), (slice(0, 2), slice(2, 2), slice(2, 7))
    meeting = threading.Barrier(len(shards))
    brought: dict[int, list[Tensor]] = {}

    def all_reduce(figures: Tensor, group: dict[str, int]) -> None:
        brought.setdefault(group["rank"], []).append(figures.clone())
        meeting.wait()
        figures.copy_(sum(own[-1] for _, own in sorted(brought.items())))
        meeting.wait()

    def of_shard(rank: int) -> list[Tensor]:
        own = [one[shards[rank]] for one in samples]
        try:
            return outcome(own, kernel="compiled", group={"rank": rank})
        except BaseException:
            meeting.abort()  # or the others would wait for this one
            raise

    monkeypatch.setattr(totals, "all_reduce", all_reduce)
    with ThreadPoolExecutor(len(shards)) as pool:
        parts = list(pool.map(of_shard, range(len(shards))))
    assert {len(own) for own in brought.values()} == {2}  # collectives, whatever a process has
    whole = outcome(samples, kernel="compiled")
    found = [torch.cat([part[figure] for part in parts]) for figure in (0, 1)] + parts[1][2:]
    for ours, expected in zip(found, whole, strict=True):
        assert off(ours, expected) <= 1.0e-6


def test_a_process_without_groups_has_nothing_to_add() -> None:
    call = clouds.gather(*drawn((0, 3, 2, 1, 4)), None, None, None, True)
    assert natively._measure(call, 1 << 20).figures.shape == (0, 3)


@pytest.mark.usefixtures("forgotten")
def test_without_a_compiler_it_is_the_plain_way_without_a_word(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    samples = drawn((2, 5, 4, 3, 6))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert kernels.used("compiled", CPU) == "plain"
        assert all(map(torch.equal, outcome(samples, kernel="compiled"), outcome(samples)))


@pytest.mark.usefixtures("forgotten")
def test_a_compiler_that_fails_is_named_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\necho no such processor >&2\nexit 1\n", encoding="utf-8")
    broken.chmod(0o755)
    monkeypatch.setenv("CXX", str(broken))
    samples = drawn((2, 5, 4, 3, 6))
    with pytest.warns(UserWarning, match="broken failed, going on without it.*no such processor"):
        first = outcome(samples, kernel="compiled")
    assert all(map(torch.equal, first, outcome(samples, kernel="compiled")))


def test_nothing_is_left_of_a_library_but_what_is_loaded(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(compiling.tempfile, "tempdir", str(tmp_path))
    source = tmp_path / "one.cpp"
    source.write_text('extern "C" int one() { return 1; }\n', encoding="utf-8")
    loaded = compiling.library(source)
    assert loaded is None if shutil.which("c++") is None else loaded.one() == 1
    assert list(tmp_path.iterdir()) == [source]
