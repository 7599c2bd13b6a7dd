"""Every draw of numbers comes from the stream that is handed over, and from no other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from drift.config import load_template, override
from drift.data import augment, posterior
from drift.data.loader import Loader
from drift.data.source import TensorSource
from drift.encoder import EncoderConfig, MaskedAutoencoder, initialise
from drift.encoder.masking import draw_mask
from drift.evaluate import baselines, networks
from drift.generator import Generator, GeneratorConfig, init
from drift.queue import SampleQueue
from drift.sample import sampler
from drift.toy import targets
from drift.toy.generator import ToyGenerator
from drift.train import draw, watch
from verify.api import CheckContext, Measurement, check, mutant

from ..common import small_run
from ..common.places import folder

SWITCHES = ("rmsnorm", "qk_norm", "rope", "swiglu")
SIZES: dict[str, Any] = {
    "input_size": 4, "in_channels": 2, "out_channels": 3, "patch_size": 2, "hidden_dim": 8,
    "depth": 1, "num_heads": 2, "cond_dim": 8, "num_classes": 3, "style_tokens": 2,
    "style_codes": 4, "register_tokens": 2,
}  # fmt: skip
LIMITS: tuple[dict[str, Any], ...] = (
    {"style_codes": 0},
    {"style_tokens": 0},
    {"register_tokens": 0},
    {"depth": 2},
)
ENCODER: dict[str, Any] = {"in_channels": 1, "blocks": (1, 1, 1, 1), "num_classes": 3}
Draw = Callable[[torch.Generator], object]


@check("train.streams")
def streams(ctx: CheckContext) -> Measurement:
    """The same numbers from one stream whatever torch's own has come to, which stays there."""
    count = 0
    for name, drawn in (*_modules(), *_numbers(), *_of_a_run()):
        one, again, other = (_found(drawn, *seeds) for seeds in ((1, 5), (1, 6), (2, 5)))
        if None in (one, again, other):
            return ctx.decide(False, f"{name}: torch's own stream moves")
        if one != again:
            return ctx.decide(False, f"{name}: torch's own stream decides")
        if one == other:
            return ctx.decide(False, f"{name}: another stream gives the same numbers")
        count += 1
    return ctx.decide(True, f"{count} kinds of draws come from the stream that is handed over")


def _found(drawn: Draw, seed: int, of_torch: int) -> bytes | None:
    """The bytes of what is drawn; None where torch's own stream has moved."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(of_torch)
        before = torch.random.get_rng_state()
        values = drawn(torch.Generator().manual_seed(seed))
        unmoved = torch.equal(torch.random.get_rng_state(), before)
    return b"".join(map(_bytes, _flat(values))) if unmoved else None


def _flat(values: object) -> Iterator[Tensor]:
    """Tensors of a module or of a nesting of tuples."""
    if isinstance(values, nn.Module):
        yield from values.state_dict().values()
    elif isinstance(values, tuple):
        for value in values:
            yield from _flat(value)
    else:
        yield torch.as_tensor(values)


def _bytes(value: Tensor) -> bytes:
    return value.detach().contiguous().numpy().tobytes()


def _modules() -> Iterator[tuple[str, Draw]]:
    """Initial parameters under every switch and at the limits."""
    switched: list[dict[str, Any]] = [
        dict(zip(SWITCHES, on, strict=True)) for on in product((True, False), repeat=4)
    ]
    for changed in (*switched, *LIMITS):
        config = GeneratorConfig(**{**SIZES, **changed})
        yield f"Generator {changed}", partial(_made, Generator, config)
    trunk: dict[str, Any] = {"base_channels": 4, "trunk_only": True}
    for changed in (trunk, {"base_channels": 32}):
        made = EncoderConfig(**{**ENCODER, **changed})
        yield f"encoder {changed}", partial(_made, MaskedAutoencoder, made)
    yield "ToyGenerator", lambda g: ToyGenerator(2, 1, 2, width=3, depth=1, generator=g)


def _made(kind: Any, config: object, generator: torch.Generator) -> nn.Module:
    made: nn.Module = kind(config, generator=generator)
    return made


def _numbers() -> Iterator[tuple[str, Draw]]:
    """Functions that are handed a stream."""
    config = GeneratorConfig(**SIZES)
    template = override(load_template("digits"), small_run.RUN)
    yield "mask", lambda g: draw_mask(2, (4, 4), ratio=(0.2, 0.8), patch=2, generator=g)
    yield "crops", partial(augment.numbers, 2)
    yield "noise of a sample", partial(sampler.draw_noise, config)
    yield "styles of a sample", partial(sampler.draw_style, config)
    yield "noise of a step", lambda g: draw.draw_inputs(template, 2, g)[0]
    yield "styles of a step", lambda g: draw.draw_inputs(template, 9, g)[1]
    yield "labels of a step", partial(draw.draw_labels, torch.arange(40), 9)
    yield "scales of a step", partial(draw.draw_alpha, template, 4)
    held = SampleQueue(1, 40)
    held.push(torch.arange(40.0)[:, None], torch.zeros(40, dtype=torch.int64))
    yield "samples of a queue", lambda g: held.sample(torch.tensor([0]), 9, generator=g)
    yield "two modes", partial(targets.Bimodal().draw, 9)
    yield "a board", partial(targets.Checkerboard().draw, 9)
    rows = torch.arange(12.0, dtype=torch.float64).reshape(3, 4).square()
    for most, alone in product((3, 4), (False, True)):
        yield f"Gaussians {most} {alone}", partial(_gaussian, rows, most, alone)


def _gaussian(rows: Tensor, most: int, alone: bool, generator: torch.Generator) -> Tensor:
    with patch.object(baselines, "MOST_SQUARED", most):
        return baselines._gaussian(rows, 5, generator, independent=alone)


def _of_a_run() -> Iterator[tuple[str, Draw]]:
    """What draws from streams that are named by a seed, here that of the stream handed over."""
    settings = SimpleNamespace(shape=(1, 2, 2), seed=0)
    source = TensorSource(torch.arange(40.0).reshape(40, 1, 1, 1), torch.arange(40) % 4, 4)

    def noise(g: torch.Generator) -> Tensor:
        settings.seed = g.initial_seed()
        return posterior.noise_of(3, next(iter(posterior.PURPOSE)), settings)  # type: ignore[arg-type]

    yield "noise of a latent", noise
    yield "tiny network", _tiny
    yield "order of an epoch", lambda g: Loader(source, seed=g.initial_seed()).indices(9)
    yield "rows read again", partial(_read_again, source)


def _tiny(generator: torch.Generator) -> tuple[Tensor, ...]:
    with folder() as root:
        networks.write_tiny(root / "tiny", generator.initial_seed())
        return tuple(load_file(root / "tiny").values())


def _read_again(source: TensorSource, generator: torch.Generator) -> Tensor:
    """The places that the watch reads once more."""
    asked = list[Tensor]()

    class Told:
        labels = source.labels

        def get(self, places: Tensor) -> Tensor:
            asked.append(places)
            return source.get(places)

    origins = torch.arange(40).reshape(10, 4).T
    held = source.get(origins.flatten()).reshape(4, 10, 1, 1, 1)
    batch = SimpleNamespace(labels=torch.arange(4), counted=4, positives=held)
    own = SimpleNamespace(
        skipped=(), source=Told(), seed=generator.initial_seed(), state=SimpleNamespace(step=3)
    )
    drawn: Any = SimpleNamespace(batch=batch, origins=origins)
    watch.Watch.require_true_labels(own, drawn)  # type: ignore[arg-type]
    return torch.cat(asked)


def _of_torch(real: Any, *given: Any) -> Any:
    """A draw that forgets which stream it was handed."""
    return real(*given[:-1], None)


OTHER_STREAMS = (
    # Style tables come from torch's own stream.
    mutant("train.styles_of_torch", init, style_=partial(_of_torch, init.style_)),
    # Kernels of encoders come from torch's own stream.
    mutant(
        "train.kernels_of_torch", initialise,
        lecun_normal_=partial(_of_torch, initialise.lecun_normal_),
    ),
    # Steps draw their noise and styles from torch's own stream.
    mutant("train.inputs_of_torch", draw, draw_inputs=partial(_of_torch, draw.draw_inputs)),
    # Every sample has the noise of the first.
    mutant(
        "train.one_noise", sampler,
        draw_noise=lambda config, stream: torch.zeros(config.in_channels, 4, 4),
    ),
)  # fmt: skip
