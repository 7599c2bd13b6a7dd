"""Checks of the parts of a step by hand: batches, settings, updates, beginnings of a run."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import patch

import torch
from torch import Tensor, nn

from drift import trace
from drift.config import load_template, override
from drift.state import modules
from drift.state.checkpoint import Checkpoint
from drift.train import batch, beginning, build, step
from drift.train.batch import StepBatch
from drift.train.config import TrainConfig
from verify.api import CheckContext, Measurement, check, mutant

from ..common import small_run
from ..common.rows import Refused, Row, judge_rows
from ..metrics import cases


def _batch(labels: int = 3, generated: int = 2) -> StepBatch:
    """Every value tells its label."""
    n = torch.arange(labels)
    rows = n.repeat_interleave(generated)
    return StepBatch(
        labels=n, positives=n.reshape(-1, 1, 1, 1, 1).expand(-1, 4, 1, 1, 1) * 1.0,
        unconditional=n.reshape(-1, 1, 1, 1, 1) * 10.0, noise=rows.reshape(-1, 1, 1, 1) * 100.0,
        style=rows[:, None], alpha=n * 1000.0,
    )  # fmt: skip


def _told(one: StepBatch) -> tuple[object, ...]:
    """Labels by every part; how many count, and the most of any process."""
    parts = {
        tuple(one.labels.tolist()), tuple(int(v) for v in one.positives[:, 0].flatten()),
        tuple(int(v) // 10 for v in one.unconditional.flatten()),
        tuple(int(v) // 1000 for v in one.alpha),
        tuple(int(v) // 100 for v in one.noise.flatten()[:: one.generated]),
        tuple(one.style.flatten()[:: one.generated].tolist()),
    }  # fmt: skip
    return parts, one.generated, one.counted, one.most


@check("train.parts")
def parts(ctx: CheckContext) -> Measurement:
    """Batches cut and shared, settings refused, updates of one number, beginnings of a run."""
    rows = chain(_batches(), _settings(), _stated(), _built(), _updates(), _begun())
    return judge_rows(ctx, rows, "facts of parts")


def _batches() -> Iterator[Row]:
    whole = _batch()
    yield "a batch", lambda: _told(whole), ({(0, 1, 2)}, 2, 3, 3)
    yield "some rows", lambda: _told(batch.rows(whole, 1, 3)), ({(1, 2)}, 2, 2, 2)
    for rank, wanted in ((0, ({(0, 1)}, 2, 2, 2)), (1, ({(0,)}, 2, 0, 2)), (2, ({(2,)}, 2, 1, 2))):
        shared = partial(lambda r: _told(batch.share(whole, (2, 0, 1), r)), rank)
        yield f"the share of {rank}", shared, wanted
    for sizes in ((2, 2), (4, -1), (1, 1)):
        said = Refused("share", "3 labels in all")
        yield f"shares {sizes}", partial(batch.share, whole, sizes, 0), said
    cut = batch.split(whole, 2)
    yield "passes", lambda: [_told(one) for one in cut], [({(0, 1)}, 2, 2, 2), ({(2,)}, 2, 1, 1)]
    yield "one pass", lambda: len(batch.split(whole, 3)), 1
    small = batch.share(whole, (1, 2), 0)
    yield "idle passes", lambda: [one.counted for one in batch.split(small, 1)], [1, 0]
    yield "of the most", lambda: [one.most for one in batch.split(small, 1)][1:], [2]
    yield "repeated", lambda: batch.per_sample(torch.tensor([3, 5]), 2).tolist(), [3, 3, 5, 5]
    yield "on its device", lambda: whole.to("cpu") is whole, True
    two = whole.to("meta")
    yield "on another", lambda: {t.device.type for t in vars(two).values()}, {"meta"}
    for name in ("positives", "unconditional", "alpha"):
        odd: Any = {name: getattr(whole, name)[:2]}
        wrong = partial(getattr, replace(whole, **odd), "generated")
        yield f"fewer {name}", wrong, Refused(f"StepBatch.{name}", "3 labels")
    for name, changes in (("noise", {"noise": whole.noise[:5], "style": whole.style[:5]}),
                          ("style", {"style": whole.style[:3]})):  # fmt: skip
        uneven = partial(getattr, replace(whole, **changes), "generated")
        yield f"fewer {name}", uneven, Refused("a multiple of the labels")


SOUND: dict[str, Any] = {"learning_rate": 0.1, "warmup_steps": 1, "total_steps": 5}


def _settings() -> Iterator[Row]:
    allowed: dict[str, Any] = {
        "weight_decay": 0.0, "ema_decays": (0.0, 0.5), "betas": (0.0, 0.99), "labels_per_pass": 1
    }  # fmt: skip
    for name, value in allowed.items():
        taken = partial(lambda more: TrainConfig(**SOUND, **more) is not None, {name: value})
        yield f"{name} {value}", taken, True
    nan = float("nan")
    for name, value, words in (
        ("learning_rate", 0.0, "above 0"), ("learning_rate", nan, "above 0"), ("weight_decay",
         -0.1, "at least 0"),
        ("eps", 0.0, "above 0"), ("gradient_clip", 0.0, "above 0"), ("labels_per_pass", 0,
         "above 0"),
        ("betas", (0.9, 1.0), "in [0, 1)"), ("betas", (-0.1, 0.9), "in [0, 1)"), ("ema_decays",
         (1.0,), "in [0, 1)"),
        ("ema_decays", (0.5, 0.5), "no twins"), ("gradient_clip", float("inf"), "above 0"),
    ):  # fmt: skip
        made = partial(lambda more: TrainConfig(**{**SOUND, **more}), {name: value})
        yield f"{name} {value}", made, Refused("TrainConfig.", name.split("_")[0], words)


OTHER = {  # settings of a template, none as `TrainConfig` has it by itself
    "optimizer.learning_rate": "0.25", "optimizer.warmup_steps": "3",
    "optimizer.training_steps": "11", "optimizer.schedule": "cosine",
    "optimizer.weight_decay": "0.125", "optimizer.betas": "[0.3, 0.4]", "optimizer.eps": "0.5",
    "optimizer.gradient_clip": "7.0", "optimizer.ema_decay": "[0.6, 0.7]",
    "loss.temperatures": "[0.75, 1.5]",
}  # fmt: skip


def _stated() -> Iterator[Row]:
    """Settings as the release's configuration and a template state them."""
    described = {
        "optimizer": {"adamw": {"weight_decay": 0.2, "adam_b1": 0.3, "adam_b2": 0.4}, "eps": 0.5,
                      "lr_schedule": {"learning_rate": 0.1, "warmup_steps": 2, "total_steps": 9,
                                      "lr_schedule": "cosine"}},
        "max_grad_norm": 3.0, "ema_decay": 0.6, "loss_kwargs": {"R_list": [0.7]},
    }  # fmt: skip
    found = TrainConfig.from_reference(described)
    names = ("learning_rate", "warmup_steps", "total_steps", "schedule", "weight_decay", "betas",
        "eps",
             "gradient_clip", "ema_decays", "temperatures")  # fmt: skip
    yield "from the release's", lambda: [getattr(found, one) for one in names], [
        0.1, 2, 9, "cosine", 0.2, (0.3, 0.4), 0.5, 3.0, (0.6,), (0.7,)
    ]  # fmt: skip
    template = override(load_template("digits"), [f"{name}={text}" for name, text in OTHER.items()])
    ours = build.train_config(template)
    yield "of a template", lambda: [getattr(ours, one) for one in names], [
        0.25, 3, 11, "cosine", 0.125, (0.3, 0.4), 0.5, 7.0, (0.6, 0.7), (0.75, 1.5)
    ]  # fmt: skip
    yield "and no other", lambda: (ours.semantics, ours.labels_per_pass, ours.kernel), (
        "reference", None, "plain"
    )  # fmt: skip


def _values(one: object, names: tuple[str, ...]) -> list[object]:
    return [getattr(one, name) for name in names]


def _built() -> Iterator[Row]:
    """What a template asks of the encoders, and the digest of weights."""
    template = load_template("digits")
    names = ("vanilla", "input_statistic", "encoders")
    for changes, wanted in (
        ((), [True, True, True]), (("loss.vanilla_term=absent",), [False, True, True]),
        (("loss.input_statistic=absent",), [True, False, True]),
        (("loss.feature_taps=none",), [True, True, False]),
    ):  # fmt: skip
        one = build.feature_config(override(template, changes))
        yield f"features {changes}", partial(_values, one, names), wanted
    yield "no second encoder", lambda: build.second_encoder(template, None), None
    with patch.object(build, "load_pretrained", lambda *given: given):
        pixels, x = load_template("pixel-b16"), Path("x")
        loaded: Any = build.second_encoder(pixels, x)
    stated = build.SECOND_ENCODERS[pixels.encoder.second_encoder.model]
    yield "a second encoder", lambda: loaded == (x, stated), True
    raw = override(template, ("loss.feature_taps=none", "loss.vanilla_term=absent"))
    for name, call, words in (
        ("one too many", partial(build.second_encoder, template, Path("x")),
         ("--second-encoder: found x", "none in this template")),
        ("one too few", partial(build.second_encoder, load_template("pixel-b16"), None),
         ("encoder.second_encoder", "no weights", "--second-encoder FILE")),
        ("no feature left", partial(build.feature_config, raw),
         ("loss.vanilla_term", "no feature")),
    ):  # fmt: skip
        yield name, call, Refused(*words)
    model = nn.Linear(1, 1)
    with torch.no_grad():
        model.weight.fill_(1.0)
        model.bias.fill_(-2.0)
    text = b"bias (1,) torch.float32\0\0\0\xc0weight (1, 1) torch.float32\0\0\x80?"
    digest = hashlib.sha256(text).hexdigest()
    yield "a digest of weights", partial(build.parameters_digest, model), digest


def _updates() -> Iterator[Row]:
    gradients = [torch.tensor([3.0]), torch.tensor([[4.0]])]
    yield "a norm", lambda: float(step.global_norm(gradients)), 5.0
    for limit, wanted in ((2.5, [1.5, 2.0]), (5.0, [3.0, 4.0]), (6.0, [3.0, 4.0])):

        def clipped(limit: float = limit) -> list[float]:
            held = [one.clone() for one in gradients]
            step.clip(held, torch.tensor(5.0), limit)
            return [float(one) for one in held]

        yield f"clipped at {limit}", clipped, wanted
    third = torch.tensor([5 / 3])  # at the limit itself the division is done, as below it
    edge, limit = [third.clone()], 5.0
    step.clip(edge, torch.tensor(limit), limit)
    divided = third.div(limit).mul(limit)
    yield "at the limit", lambda: (torch.equal(edge[0], divided), torch.equal(divided, third)), (
        True, False
    )  # fmt: skip
    config = TrainConfig(
        **SOUND, weight_decay=0.25, betas=(0.5, 0.75), eps=0.125, ema_decays=(0.5,)
    )
    created = step.TrainState.create(cases.generator(), small_run.encoder(), config)
    group = created.optimizer.param_groups[0]
    given = {name: group[name] for name in ("lr", "betas", "eps", "weight_decay")}
    yield "an optimiser", lambda: given, {
        "lr": 0.1, "betas": (0.5, 0.75), "eps": 0.125, "weight_decay": 0.25
    }  # fmt: skip
    held = {id(one) for one in group["params"]}
    yield "of the generator", lambda: held == {id(p) for p in created.generator.parameters()}, True
    yield "its averages", lambda: (list(created.ema), created.step), ([0.5], 0)
    left = nn.Linear(1, 1)
    left.weight.grad = torch.ones(1, 1)
    state: Any = SimpleNamespace(step=4, optimizer=torch.optim.SGD(left.parameters(), lr=1.0))

    def finite(value: float) -> object:
        try:
            step.require_finite("loss", torch.tensor(value), state)
        except step.NotFinite as error:
            return error.figure, str(error)[:24], left.weight.grad
        return "taken"

    yield "a number", partial(finite, 1.0), "taken"
    yield "its gradient", lambda: left.weight.grad is not None, True
    yield "no number", partial(finite, float("inf")), ("loss inf", "step 4: found loss inf; ", None)
    yield "a gradient that is none", partial(_not_updated, created), (
        "gradient norm nan", True, True, 0, True
    )  # fmt: skip

    traced: Any = _traced(created)
    yield "a trace", lambda: [bool(one) for one in traced], [True, True]
    for labels in (None, 1):
        yield f"asked of the loss, {labels} at a time", partial(_asked, created, labels), [
            0, 4, (0.75, 1.5), "paper", "group", "fused",
        ]  # fmt: skip


def _traced(state: step.TrainState) -> object:
    """What a trace keeps of samples that are generated: channels last, as the release has them."""
    codes = torch.arange(2 * state.generator.config.style_tokens).reshape(2, -1) % 8
    one = StepBatch(
        labels=torch.arange(2), positives=torch.zeros(2, 1, 1, 8, 8),
        unconditional=torch.zeros(2, 0, 1, 8, 8), style=codes, alpha=torch.ones(2),
        noise=torch.randn(2, 1, 8, 8, generator=torch.Generator().manual_seed(0)),
    )  # fmt: skip
    with trace.recording() as stages:
        made = step.generate(state, one)
    return torch.equal(stages["samples"], made.movedim(1, -1)), made.std() > 0


def _asked(state: step.TrainState, labels: int | None) -> list[object]:
    """What a step asks of the loss: of how many labels and positives, and what is set."""
    given: dict[str, Any] = {}

    def told(gen: Any, real: Any, alpha: Tensor, **named: Any) -> Any:
        given.update(named, labels=len(alpha))
        raise LookupError

    config = replace(
        state.config, temperatures=(0.75, 1.5), semantics="paper", kernel="fused",
        labels_per_pass=labels,
    )  # fmt: skip
    other: Any = SimpleNamespace(
        **{**vars(state), "config": config, "ranks": SimpleNamespace(group="group")}
    )
    codes = torch.zeros(6, state.generator.config.style_tokens, dtype=torch.int64)
    one = StepBatch(
        labels=torch.arange(3), positives=torch.zeros(3, 4, 1, 8, 8),
        unconditional=torch.zeros(3, 1, 1, 8, 8), noise=torch.zeros(6, 1, 8, 8), style=codes,
        alpha=torch.ones(3),
    )  # fmt: skip
    one = batch.share(one, (0, 3), 0)  # a label that only takes part
    with patch("drift.loss.feature_loss", told), suppress(LookupError):
        step.gradients(other, one)
    names = ("labels", "positives", "temperatures", "semantics", "group", "kernel")
    return [given.get(name) for name in names]


def _not_updated(state: step.TrainState) -> object:
    """What an update leaves where one entry of one gradient is NaN, the loss being finite."""
    weights = list(state.generator.parameters())
    for one in weights:
        one.grad = torch.ones_like(one)
    cast(Tensor, weights[-1].grad).view(-1)[-1] = float("nan")
    held = [one.detach().clone() for one in weights]
    kept = {name: one.clone() for name, one in state.ema[0.5].items()}
    try:
        step.update(state)
    except step.NotFinite as error:
        same = all(torch.equal(a, b) for a, b in zip(weights, held, strict=True))
        average = all(torch.equal(kept[name], one) for name, one in state.ema[0.5].items())
        return error.figure, same, average, state.step, all(one.grad is None for one in weights)
    return "updated"


def _begun() -> Iterator[Row]:
    """How a run may begin, and what it takes over from another."""
    one = beginning.require_one
    x = Path("x")
    for given in ((False, None, None), (True, None, None), (True, None, 0.1), (False, x, None)):
        yield f"begun {given}", partial(one, *given), None
    said = Refused("--model-from: found x with --resume")
    yield "two beginnings", partial(one, True, x, None), said
    said = Refused("0.1 for a new run", "--set optim")
    yield "a rate of a new run", partial(one, False, None, 0.1), said
    model = nn.Linear(1, 1)
    state: Any = SimpleNamespace(generator=model, ema=modules.averages(model, (0.5,)))
    held = {"model/weight": torch.full((1, 1), 7.0), "model/bias": torch.zeros(1),
            "ema/0.5/weight": torch.full((1, 1), 8.0), "ema/0.5/bias": torch.zeros(1)}  # fmt: skip

    def inherit(facts: dict[str, Any] | None = None, **changes: Tensor | None) -> object:
        tensors = {k: v for k, v in {**held, **changes}.items() if v is not None}
        kept = Checkpoint(9, tensors, {"diagnostic": ["x"], **(facts or {})})
        said = beginning.inherit(kept, state)
        return said, float(model.weight.detach()), float(state.ema[0.5]["weight"])

    yield "taken over", inherit, (["x", "parameters of step 9 of another run"], 7.0, 8.0)
    said = Refused("checkpoint of step 9", "pre-training", "a generator's run")
    yield "an encoder's", partial(inherit, {"kind": "pretrain"}), said
    no_average = partial(inherit, **{"ema/0.5/weight": None, "ema/0.5/bias": None})
    yield "no average", no_average, Refused("no average of decay 0.5", "optimizer.ema_decay")
    said = Refused("checkpoint of step 9", "the parameters of the template's generator")
    for name, changed in (
        ("a tensor less", {"model/bias": None}), ("an average less", {"ema/0.5/bias": None}),
        ("another shape", {"model/bias": torch.zeros(2)}),
    ):  # fmt: skip
        yield name, partial(inherit, **changed), said


@mutant("train.passes_not_idle", batch, "resting")
def passes_not_idle(real: Any, one: StepBatch, largest: int) -> Any:
    """What only takes part counts."""
    return batch.held(batch.rows(one, 0, 1), largest)


# Any beginning goes with any other.
ANY_BEGINNING = mutant(
    "train.any_beginning", beginning, require_one=lambda resume, model_from, rate: None
)
