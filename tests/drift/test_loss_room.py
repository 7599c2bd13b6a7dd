"""Tensors that are written again piece after piece: of one call, seen by no result."""

from __future__ import annotations

import threading

import pytest
import torch
from torch import Tensor

from drift import pairs, target
from drift.loss import drift_loss


def drawn(seed: int, groups: int = 7, dtype: torch.dtype = torch.float32) -> list[Tensor]:
    draw = torch.Generator().manual_seed(seed)
    sizes = (6, 5, 3)
    return [torch.randn(groups, size, 4, generator=draw, dtype=dtype) for size in sizes]


def found(seed: int, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    gen, pos, neg = drawn(seed, dtype=dtype)
    gen.requires_grad_()
    loss, _ = drift_loss(gen, pos, neg)
    (gradient,) = torch.autograd.grad(loss.sum(), gen)
    return loss.detach(), gradient


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two groups a piece, and a last piece of one: what was written before is longer."""
    one = 14 * ((1 + 3 * 3) * 6 + 4) * 4
    monkeypatch.setattr(target, "PIECE_BYTES", 2 * one)
    monkeypatch.setattr(target, "PIECE_BYTES_THREADED", 2 * one)


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("kept", [0, 1 << 25])
def test_a_result_stays_what_it_was_when_another_call_follows(
    kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(target, "KEPT_BYTES", kept)
    first = found(0)
    copies = [one.clone() for one in first]
    found(1)
    assert all(torch.equal(one, copy) for one, copy in zip(first, copies, strict=True))
    assert all(torch.equal(one, again) for one, again in zip(first, found(0), strict=True))


@pytest.mark.usefixtures("small_pieces")
def test_a_result_is_that_of_new_tensors_for_each_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = found(0)
    monkeypatch.setattr(pairs.Room, "empty", lambda self, name, shape, of: of.new_empty(shape))
    assert all(torch.equal(one, other) for one, other in zip(ours, found(0), strict=True))


@pytest.mark.usefixtures("small_pieces")
def test_calls_of_several_threads_do_not_write_into_each_other() -> None:
    expected = [found(seed) for seed in range(4)]
    wrong: list[int] = []

    def work(seed: int) -> None:
        for _ in range(20):
            if not all(map(torch.equal, found(seed), expected[seed])):
                wrong.append(seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert wrong == []


def test_a_room_gives_the_dtype_and_shape_that_are_asked_for() -> None:
    room = pairs.Room()
    long = room.empty("one", (4, 3), torch.zeros(1))
    short = room.empty("one", (2, 3), torch.zeros(1))
    assert (long.shape, short.shape) == ((4, 3), (2, 3))
    assert short.data_ptr() == long.data_ptr()
    assert room.empty("one", (2, 3), torch.zeros(1, dtype=torch.float64)).dtype is torch.float64
    assert room.empty("two", (2, 3), torch.zeros(1)).data_ptr() != long.data_ptr()


def test_nothing_is_held_when_a_call_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    rooms: list[int] = []
    monkeypatch.setattr(pairs.Room, "__del__", lambda self: rooms.append(1), raising=False)
    found(0, torch.float64)
    assert rooms == [1]
