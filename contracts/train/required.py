"""Checks of what a run needs before it begins: memory, gates asked, an encoder of its own."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import chain
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock, patch

import torch

from drift.artifacts.store import Artifact
from drift.config import Template, encoder_kwargs, fingerprint, load_template, override
from drift.data.source import TensorSource
from drift.encoder import EncoderConfig, MaskedAutoencoder
from drift.errors import DriftError
from drift.sample.loading import BYPASSED, NO_GATES
from drift.state import trial
from drift.train import beginning, build, room, run
from verify.api import CheckContext, Measurement, check, mutant

from ..common.rows import Refused, Row, judge_rows

PLACE = Path("e.safetensors")


@check("train.required")
def required(ctx: CheckContext) -> Measurement:
    """Bytes of each part by hand, on both sides of a machine's memory; bypasses; encoders."""
    rows = chain(_bytes(), _limits(), _bypasses(), _encoders(), _shapes(), _kernels(), _tried())
    return judge_rows(ctx, rows, "facts of what is required")


def _kernels() -> Iterator[Row]:
    """A faithful template keeps the way that the evidence of its gates is about; others choose."""
    faithful, free = load_template("latent-l2"), _digits()
    for template, kernel in ((faithful, "plain"), (free, "plain"), (free, "compiled")):

        def told(template: Template = template, kernel: str = kernel) -> tuple[object, ...]:
            made = beginning.configured(template, 3, kernel)
            return made.kernel, made.labels_per_pass, made.total_steps

        steps = template.optimizer.training_steps
        yield f"{kernel} for {template.name}", told, (kernel, 3, steps)
    for kernel in ("compiled", "fused"):
        said = Refused("--kernel", f"{kernel} for a faithful template", "plain", "Leave it out")
        yield f"faithful, {kernel}", partial(beginning.configured, faithful, None, kernel), said


def _tried() -> Iterator[Row]:
    """Data of other shapes or classes than the template's are refused, and what fits nowhere is."""
    template = _digits()

    def data(channels: int = 1, side: int = 8, classes: int = 10) -> TensorSource:
        images = torch.arange(float(classes))[:, None, None, None].expand(-1, channels, side, 8)
        return TensorSource(images, torch.arange(classes).flip(0), classes)

    asked = partial(trial.require_source, template)
    yield "its data", partial(asked, data()), None
    for name, other, words in (
        ("another channel", data(channels=3), ("samples of shape [3, 8, 8]", "[1, 8, 8]")),
        ("another side", data(side=9), ("samples of shape [1, 9, 8]", "[1, 8, 8]")),
        ("other classes", data(classes=9), ("9 classes", "10, as generator.num_classes says")),
    ):  # fmt: skip
        yield name, partial(asked, other), Refused("data: found", *words)
    image, label = trial.first(data(), "cpu")
    yield "the first", lambda: (list(image.shape), image.sum().item(), label.tolist()), (
        [1, 1, 8, 8], 0.0, [9]
    )  # fmt: skip
    yield "one that passes", partial(trial.require_passes, "models", lambda: None, template), None
    seen: list[bool] = []
    with torch.enable_grad():
        trial.require_passes("models", lambda: seen.append(torch.is_grad_enabled()), template)
    yield "without gradients", lambda: seen, [False]
    refused = DriftError("x", found="sizes differ", expected="y")
    kinds = (RuntimeError("sizes\n differ"), IndexError("sizes differ"), ValueError("sizes differ"))
    for error in (*kinds, refused):
        fails = Mock(side_effect=error)
        said = Refused("one sample through the models of digits", "sizes differ",
                       "shapes that fit one another", "nothing was written")  # fmt: skip
        yield f"{error!r}", partial(trial.require_passes, "models", fails, template), said


def _digits(*settings: str) -> Template:
    return override(load_template("digits"), settings) if settings else load_template("digits")


def _bytes() -> Iterator[Row]:
    template = _digits()
    g, loss, queue, e = template.generator, template.loss, template.queue, template.encoder
    assert g.input_shape == (8, 8, 1), g.input_shape
    labels, sample = loss.class_labels, 256
    kept = (g.num_classes * queue.per_class_capacity + queue.global_capacity) * (sample + 8)
    keys = 8 * labels * (queue.per_class_capacity + queue.global_capacity)
    yield "in the host's memory", lambda: list(room.samples(template).values()), [
        kept + keys, queue.push_per_step * (sample + 8),
        labels * (loss.positives + loss.unconditional) * sample,
        labels * loss.generated * (sample + 8 * g.style_tokens),
    ]  # fmt: skip
    count = sum(p.numel() for p in build.generator(template, seed=0).parameters())
    patches = (8 // g.patch_size) ** 2 + g.register_tokens
    for dtype, size in (("float32", 4), ("bfloat16", 2)):
        other = _digits(f"generator.activation_dtype={dtype}")
        block = patches * g.hidden_size * g.depth * size
        wanted = [count * 4 * 5, 3 * loss.generated * (block + sample)]
        yield f"on the device, {dtype}", partial(_values, room.models(other, 3)), wanted
    twice = _digits("optimizer.ema_decay=[0.9, 0.99]")
    yield "a second average", lambda: _values(room.models(twice, 3))[0], count * 4 * 6
    config = EncoderConfig.from_reference(encoder_kwargs(template))
    whole = sum(p.numel() for p in MaskedAutoencoder(config, device="meta").parameters())
    stem = e.stage_sizes[0] ** 2 * e.base_width * 4
    wanted = [whole * 4 * 5, e.pretrain.batch_size * (sample + stem)]
    yield "of an autoencoder", lambda: _values(room.autoencoder(template)), wanted
    sizes = {
        0: "0 B",
        999: "999 B",
        1000: "1 KB",
        1.5e9: "1.5 GB",
        2e15: "2 PB",
        999_999: "1e+03 KB",
    }
    for held, said in sizes.items():
        yield f"{held} bytes", partial(room.size, held), said
    yield "of this machine", lambda: 1 << 28 < room.memory("cpu") < 1 << 50, True


def _values(parts: room.Parts) -> list[int]:
    return list(parts.values())


def _limits() -> Iterator[Row]:
    """What fits to the byte is taken, one byte more is not; on a CPU both memories are one."""
    template = _digits()
    host = sum(room.samples(template).values())
    device = sum(room.models(template, 10).values())
    some = sum(room.models(template, 4).values())
    encoder, both = sum(room.autoencoder(template).values()), device + host
    passes = {"device": "cuda", "labels_per_pass": 4}
    cases: dict[str, tuple[dict[str, Any], dict[str, int], str]] = {
        "a run": ({"device": "cpu"}, {"cpu": both}, "cpu"),
        "a run on a device": ({"device": "cuda"}, {"cuda": device, "cpu": host}, "cuda"),
        "a run beside a device": ({"device": "cuda"}, {"cuda": device, "cpu": host}, "cpu"),
        "a run in passes": (passes, {"cuda": some, "cpu": host}, "cuda"),
        "more passes than labels": ({**passes, "labels_per_pass": 99},
                                    {"cuda": device, "cpu": host}, "cuda"),
        "a run of two": ({"device": "cpu", "world": 2}, {"cpu": both // 2}, "cpu"),
        "an encoder": ({"device": "cpu"}, {"cpu": encoder}, "cpu"),
        "an encoder of two": ({"device": "cpu", "world": 2}, {"cpu": encoder // 2}, "cpu"),
    }  # fmt: skip
    for name, (asked, held, which) in cases.items():
        call = room.require_for_pretraining if "encoder" in name else room.require_for_training
        yield name, partial(_fitted, call, asked, held), None
        less = {**held, which: held[which] - 1}
        said = Refused(
            "template digits",
            "a process needs; expected at most",
            f"the memory of {which} here",
            "drift plan",
        )
        yield f"{name}, a byte less", partial(_fitted, call, asked, less), said


def _fitted(call: Any, asked: dict[str, Any], held: dict[str, int]) -> object:
    with patch.object(room, "memory", held.__getitem__):
        return call(_digits(), **asked)


def _bypasses() -> Iterator[Row]:
    faithful, free = load_template("latent-b2"), _digits()
    own = {"fingerprint": fingerprint(faithful)}
    for name, template, gates, skipped, wanted in (
        ("asked", faithful, own, (), []), ("never asked", faithful, {}, (), [NO_GATES]),
        ("about another", faithful, {"fingerprint": "x"}, (), [NO_GATES]),
        ("bypassed", faithful, {**own, "bypass": "why"}, (), [f"{BYPASSED}: why"]),
        ("free", free, {}, (), []),
    ):  # fmt: skip
        options: Any = SimpleNamespace(labels={"gates": gates}, bypass_checks=skipped)
        yield name, partial(run._bypasses, template, options), wanted
    bare: Any = SimpleNamespace(labels={}, bypass_checks=())
    yield "no word of gates", partial(run._bypasses, faithful, bare), [NO_GATES]


def _encoders() -> Iterator[Row]:
    """Any encoder for a free template; for a faithful one its column's, pre-trained as it says."""
    faithful = load_template("latent-b2")
    config = EncoderConfig.from_reference(encoder_kwargs(faithful))
    right = MaskedAutoencoder(config.trunk(), device="meta")
    small = EncoderConfig(in_channels=4, base_channels=32, blocks=(1, 1, 1, 1), num_classes=10)
    other = MaskedAutoencoder(small.trunk(), device="meta")

    def given(wanted: Template, model: Any, **metadata: str) -> bool:
        found = Artifact(model, "mae", metadata, ())
        return beginning.require_encoder(wanted, found, PLACE) is model

    own, away = fingerprint(faithful), fingerprint(_digits())
    closest = faithful.model_copy(update={"fidelity": "closest-feasible"})
    same = fingerprint(load_template("latent-l2"))
    alike = (load_template("latent-l2").encoder, load_template("latent-l2").data) == (
        faithful.encoder, faithful.data
    )  # fmt: skip
    taken: dict[str, tuple[Template, Any, dict[str, str]]] = {
        "free with any": (_digits(), other, {"template": f"x@{away}"}),
        "from outside": (faithful, right, {}),
        "of its own": (faithful, right, {"template": f"latent-b2@{own}"}),
        "of its own, in words": (faithful, right, {"template": f"latent-b2 {own}"}),
        "closest with any past": (closest, right, {"template": f"x@{away}"}),
    }
    for name, (template, model, metadata) in taken.items():
        yield name, partial(given, template, model, **metadata), True
    said = "one pre-trained as latent-b2 says"
    past = partial(given, faithful, right, template=f"x@{away}")
    yield "of another past", past, Refused(str(PLACE), f"an encoder of template x@{away}", said)
    again = partial(given, faithful, right, template=f"latent-l2@{same}")
    yield "of a template alike", again, True if alike else Refused(said)
    wide = partial(given, faithful, other)
    yield "of another width", wide, Refused("base_channels 32", "as the template says", "free")
    closer = partial(given, closest, other)
    yield "of another width, closest", closer, Refused("base_channels 32")
    no_encoder: Any = torch.nn.Linear(1, 1)
    kind = partial(given, _digits(), no_encoder)
    yield "a generator", kind, Refused("a generator", "a masked autoencoder")


def _shapes() -> Iterator[Row]:
    """One real sample and one that is generated from nothing go through the features together."""
    seen: list[Any] = []

    class Model(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.w = torch.nn.Parameter(torch.ones(1))
            self.config = SimpleNamespace(style_tokens=3)

        def forward(self, *given: torch.Tensor) -> torch.Tensor:
            seen.append([(tuple(one.shape), one.dtype, one.tolist()) for one in given])
            return given[0] + 2.0

    state: Any = SimpleNamespace(generator=Model(), extractor=lambda x: seen.append(x.tolist()))
    sample = torch.full((1, 1, 1, 1), 7.0, dtype=torch.float64), torch.tensor([4])
    source: Any = "source"
    with patch.object(trial, "first", lambda source, device: sample):
        beginning.one_sample(state, source)
    yield "of nothing", lambda: seen, [
        [((1, 1, 1, 1), torch.float32, [[[[0.0]]]]), ((1,), torch.int64, [4]),
         ((1,), torch.float32, [1.0]), ((1, 3), torch.int64, [[0, 0, 0]])],
        [[[[7.0]]], [[[2.0]]]],
    ]  # fmt: skip


@mutant("train.any_past", beginning, "_pretrained_as")
def any_past(real: Any, *given: Any) -> bool:
    """How an encoder was pre-trained is asked by nobody."""
    return True


OTHER_VALUES = (
    # A run without a word of gates counts as one that passed them.
    mutant("train.gates_unsaid", run, NO_GATES="gates"),
    # An optimiser without moments.
    mutant("train.moments_weigh_nothing", room, MOMENTS=2),
)
