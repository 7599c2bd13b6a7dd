"""The order of a run."""

from __future__ import annotations

import pytest
import torch

from drift.data import DigitsSource, Loader
from drift.errors import InputError


def test_digits_are_drawn_once_an_epoch_with_their_labels() -> None:
    source = DigitsSource()
    loader = Loader(source, seed=3)
    samples, labels = loader.take(1198)
    assert (loader.position, loader.epoch) == (1198, 1)
    order = Loader(source, seed=3).indices(1198)
    assert sorted(order.tolist()) == list(range(1198))
    assert torch.equal(labels, source.labels[order])
    assert torch.equal(samples, source.get(order))


def test_pieces_across_the_end_of_an_epoch_are_the_order_read_at_once() -> None:
    whole = Loader(DigitsSource(), seed=0).indices(4000)
    loader = Loader(DigitsSource(), seed=0)
    pieces = [loader.indices(n) for n in (1, 1196, 2, 0, 801, 2000)]
    assert torch.equal(torch.cat(pieces), whole)


def test_a_position_is_all_that_a_resume_needs() -> None:
    whole = Loader(DigitsSource(), seed=9).indices(3000)
    for position in (0, 1, 1197, 1198, 2500):
        later = Loader(DigitsSource(), seed=9, position=position)
        assert torch.equal(later.indices(400), whole[position : position + 400])


def test_a_negative_position_is_refused() -> None:
    with pytest.raises(InputError, match="found -1; expected at least 0"):
        Loader(DigitsSource(), seed=0, position=-1)
