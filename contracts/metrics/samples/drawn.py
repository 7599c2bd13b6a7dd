"""Checks of how samples are drawn and shown: decoders, single draws, cards, whole models."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import chain
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import torch

from drift import rng
from drift.data import tokenizer
from drift.sample import decoder, folder, pretrained, sampler
from drift.sample.loading import Origin
from verify.api import CheckContext, Measurement, check, mutant

from ...common.rows import Refused, Row, judge_rows
from .. import cases

A64 = "a" * 64
ORIGIN = Origin(
    path="p", sha256=A64, step=4, weights="ema", ema_decay="0.9", template="t", fingerprint="f",
    column="L2", dataset="d", tokenizer=f"o/n@{'c' * 40}", scaling_factor=0.5, run_seed=0,
    encoder_sha256=A64, bypasses=(), tokenizer_sha256=A64,
)  # fmt: skip


@check("metrics.draws")
def draws(ctx: CheckContext) -> Measurement:
    """Decoders that are the run's and those that are not; draws of one sample; cards; fields."""
    return judge_rows(ctx, chain(_decoders(), _drawn(), _cards()), "facts of draws")


def _decoders() -> Iterator[Row]:
    pixels = replace(ORIGIN, tokenizer="none")
    none = decoder.decoder_for(pixels, None, None)
    yield (
        "pixels",
        lambda: (none.identity, none.vae, none(torch.ones(1)).tolist()),
        ("none", None, [1.0]),
    )
    said = Refused("--vae: found o/n")
    yield "pixels with any", partial(decoder.decoder_for, pixels, "o/n", None), said
    for vae, revision in ((None, None), ("o/n", None), (None, "c" * 40)):
        said = Refused(
            f"--vae {vae}, --vae-revision {revision}", ORIGIN.tokenizer, "write .safetensors"
        )
        yield (
            f"latents with {vae} {revision}",
            partial(decoder.decoder_for, ORIGIN, vae, revision),
            said,
        )
    other = partial(decoder.decoder_for, ORIGIN, "o/x", "c" * 40)
    said = Refused(f"o/x@{'c' * 40}", "with which the generator was trained")
    yield "another by name", other, said
    said = Refused("vae: found none", "o/n@")
    yield "none in memory", partial(decoder.require_own, None, ORIGIN), said
    yield "any in memory", partial(decoder.require_own, object(), pixels), Refused("found object")
    yield "none for pixels", partial(decoder.require_own, None, pixels), None
    right: Any = SimpleNamespace(name="n", sha256=A64, scaling_factor=0.5)
    local = replace(ORIGIN, tokenizer=f"local:n@{A64}", tokenizer_sha256=None)
    bare = replace(ORIGIN, tokenizer_sha256=None)
    for name, opened, origin, by_name, words in (
        ("by digest", right, ORIGIN, True, ()), ("by its pin", right, local, False, ()),
        ("by name", right, bare, True, ()),
        ("without a digest", right, bare, False, ("records no digest", "by name and commit")),
        ("another digest", SimpleNamespace(**{**vars(right), "sha256": "b" * 64}), ORIGIN, True,
         (A64,)),
        ("another pin", SimpleNamespace(**{**vars(right), "sha256": "b" * 64}), local, False,
         (A64,)),
        ("another factor", SimpleNamespace(**{**vars(right), "scaling_factor": 1.0}), ORIGIN, True,
         ("scaling_factor: found 1.0", "0.5")),
        ("any factor where none is known", SimpleNamespace(**{**vars(right),
         "scaling_factor": 1.0}),
         replace(ORIGIN, step=None), True, ()),
    ):  # fmt: skip
        other_: Any = opened
        call = partial(decoder._require_trained_with, other_, origin, by_name=by_name)
        yield f"trained with: {name}", call, Refused(*words) if words else None
    scaled: Any = SimpleNamespace(parameters=lambda: iter([torch.zeros(1)]), decode=_Decoded)
    decode = decoder.Decoder(scaled, 0.5, "x")
    yield from _opened()
    yield from _in_memory()
    yield "decoded", lambda: decode(torch.tensor([1.0, 3.0]).double()).tolist(), [2.0, 6.0]


def _opened() -> Iterator[Row]:
    """How the autoencoder of latents is asked for by name and by folder, and what it is then."""
    asked: list[tuple[object, ...]] = []
    weights: Any = SimpleNamespace(parameters=lambda: iter([torch.zeros(1)]), decode=_Decoded)

    def opens(vae: str, revision: str | None, *, device: str) -> Any:
        asked.append((vae, revision, device))
        return SimpleNamespace(model=weights, name="n", sha256=A64, scaling_factor=0.5)

    with cases.folder() as place, patch.object(tokenizer, "open_tokenizer", opens):
        local = replace(ORIGIN, tokenizer=f"local:n@{A64}")
        for name, call, wanted, identity in (
            ("by name", partial(decoder.decoder_for, ORIGIN, "o/n", "c" * 40, device="meta"),
             ("o/n", "c" * 40, "meta"), f"n@{'c' * 40}"),
            ("by folder", partial(decoder.decoder_for, local, str(place), A64),
             (str(place), None, "cpu"), f"n@{A64}"),
        ):  # fmt: skip
            found = call()
            facts = [asked[-1], found.identity, found.vae is weights]
            facts += found(torch.tensor([1.0])).tolist()
            yield f"opened and scaled {name}", partial(list, facts), [wanted, identity, True, 2.0]
        other = partial(decoder.decoder_for, local, str(place), "b" * 64)
        yield "another folder", other, Refused(f"{place}: parameters", f"sha256 {A64}", "b" * 64)
        unknown = replace(ORIGIN, tokenizer_sha256=None)
        call = partial(decoder.decoder_for, unknown, str(place), A64)
        yield "a folder for no digest", call, Refused("records no digest")
        yield "a name for no digest", lambda: decoder.decoder_for(
            unknown, "o/n", "c" * 40
        ).identity, f"n@{'c' * 40}"  # fmt: skip
        odd = replace(ORIGIN, tokenizer_sha256="b" * 64)
        call = partial(decoder.decoder_for, odd, "o/n", "c" * 40)
        yield "a name of other weights", call, Refused("n: parameters", f"sha256 {A64}")


def _in_memory() -> Iterator[Row]:
    """An autoencoder in memory is held to the run's digest or name, and to its factor."""
    asked: list[tuple[object, ...]] = []
    local = replace(ORIGIN, tokenizer=f"local:n@{A64}", tokenizer_sha256=None)
    unpinned = replace(local, tokenizer="local:n@unknown")
    bare = replace(ORIGIN, tokenizer_sha256=None)
    for name, origin, digest, factor, words in (
        ("its own", ORIGIN, A64, 0.5, ()),
        ("another", ORIGIN, "b" * 64, 0.5, ("n: parameters", "sha256 bbb", A64)),
        ("another folder", local, "b" * 64, 0.5, ("n: parameters", "sha256 bbb", A64)),
        ("of no digest", unpinned, A64, 0.5, ("records no digest", "by name and commit")),
        ("by name", bare, "b" * 64, 0.5, ()),
        ("another factor", ORIGIN, A64, 0.25, ("scaling_factor: found 0.25", "0.5")),
    ):
        opened = SimpleNamespace(name="n", sha256=digest, scaling_factor=factor)

        def of_model(*given: object, opened: Any = opened) -> Any:
            asked.append(given)
            return opened

        def own(origin: Origin = origin, of_model: Any = of_model) -> None:
            with patch.object(tokenizer, "of_model", of_model):
                decoder.require_own("vae", origin)

        yield f"in memory: {name}", own, Refused(*words) if words else None
    yield "what is asked of it", lambda: asked[0], ("vae", ORIGIN.tokenizer)


class _Decoded:
    """What an autoencoder gives for latents: themselves."""

    def __init__(self, latents: torch.Tensor) -> None:
        self.sample = latents


def _drawn() -> Iterator[Row]:
    model = cases.generator()
    config = model.config
    stream = rng.stream(5, "sample", 7)
    noise = torch.randn(1, 8, 8, generator=stream)
    style = torch.randint(config.style_codes, (config.style_tokens,), generator=stream)
    found = sampler.inputs_of(config, 5, 7)
    yield "noise and style", lambda: [torch.equal(*pair) for pair in zip(found, (noise, style),
        strict=True)], [
        True, True
    ]  # fmt: skip
    digest = hashlib.sha256(b"5/sample/7").digest()
    seed = int.from_bytes(digest[:8], "little") % (1 << 63)
    yield "a stream", lambda: rng.stream(5, "sample", 7).initial_seed(), seed
    yield (
        "a stream of no step",
        lambda: rng.stream(5, "x").initial_seed(),
        rng.stream(5, "x", 0).initial_seed(),
    )
    drawn = sampler.Sampler(model, batch_size=2)
    labels = torch.tensor([3, 1, 2])
    clock = SimpleNamespace(perf_counter=partial(next, iter((1.0, 1.5, 4.0, 6.0))))
    with patch.object(sampler, "time", clock):
        made = list(drawn.batches(labels, alpha=1.5, seed=5, first=7))
    with torch.no_grad():
        one = model(noise[None], labels[:1], torch.tensor([1.5]), style[None])
    yield "by the network itself", lambda: torch.allclose(made[0].samples[:1], one, atol=1e-6), True
    yield "batches", lambda: [(b.first, b.labels.tolist(), b.samples.shape[0]) for b in made], [
        (7, [3, 1], 2), (9, [2], 1)
    ]  # fmt: skip
    yield "counts", lambda: (drawn.samples, drawn.passes, drawn.seconds), (3, 3, 2.5)
    yield "throughput", lambda: drawn.throughput, 1.2
    yield "none yet", lambda: sampler.Sampler(model).throughput, 0.0
    yield "starts", lambda: list(drawn.starts(labels)), [0, 2]
    yield "as usual", lambda: (sampler.Sampler(model).batch_size, model.training), (64, False)
    yield "no batch", partial(sampler.Sampler, model, batch_size=0), Refused("batch size: found 0")
    yield "batches of one", lambda: sampler.Sampler(model, batch_size=1).batch_size, 1


def _cards() -> Iterator[Row]:
    def said(latents: bool = False, **changes: Any) -> list[str]:
        text = folder.card(replace(ORIGIN, **changes), "n", latents=latents)
        return [line.removeprefix("| ") for line in text.splitlines() if line.startswith("| ")][1:9]

    yield "a card", said, [
        "weights | ema of decay 0.9, step 4 |", "template | t, fingerprint f |",
            "column of Table 8 | L2 |",
        "data set | d, licence unknown |", "classes | not known |",
        f"autoencoder | {ORIGIN.tokenizer}, sha256 {A64} |", f"file | sha256 {A64} |",
        "left out or changed | nothing |",
    ]  # fmt: skip
    unknown: dict[str, Any] = {"ema_decay": None, "step": None, "template": None,
        "fingerprint": None,
        "column": None,
               "dataset": None, "class_names": ("a", "b"), "tokenizer_sha256": None,
                   "bypasses": ("x", "y")}  # fmt: skip
    yield "of little", partial(said, **unknown), [
        "weights | ema, step not recorded |", "template | not recorded, fingerprint none |",
        "column of Table 8 | none |", "data set | unknown, licence unknown |", "classes | a, b |",
        f"autoencoder | {ORIGIN.tokenizer}, sha256 not recorded |", f"file | sha256 {A64} |",
        "left out or changed | x, y |",
    ]  # fmt: skip
    for latents, words in ((True, "of latents, decoded"), (False, "of pixels: class label in")):
        card = folder.card(ORIGIN, "n", latents=latents)
        yield f"of latents {latents}", partial(card.__contains__, words), True
    wanted = frozenset({"a", "b"})
    require = partial(pretrained.require_fields, "p", wanted=wanted)
    yield "every field", lambda: require({"a": 1, "b": 2, "_c": 3}), None
    for config, lost in (
        ({"a": 1}, ("missing keys ['b']",)),
        ({"a": 1, "b": 1, "c": 1}, ("unknown keys ['c']",)),
    ):
        yield f"fields {config}", partial(require, config), Refused("p: config.json", *lost)
    yield from _read()


def _read() -> Iterator[Row]:
    """A model of a library taken whole, or not at all."""
    whole = torch.nn.Linear(1, 1)

    def reader(info: dict[str, list[str]], error: Exception | None = None) -> Callable[..., Any]:
        def read(place: object, **chosen: Any) -> Any:
            if error:
                raise error
            assert chosen == {"use_safetensors": True, "output_loading_info": True}, chosen
            return whole, info

        return read

    load = pretrained.load
    yield "whole", lambda: load(reader({"missing_keys": []}), "p")[0] is whole, True
    odd = reader({"missing_keys": ["d", "c", "b", "a"], "error_msgs": ["x"]})
    said = Refused("4 missing keys: a, b, c; 1 error msgs: x", "save it")
    yield "not whole", partial(load, odd, "p"), said
    pickled = partial(load, reader({}), "p", use_safetensors=False)
    yield "pickled", pickled, Refused("use_safetensors: found False", "never read")
    for error in (OSError("no  file"), RuntimeError(""), ValueError("y" * 400)):
        words = {"OSError": "no file", "RuntimeError": "RuntimeError", "ValueError": "y" * 300}
        said = Refused("p: found", words[type(error).__name__], "config.json and its .safetensors")
        yield f"{type(error).__name__}", partial(load, reader({}, error), "p"), said
    with torch.no_grad():
        whole.bias.fill_(float("inf"))
    said = Refused("p: bias", "not finite", "torch_dtype")
    yield "not finite", partial(load, reader({}), "p"), said


OTHER_VALUES = (
    # Any autoencoder decodes.
    mutant(
        "metrics.any_decoder",
        decoder,
        _require_trained_with=lambda opened, origin, by_name: None,
    ),
    # Whatever a library leaves out is drawn at random.
    mutant("metrics.gaps_filled", pretrained, require_fields=lambda place, config, wanted: None),
)
