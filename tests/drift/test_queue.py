"""Queues: the recorded ring buffers, draws without replacement, atomic pushes, exact states."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import load, load_file, save
from torch import Tensor

from drift.errors import DriftError
from drift.queue import QueueUnderflow, SampleQueue, batch_ranks

GOLDEN = Path(__file__).parents[2] / "specs" / "golden"


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def numbered(*numbers: int) -> Tensor:
    return torch.tensor(numbers, dtype=torch.float32)[:, None]


def held(queue: SampleQueue, label: int) -> set[float]:
    n = int(queue.counts[label])
    return set(queue.sample(torch.tensor([label]), n, generator=generator()).flatten().tolist())


@pytest.mark.parametrize("case", ["memory_bank", "memory_bank_uncond"])
def test_the_rings_equal_the_recording_after_every_operation(case: str) -> None:
    record = json.loads((GOLDEN / f"{case}.json").read_text())
    trace = load_file(GOLDEN / f"{case}.safetensors")
    queue = SampleQueue(record["num_classes"], record["max_size"], strict=False)
    for operation in record["ops"]:
        key = operation["key"]
        labels = trace[f"{key}/labels"]
        if operation["op"] == "add":
            queue.push(trace[f"{key}/samples"], labels)
            state = queue.state_dict()
            for name in ("bank", "ptr", "count"):
                assert torch.equal(state[name], trace[f"{key}/{name}"].to(state[name].dtype)), key
            continue
        assert torch.equal(queue.gather(labels, trace[f"{key}/indices"]), trace[f"{key}/out"]), key
        drawn = queue.sample(labels, operation["n"], generator=generator())
        assert drawn.shape == trace[f"{key}/out"].shape


def test_the_reference_draws_repeat_only_where_a_class_is_short() -> None:
    queue = SampleQueue(3, 4, strict=False)
    queue.push(numbered(1, 2, 3, 4, 5), torch.tensor([0, 0, 0, 0, 1]))
    drawn = queue.sample(torch.tensor([0, 1, 2]), 4, generator=generator())[..., 0]
    assert sorted(drawn[0].tolist()) == [1.0, 2.0, 3.0, 4.0]
    assert drawn[1].tolist() == [5.0] * 4
    assert drawn[2].tolist() == [0.0] * 4
    beyond = queue.sample(torch.tensor([0]), 9, generator=generator())
    assert set(beyond.flatten().tolist()) <= {1.0, 2.0, 3.0, 4.0}


def test_a_strict_draw_of_everything_is_a_permutation() -> None:
    queue = SampleQueue(2, 5)
    queue.push(numbered(*range(10)), torch.tensor([0, 1] * 5))
    drawn = queue.sample(torch.tensor([1, 0, 1]), 5, generator=generator())[..., 0]
    assert sorted(drawn[0].tolist()) == [1.0, 3.0, 5.0, 7.0, 9.0]
    assert sorted(drawn[1].tolist()) == [0.0, 2.0, 4.0, 6.0, 8.0]
    assert drawn[0].tolist() != drawn[2].tolist(), "two rows of one label are drawn independently"


def test_an_underflow_names_every_short_class_and_touches_nothing() -> None:
    queue = SampleQueue(4, 5)
    queue.push(numbered(1, 2, 3), torch.tensor([0, 0, 2]))
    before, source = queue.state_dict(), generator()
    untouched = source.get_state()
    with pytest.raises(QueueUnderflow) as caught:
        queue.sample(torch.tensor([0, 3, 2, 3]), 2, generator=source)
    assert (caught.value.held, caught.value.requested, caught.value.capacity) == (
        {2: 1, 3: 0},
        2,
        5,
    )
    assert "class 2 holds 1, class 3 holds 0" in str(caught.value)
    assert torch.equal(source.get_state(), untouched)
    assert all(torch.equal(before[name], value) for name, value in queue.state_dict().items())
    copy = pickle.loads(pickle.dumps(caught.value))
    assert str(copy) == str(caught.value)


def test_an_underflow_of_many_classes_stays_readable() -> None:
    with pytest.raises(QueueUnderflow, match="and 990 more classes are short") as caught:
        SampleQueue(1000, 2).sample(torch.arange(1000), 3, generator=generator())
    assert "raise the capacity above 2" in str(caught.value)
    assert len(caught.value.held) == 1000


def test_a_full_class_drops_its_oldest_samples_only() -> None:
    queue = SampleQueue(2, 3)
    queue.push(numbered(1, 2, 3, 4, 9), torch.tensor([0, 0, 0, 0, 1]))
    assert held(queue, 0) == {2.0, 3.0, 4.0}
    queue.push(numbered(5), torch.tensor([0]))
    assert held(queue, 0) == {3.0, 4.0, 5.0}
    assert held(queue, 1) == {9.0}
    queue.push(numbered(*range(10, 20)), torch.zeros(10, dtype=torch.int64))
    assert held(queue, 0) == {17.0, 18.0, 19.0}


def test_one_batch_equals_its_samples_pushed_one_by_one() -> None:
    source = generator(3)
    labels = torch.randint(0, 5, (200,), generator=source)
    samples = torch.rand(200, 2, 3, generator=source)
    whole, single = SampleQueue(5, 7), SampleQueue(5, 7)
    whole.push(samples[:150], labels[:150])
    whole.push(samples[150:], labels[150:])
    for sample, label in zip(samples, labels, strict=True):
        single.push(sample[None], label[None])
    for name, value in single.state_dict().items():
        assert torch.equal(whole.state_dict()[name], value), name


def test_ranks_count_earlier_samples_of_the_same_label() -> None:
    labels = torch.tensor([2, 0, 2, 2, 0, 1])
    assert batch_ranks(labels, torch.bincount(labels, minlength=4)).tolist() == [0, 0, 1, 2, 1, 0]


def test_every_slot_of_every_order_is_drawn_equally_often() -> None:
    queue = SampleQueue(2, 6)
    queue.push(numbered(0, 1, 2, 3), torch.ones(4, dtype=torch.int64))
    labels = torch.ones(24_000, dtype=torch.int64)
    drawn = queue.sample(labels, 2, generator=generator(7))[..., 0].long()
    pairs = torch.bincount(drawn[:, 0] * 4 + drawn[:, 1], minlength=16).double()
    off_diagonal = pairs[~torch.eye(4, dtype=torch.bool).flatten()]
    assert int(off_diagonal.sum()) == 24_000, "a draw never repeats a sample"
    chi_square = float(((off_diagonal - 2000.0) ** 2 / 2000.0).sum())
    assert chi_square < 35.0  # 11 degrees of freedom: exceeded by chance in 2 of 10,000 seeds


@pytest.mark.parametrize(
    ("samples", "labels", "message"),
    [
        (numbered(1, 2), torch.tensor([0, 3]), "found 3; expected classes 0 .. 2"),
        (numbered(1, 2), torch.tensor([0, -1]), "found -1"),
        (numbered(1, 2), torch.tensor([0.0, 1.0]), "expected integers"),
        (numbered(1, 2), torch.tensor([True, False]), "expected integers"),
        (numbered(1, 2), torch.tensor([[0, 1]]), "expected integers of shape"),
        (numbered(1, 2), torch.tensor([0]), "one label per sample"),
        (torch.tensor(1.0), torch.tensor([0]), "one label per sample"),
        (numbered(1, 2).double(), torch.tensor([0, 1]), "as in the first push"),
        (torch.zeros(2, 2), torch.tensor([0, 1]), "as in the first push"),
        (torch.tensor([[1.0], [float("nan")]]), torch.tensor([0, 1]), "first in row 1"),
        (torch.tensor([[float("inf")], [1.0]]), torch.tensor([0, 1]), "first in row 0"),
    ],
)
def test_a_refused_push_changes_nothing(samples: Tensor, labels: Tensor, message: str) -> None:
    queue = SampleQueue(3, 4)
    queue.push(numbered(7), torch.tensor([1]))
    before = queue.state_dict()
    with pytest.raises(DriftError, match=message):
        queue.push(samples, labels)
    assert all(torch.equal(before[name], value) for name, value in queue.state_dict().items())


def test_a_refused_first_push_takes_no_memory() -> None:
    queue = SampleQueue(3, 4)
    with pytest.raises(DriftError):
        queue.push(numbered(1), torch.tensor([5]))
    assert set(queue.state_dict()) == {"ptr", "count"}
    queue.push(torch.zeros(2, 4, 4, dtype=torch.float64), torch.tensor([0, 1]))
    assert queue.state_dict()["bank"].shape == (3, 4, 4, 4)


def test_an_empty_batch_is_no_push() -> None:
    queue = SampleQueue(2, 2)
    queue.push(torch.zeros(0, 3), torch.tensor([]))
    assert queue.counts.tolist() == [0, 0]


def test_what_was_pushed_is_a_copy() -> None:
    queue, samples = SampleQueue(1, 2), numbered(1)
    queue.push(samples.requires_grad_(), torch.tensor([0]))
    with torch.no_grad():
        samples.fill_(9.0)
    drawn = queue.sample(torch.tensor([0]), 1, generator=generator())
    assert drawn.tolist() == [[[1.0]]]
    assert not drawn.requires_grad


@pytest.mark.parametrize("pushed", [0, 3, 11])
def test_a_restored_queue_draws_and_drops_as_the_original(pushed: int) -> None:
    original = SampleQueue(2, 4)
    labels = torch.arange(pushed) % 2
    original.push(numbered(*range(pushed)).reshape(pushed, 1), labels)
    stored = load(save(original.state_dict()))
    restored = SampleQueue(2, 4)
    restored.load_state_dict(stored)
    for queue in (original, restored):
        queue.push(numbered(100, 101, 102), torch.tensor([0, 1, 0]))
    for name, value in original.state_dict().items():
        assert torch.equal(restored.state_dict()[name], value)
    first, second = (
        queue.sample(torch.tensor([0, 1, 0]), 1, generator=generator(5))
        for queue in (original, restored)
    )
    assert torch.equal(first, second)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"count": None}, "count is missing"),
        ({"extra": torch.zeros(1)}, "unknown entry extra"),
        ({"ptr": torch.zeros(3, dtype=torch.int64)}, r"ptr is \(3,\)"),
        ({"ptr": torch.zeros(2)}, "ptr is .* torch.float32"),
        ({"count": torch.tensor([5, 0])}, "class 0 has ptr 2 and count 5"),
        ({"ptr": torch.tensor([1, 0])}, "class 0 has ptr 1 and count 2"),
        ({"bank": None}, "bank is missing although 2 samples are counted"),
        ({"bank": torch.zeros(2, 3, 1)}, r"bank is \(2, 3, 1\)"),
        ({"bank": torch.zeros(2, 4, 5)}, "this queue holds"),
        ({"bank": torch.zeros(2, 4, 1, dtype=torch.float64)}, "torch.float64"),
    ],
)
def test_a_state_that_does_not_fit_is_refused_whole(
    changed: dict[str, Tensor | None], message: str
) -> None:
    queue = SampleQueue(2, 4)
    queue.push(numbered(1, 2), torch.tensor([0, 0]))
    before = queue.state_dict()
    state = {k: v for k, v in {**before, **changed}.items() if v is not None}
    with pytest.raises(DriftError, match=message):
        queue.load_state_dict(state)
    assert all(torch.equal(before[name], value) for name, value in queue.state_dict().items())


@pytest.mark.parametrize(
    "misuse",
    [
        lambda q: SampleQueue(0, 4),
        lambda q: SampleQueue(4, 0),
        lambda q: q.sample(torch.tensor([0]), -1, generator=generator()),
        lambda q: q.sample(torch.tensor([0]), 1, generator=None),
        lambda q: q.sample(torch.tensor([2]), 1, generator=generator()),
        lambda q: q.gather(torch.tensor([0]), torch.tensor([[4]])),
        lambda q: q.gather(torch.tensor([0]), torch.tensor([0])),
    ],
)
def test_misuse_is_named(misuse: object) -> None:
    queue = SampleQueue(2, 4)
    queue.push(numbered(1, 2), torch.tensor([0, 0]))
    with pytest.raises(DriftError, match="SampleQueue"):
        misuse(queue)  # type: ignore[operator]
