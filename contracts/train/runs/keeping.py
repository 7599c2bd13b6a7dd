"""Checks of what a run keeps: step files, who may go on from them, averages and moments."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import AbstractContextManager
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from safetensors import safe_open
from torch import nn

from drift import atomic
from drift.ranks import ALONE
from drift.state import checkpoint, modules
from drift.state.checkpoint import Checkpoint
from verify.api import CheckContext, Measurement, check, mutant

from ...common.places import folder
from ...common.rows import Refused, Row, judge_rows

HELD = {
    "b/x": torch.tensor([[1.5, -0.0], [float("nan"), 2.0]]), "a": torch.tensor(7),
    "c/n": torch.arange(3, dtype=torch.int64), "h": torch.ones(2).bfloat16(),
    "e": torch.zeros(0, 2),
}  # fmt: skip
ONE = {"x": torch.zeros(1)}
FACTS: dict[str, Any] = {
    "seed": 1, "data": "d", "encoder": "e", "fingerprint": "f", "template": {"a": 1, "b": [1, 2]},
    "dataset": {"name": "own", "licence": "unknown"},
}  # fmt: skip


@check("train.step_files")
def step_files(ctx: CheckContext) -> Measurement:
    """Written and read to the bit, digest by its definition; which is taken, refused, set aside."""
    with folder() as root:
        rows = chain(_written(root / "a"), _changed(root / "b"), _aside(root / "c"), _same())
        return judge_rows(ctx, rows, "facts of step files")


def _bits(tensors: Any) -> dict[str, tuple[object, object, bytes]]:
    return {
        name: (tuple(t.shape), t.dtype, bytes(t.contiguous().flatten().view(torch.uint8).tolist()))
        for name, t in sorted(tensors.items())
    }


def _written(root: Path) -> Iterator[Row]:
    root.mkdir()
    place = checkpoint.write(root, Checkpoint(40, HELD, {"seed": 1}))
    found = checkpoint.read(place)
    facts = '{"schema":"drift-checkpoint/1","seed":1,"step":40}'
    digest = hashlib.sha256(facts.encode())
    for name, (shape, dtype, raw) in _bits(HELD).items():
        digest.update(f"\0{name} {shape} {dtype}\0".encode() + raw)
    with safe_open(place, framework="pt") as opened:
        metadata = opened.metadata()
    said = json.dumps(
        {"facts": facts, "digest": digest.hexdigest()}, sort_keys=True, separators=(",", ":")
    )
    yield "name", lambda: place, root / "step-00000040.safetensors"
    yield "tensors", lambda: _bits(found.tensors), _bits(HELD)
    yield "facts", lambda: (found.step, dict(found.facts)), (40, json.loads(facts))
    yield "metadata", lambda: metadata, {"checkpoint": said}
    yield "a group", lambda: sorted(found.group("b")), ["x"]
    yield "no group", lambda: found.group("z"), {}
    again = partial(checkpoint.write, root, Checkpoint(40, {}, {}))
    yield "never twice", again, Refused("a file already there", "move it away, then --resume")
    yield "as it was", lambda: checkpoint.read(place).step, 40

    def full() -> object:
        with patch.object(atomic, "write_bytes", side_effect=OSError(28, "said")):
            return checkpoint.write(root, Checkpoint(50, {}, {}))

    yield "a full disk", full, Refused("cannot be written (said)", "Earlier checkpoints")
    for name in ("step-7.safetensors", "step-00000007.safetensors.damaged", "x.safetensors"):
        (root / name).write_bytes(b"")
    checkpoint.write(root, Checkpoint(5, ONE, {}))
    yield "steps", lambda: checkpoint.steps(root), [5, 40]
    yield "no steps", lambda: checkpoint.steps(root / "none"), []
    yield "begun", lambda: checkpoint.require_none(root), Refused("has begun", "Pass --resume")
    yield "not begun", lambda: checkpoint.require_none(root / "none"), None


def _changed(root: Path) -> Iterator[Row]:
    """A cut, a bit of a tensor, a bit of the facts, another schema."""
    root.mkdir()
    place = checkpoint.write(root, Checkpoint(3, HELD, FACTS))
    checkpoint.write(root, Checkpoint(2, ONE, {"seed": 2}))
    good = place.read_bytes()

    def read(data: bytes) -> object:
        place.write_bytes(data)
        return checkpoint.read(place).step

    turned = good[:-1] + bytes([good[-1] ^ 1])
    yield "whole", partial(read, good), 3
    for name, data, word in (
        ("cut", good[:-1], "a whole checkpoint"), ("empty", b"", "a whole checkpoint"),
        ("a bit", turned, "the digest written with them"),
        ("a fact", good.replace(b'd\\\\\\":1', b'd\\\\\\":2'), "the digest written with them"),
    ):  # fmt: skip
        yield name, partial(read, data), Refused(place.name, word, "earlier step")
    with patch.object(checkpoint, "SCHEMA", "drift-checkpoint/2"):
        other = checkpoint.write(root, Checkpoint(9, ONE, {}))
    yield "a schema", partial(checkpoint.read, other), Refused("drift-checkpoint/2", "checkpoint/1")
    said: list[str] = []
    place.write_bytes(turned)
    newest = checkpoint.latest_good(root, said.append)
    yield "passed over", lambda: (newest and newest.step, [one[:13] for one in said]), (
        2, ["passed over: "] * 2
    )  # fmt: skip
    yield "the latest", lambda: checkpoint.latest(root, ALONE, said.append).step, 2
    none = partial(checkpoint.require_latest, root / "none", said.append)
    yield "none", none, Refused("no checkpoint that verifies", "Start the run anew")


def _aside(root: Path) -> Iterator[Row]:
    root.mkdir()
    for step in (1, 2, 3):
        checkpoint.path_of(root, step).write_bytes(b"")
    (root / "step-00000003.safetensors.damaged").write_bytes(b"older")
    said: list[str] = []
    checkpoint.set_aside(root, 1, said.append)
    names = [f"step-0000000{n}" for n in (2, 3)]
    yield "set aside", lambda: said, [
        f"set aside: {root / names[0]}.safetensors.damaged",
        f"set aside: {root / names[1]}.safetensors.damaged-2",
    ]  # fmt: skip
    yield "left", lambda: checkpoint.steps(root), [1]
    kept = root / "step-00000003.safetensors.damaged"
    yield "nothing lost", lambda: kept.read_bytes(), b"older"


def _same() -> Iterator[Row]:
    """From which run another may go on."""
    kept = Checkpoint(3, {}, FACTS)

    def same(**changes: Any) -> None:
        checkpoint.require_same(kept, {**FACTS, **changes})

    yield "the same", same, None
    yield "tuples are lists", partial(same, template={"a": 1, "b": (1, 2)}), None
    yield "a licence is told", partial(same, dataset={"name": "own", "licence": "MIT"}), None
    for name, changes, words in (
        ("seed", {"seed": 2}, ("step 3", "seed: 1 in the checkpoint, 2 here")),
        ("data", {"data": "x"}, ("data: 'd' in the checkpoint, 'x' here",)),
        ("encoder", {"encoder": "x"}, ("encoder: 'e' in",)),
        ("fingerprint", {"fingerprint": "x"}, ("fingerprint: 'f' in",)),
        ("a field", {"template": {"a": 2, "b": [1, 2]}}, ("a: 1 in the checkpoint, 2 here",)),
        ("a field less", {"template": {"a": 1}}, ("b: [1, 2] in the checkpoint, None here",)),
        ("another name", {"dataset": {"name": "x"}}, ("dataset.name: 'own' in", "'x' here")),
        ("no name", {"dataset": None}, ("dataset.name: 'own' in", "None here")),
    ):
        yield name, partial(same, **changes), Refused(*words, "or start a new run")

    def said(**changes: Any) -> str:
        try:
            same(**changes)
        except checkpoint.CheckpointError as error:
            return str(error.found)
        return ""

    both = partial(said, seed=2, fingerprint="x")
    yield "a fingerprint that follows", both, "seed: 1 in the checkpoint, 2 here"
    two = "seed: 1 in the checkpoint, 2 here; data: 'd' in the checkpoint, 'x' here"
    yield "two", partial(said, seed=2, data="x"), two
    third = partial(said, seed=2, data="x", fingerprint="x")
    yield "a fingerprint that follows two", third, two


# averages and moments


@check("train.averages")
def averages(ctx: CheckContext) -> Measurement:
    """Averages of a layer over two updates, its moments kept and put back, and NaN by name."""
    model = nn.Linear(1, 1)
    with torch.no_grad():
        model.weight.fill_(2.0)
        model.bias.fill_(-1.0)
    ema = modules.averages(model, (0.5, 0.75))
    with torch.no_grad():
        model.weight.fill_(4.0)
    modules.average(model, ema)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.0)
    (model.weight.sum() * 3.0).backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    held = modules.capture(model, optimizer, ema)
    rows = chain(_averaged(held), _put_back(held), _numbers(model, ema))
    return judge_rows(ctx, rows, "facts of averages")


def _averaged(held: dict[str, torch.Tensor]) -> Iterator[Row]:
    wanted = {
        "model/weight": 4.0, "model/bias": -1.0, "ema/0.5/weight": 3.0, "ema/0.5/bias": -1.0,
        "ema/0.75/weight": 2.5, "ema/0.75/bias": -1.0, "optimizer/step/weight": 1.0,
        "optimizer/exp_avg/weight": 0.3, "optimizer/exp_avg_sq/weight": 0.009,
    }  # fmt: skip
    yield "names", lambda: sorted(held), sorted(wanted)
    yield "values", lambda: {k: round(float(v), 6) for k, v in held.items()}, wanted


def _put_back(held: dict[str, torch.Tensor]) -> Iterator[Row]:
    kept = {name: value.clone() for name, value in held.items()}
    model = nn.Linear(1, 1)
    ema = modules.averages(model, (0.75,))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.0)
    modules.put_weights(Checkpoint(1, kept, {}), model, ema)
    modules.put_moments(Checkpoint(1, kept, {}), model, optimizer)
    likes: list[torch.Tensor] = []

    def spread(value: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
        likes.append(like)
        return value

    with patch("drift.ranks.parallel.spread_like", spread):
        modules.put_weights(Checkpoint(1, kept, {}), model, ema)
    held_as = [*model.state_dict().values(), *ema[0.75].values()]
    own = [
        isinstance(a, torch.Tensor) and a.data_ptr() == b.data_ptr()
        for a, b in zip(likes, held_as, strict=True)
    ]
    yield "spread as they are held", lambda: own, [True] * 4
    again = modules.capture(model, optimizer, ema)
    wanted = {k: v for k, v in held.items() if not k.startswith("ema/0.5/")}
    yield "put back", lambda: _bits(again), _bits(wanted)
    yield "no moments", lambda: model.bias in optimizer.state, False


def _numbers(model: nn.Module, ema: dict[float, dict[str, torch.Tensor]]) -> Iterator[Row]:
    yield "numbers", lambda: modules.not_finite(model, ema), None

    def average() -> object:
        ema[0.75]["bias"].fill_(float("inf"))
        return modules.not_finite(model, ema)

    def parameter() -> object:
        with torch.no_grad():
            next(model.parameters()).fill_(float("nan"))
        return modules.not_finite(model, ema)

    yield "an average", average, "the average 0.75 of bias"
    yield "a parameter", parameter, "weight"


@mutant("train.facts_unsealed")
def facts_unsealed(subject: object) -> AbstractContextManager[Any]:
    """The digest of a step file leaves its facts out."""
    real = checkpoint._digest
    return patch.object(checkpoint, "_digest", lambda tensors, facts: real(tensors, ""))


OTHER_VALUES = (
    # Any run goes on from any step file.
    mutant("train.any_run_goes_on", checkpoint, require_same=lambda kept, facts: None),
    # Averages stay where they began.
    mutant("train.averages_stay", modules, average=lambda model, ema: None),
)
