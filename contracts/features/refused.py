"""Checks of what encoders and features take: configurations, images, files and names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from safetensors.torch import save_file
from torch import nn

from drift import convnext, features
from drift.encoder import EncoderConfig, MaskedAutoencoder, layers, model, statistics
from drift.features import FeatureConfig
from verify.api import CheckContext, Measurement, check, mutant

from ..common.places import folder
from ..common.rows import Refused, Row, judge_rows

WIDTHS, DEPTHS = (8, 16, 24, 32), (1, 1, 1, 1)
ENCODER: Mapping[str, Any] = {"in_channels": 1, "base_channels": 32, "blocks": (1, 1, 1, 1)}


@check("features.refused")
def refused(ctx: CheckContext) -> Measurement:
    """Configurations of both encoders, what they look at, and which features are kept."""
    network = partial(nn.Linear, 2, 1)  # the library's takes long to import, and is not looked into
    with folder() as root, patch.object(convnext, "library_model", lambda config: network()):
        rows = chain(
            _second(),
            _weights(root),
            _encoder(),
            _images(),
            _kept(),
            _freezing(),
            _groups(),
            _unstated(),
        )
        return judge_rows(ctx, rows, "facts of encoders and features")


def _second() -> Iterator[Row]:
    """Four stages of whole numbers, under the reference's keys."""
    made = convnext.ConvNextConfig
    yield "stages of one", lambda: made(DEPTHS, DEPTHS).widths, DEPTHS
    wrong: list[Any] = [(1, 1, 1), (1, 1, 1, 1, 1), (0, 1, 1, 1), (1, True, 1, 1), (1, 1, 1.0, 1)]
    for odd in wrong:
        for given in ((odd, WIDTHS), (DEPTHS, odd)):
            said = Refused("ConvNextConfig", f"depths {given[0]}, widths {given[1]}", "four whole")
            yield f"stages {given}", partial(made, *given), said
    stated = {"depths": list(DEPTHS), "dims": list(WIDTHS)}
    of = made.from_reference
    for name, more in (("stated", {}), ("with a head", {"num_classes": 5})):
        yield name, partial(of, {**stated, **more}), made(DEPTHS, WIDTHS)
    for name, keys in (("more", {**stated, "x": [1]}), ("less", {"depths": [1, 1, 1, 1]})):
        yield f"a key {name}", partial(of, keys), Refused("from_reference", "keys ['", "dims")


def _weights(root: Path) -> Iterator[Row]:
    """Every parameter comes from the file, in its shape; a classifier in it is not used."""
    config = convnext.ConvNextConfig(DEPTHS, WIDTHS)
    state = convnext.ConvNextFeatures(config).state_dict()
    held = {
        name.replace("backbone.", "convnextv2."): torch.full_like(value, 0.25)
        for name, value in state.items()
    }
    path = root / "second.safetensors"

    def loaded(**changes: Any) -> set[float]:
        save_file({k: v for k, v in {**held, **changes}.items() if v is not None}, path)
        found = convnext.load_pretrained(path, config).state_dict()
        return {number for value in found.values() for number in value.flatten().tolist()}

    head = {"classifier.weight": torch.ones(2), "classifier.bias": torch.ones(2)}
    yield "weights", partial(loaded, **head), {0.25}
    first = next(iter(held))
    for name, changes in (
        ("lost", {first: None}), ("more", {"convnextv2.x": torch.ones(1)}),
        ("bent", {first: held[first][None]}),
    ):  # fmt: skip
        told = next(iter(changes)).replace("convnextv2.", "backbone.")
        said = Refused(str(path), "1 parameters missing", told, f"depths {DEPTHS}", "widths")
        yield f"weights {name}", partial(loaded, **changes), said
    yield (
        "no file",
        partial(convnext.load_pretrained, root / "no"),
        Refused("ConvNeXt-V2 weights", "no file", "a safetensors file", "Download"),
    )
    (root / "torn").write_bytes(b"torn")
    said = Refused(f"weights in {root / 'torn'}", "a damaged file (", "a whole", "again")
    yield "a damaged file", partial(convnext.load_pretrained, root / "torn", config), said


def _encoder() -> Iterator[Row]:
    def made(**changes: Any) -> bool:
        return EncoderConfig(**{**ENCODER, **changes}) is not None

    def stated(**changes: Any) -> object:
        given = {"in_channels": 4, "base_channels": 64, "layers": [1, 2, 1, 1], **changes}
        found = EncoderConfig.from_reference({k: v for k, v in given.items() if v is not None})
        return found.blocks, found.widths, found.trunk_only

    for name in ("in_channels", "base_channels", "mask_patch", "input_patch", "num_classes"):
        for value in (0, True, 2.0, "1"):
            said = Refused(f"EncoderConfig.{name}", repr(value), "at least 1")
            yield f"{name} {value}", partial(made, **{name: value}), said
    for name in ("mask_patch", "input_patch", "num_classes"):
        yield f"{name} 1", partial(made, **{name: 1}), True
    for blocks, expected in (((1, 1, 1), "4 numbers"), ((1, 1, 1, 0), "at least 1")):
        yield f"{blocks}", partial(made, blocks=blocks), Refused("EncoderConfig.blocks", expected)
    for name in ("bfloat16", "trunk_only"):
        said = Refused(f"EncoderConfig.{name}", "1", "a boolean")
        yield f"{name} 1", partial(made, **{name: 1}), said
    said = Refused("EncoderConfig.base_channels", "48", "a multiple of 32", "trunk_only=True")
    yield "a width of 48", partial(made, base_channels=48), said
    yield "of a trunk", partial(made, base_channels=48, trunk_only=True), True
    yield "stated", stated, ((1, 2, 1, 1), (64, 128, 256, 512), False)
    trunk = ((1, 2, 1, 1), (48, 96, 192, 384), True)
    yield "stated, a trunk", partial(stated, base_channels=48), trunk
    told = {"num_classes": 5, "in_channels": 4, "base_channels": 64, "layers": [1, 2, 1, 1],
            "patch_size": 3, "input_patch_size": 6, "use_bf16": True}  # fmt: skip
    yield "told again", lambda: EncoderConfig.from_reference(told).to_reference(), told
    config = EncoderConfig(**ENCODER)
    yield "a trunk of it", config.trunk, EncoderConfig(**ENCODER, trunk_only=True)
    yield "no dropout", partial(stated, dropout_prob=0.0), stated()
    for name, changes, words in (
        ("dropout", {"dropout_prob": 0.1}, ("dropout_prob", "0.1")),
        ("a key more", {"x": 1}, ("unknown keys ['x']",)),
        ("a key less", {"layers": None}, ("missing keys ['layers']",)),
        ("a number of layers", {"layers": 4}, (": layers", "4", "a list")),
        ("layers in words", {"layers": "1111"}, (": layers", "'1111'", "a list")),
    ):  # fmt: skip
        yield name, partial(stated, **changes), Refused("EncoderConfig.from_reference", *words)


def _images() -> Iterator[Row]:
    """What an encoder looks at has its channels, sides that patches divide, and its mask."""
    spoken = torch.tensor([-1.0, 1.0, 3.0]).reshape(1, 3, 1, 1)
    mean, std = (torch.tensor(values) for values in (
        (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))  # fmt: skip
    wanted = (torch.tensor([0.0, 1.0, 2.0]) - mean) / std
    yield "normalised", lambda: torch.equal(convnext.imagenet(spoken).flatten(), wanted), True
    for shape in ((1, 4, 2, 2), (3, 2, 2)):
        said = Refused("ConvNeXt input", f"shape {shape}", "[B, 3, H, W]")
        yield f"images {shape}", partial(convnext.imagenet, torch.zeros(shape)), said
    for channels, groups in ((1, 1), (7, 7), (32, 32), (33, 11), (64, 32), (66, 22)):
        yield f"groups of {channels}", partial(layers.group_count, channels), groups
    yield "zeros beside", lambda: [layers.padding(kernel) for kernel in (1, 3, 5, 7)], [0, 1, 2, 3]
    for sides, found in (((4, 8), 2), ((8, 4), 2), ((4, 6), None), ((6, 4), None)):
        vectors = statistics.patches(torch.zeros(1, 1, *sides), 4)
        told = None if vectors is None else vectors.shape[1]
        yield f"patches of {sides}", partial(lambda told: told, told), found
    none = torch.zeros(1, 1, 2, 2)
    lost = model.reconstruction_loss(none + 1, none, none)
    yield "nothing to score", lambda: (float(lost), bool(lost.signbit())), (0.0, False)
    cut = layers.patchify(torch.arange(12.0).reshape(1, 2, 2, 3)[..., :2], 2)
    yield "cut", lambda: cut.flatten().tolist(), [0.0, 6.0, 1.0, 7.0, 3.0, 9.0, 4.0, 10.0]
    for shape in ((2, 4, 4), (1, 1, 3, 4), (1, 1, 4, 3)):
        said = Refused("encoder input", f"shape {shape}", "multiples of the input patch 2")
        yield f"cut {shape}", partial(layers.patchify, torch.zeros(shape), 2), said
    encoder = MaskedAutoencoder(EncoderConfig(**ENCODER), device="meta")
    image = torch.zeros(1, 1, 8, 8, device="meta")

    def of_first_block(every: float | None) -> bool:
        return "layer1_blk1" in encoder.activations(image, every_k_block=every)

    said = Refused("encoder input", "3 channels", "1, as in its configuration")
    yield "channels", partial(encoder.activations, torch.zeros(1, 3, 8, 8)), said
    for every in (0.5, True, 0):
        said = Refused("every_k_block", repr(every), "at least 1, or None")
        yield f"every {every}", partial(encoder.activations, image, every_k_block=every), said
    for taken in (1, 1.5, None):
        yield f"every {taken} taken", partial(of_first_block, taken), taken == 1
    for shape in ((1, 1, 4, 8), (1, 2, 8, 8), (2, 1, 8, 8)):
        said = Refused("mask", f"shape {shape}", "(1, 1, 8, 8)")
        given: Any = {"mask": torch.zeros(shape, device="meta"), "lambda_cls": 0.0}
        yield f"mask {shape}", partial(encoder.forward, image, image[:, 0, 0, 0], **given), said
    config = EncoderConfig(**ENCODER, trunk_only=True)
    bare = MaskedAutoencoder(config, device="meta")
    call = partial(
        bare.forward, torch.zeros(1), torch.zeros(1), mask=torch.zeros(1), lambda_cls=0.0
    )
    yield "a trunk's loss", call, Refused("forward", "of the trunk alone", "trunk_only=False")


def _kept() -> Iterator[Row]:
    """Names under every switch, the paper's letters, and the reference's keywords."""
    names = ("global", "norm_x", "a", "a_mean", "a_std", "a_mean_2", "a_std_4")
    for changes, lost in (
        ({}, ()), ({"without": frozenset({"a", "norm_x"})}, ("norm_x", "a")),
        ({"vanilla": False}, ("global",)), ({"input_statistic": False}, ("norm_x",)),
        ({"use_mean": False}, ("a_mean",)), ({"use_std": False}, ("a_std",)),
        ({"locations": False}, ("a",)),
    ):  # fmt: skip
        found = FeatureConfig(**changes)
        kept = [name for name in names if name not in lost]
        yield f"kept {changes}", partial(list, filter(found.keeps, names)), kept
    a, b, c, d = features.INVENTORY.values()
    for letters, wanted in (
        ("a", {a}), ("a,b", {a, b}), ("a-c", {a, b, c}), ("abd", {a, b, d}), ("d-d", {d}),
        ("", set()),
    ):  # fmt: skip
        yield f"letters {letters}", partial(features.inventory_of, letters), frozenset(wanted)
    for letters in ("e", "c-a", "a-e", "0-b"):
        said = Refused("inventory_of", repr(letters), "letters a to d")
        yield f"letters {letters}", partial(features.inventory_of, letters), said
    one = FeatureConfig.from_inventory("a,d", vanilla=False)
    parts = (one.locations, one.use_mean, one.use_std, one.patch_mean_size, one.patch_std_size)
    yield "of letters", lambda: (*parts, one.vanilla), (True, False, False, (4,), (4,), False)
    other = FeatureConfig.from_inventory("b,c")
    parts_b = (other.locations, other.use_mean, other.use_std, other.patch_std_size)
    yield "of other letters", lambda: parts_b, (False, True, True, (2,))
    given = {"patch_mean_size": None, "patch_std_size": [2], "use_std": False, "every_k_block": 3}
    stated = FeatureConfig.from_activation_kwargs(given, locations=False)
    told = {**given, "patch_mean_size": (), "patch_std_size": (2,), "use_mean": True}
    yield "of keywords", stated.activation_kwargs, told
    yield "and more", lambda: stated.locations, False
    said = Refused("from_activation_kwargs", "['x']", "keys out of every_k_block")
    yield "a keyword more", partial(FeatureConfig.from_activation_kwargs, {"x": 1}), said


def _frozen(bfloat16: bool) -> tuple[set[str], set[str], bool, set[bool]]:
    """(dtypes of convolutions, those of the rest, training, gradients) of a frozen encoder."""
    config = EncoderConfig(**ENCODER, bfloat16=bfloat16)
    encoder = features.freeze(MaskedAutoencoder(config, device="meta").train())
    convolutions = {
        id(one) for part in encoder.modules() if isinstance(part, layers.Conv)
        for one in part.parameters()
    }  # fmt: skip
    parts = list(encoder.parameters())
    within = {str(one.dtype) for one in parts if id(one) in convolutions}
    beside = {str(one.dtype) for one in parts if id(one) not in convolutions}
    return within, beside, encoder.training, {one.requires_grad for one in parts}


def _freezing() -> Iterator[Row]:
    extractor = features.FeatureExtractor(
        MaskedAutoencoder(EncoderConfig(**ENCODER), device="meta")
    )
    modes = [extractor.training, extractor.train().training, extractor.encoder.training]
    yield "an extractor's mode", lambda: modes, [False] * 3
    for bfloat16, name in ((False, "torch.float32"), (True, "torch.bfloat16")):
        wanted = ({name}, {"torch.float32"}, False, {False})
        yield f"frozen, bfloat16 {bfloat16}", partial(_frozen, bfloat16), wanted


def _groups() -> Iterator[Row]:
    """Samples and positives of the labels, and of no others."""
    three = torch.zeros(3)

    def asked(samples: int, positives: int, alpha: torch.Tensor) -> object:
        many, real = (torch.arange(6.0 * n).reshape(n, 6) for n in (samples, 2 * positives))
        real = real.reshape(positives, 2, 6)
        named: Any = lambda x: {"x": x[:, None]}  # noqa: E731 - an extractor of what it is given
        loss, _ = features.sample_loss(named, many, real, None, alpha)
        return bool(loss.isfinite())

    yield "groups", partial(asked, 6, 3, three + 1), True
    wrong: tuple[dict[str, Any], ...] = ({"kernel": "x"}, {"semantics": "x"}, {"temperatures": ()})
    for given in wrong:
        name = next(iter(given))
        yield f"{name} handed on", partial(_pieces, None, **given), Refused(f"{name}: found")
    for chunk, pieces in ((None, [6, 9]), (4, [6, 4, 4, 1])):
        yield f"pieces of {chunk}", partial(_pieces, chunk), pieces
    for name, samples, positives, alpha in (
        ("no label", 0, 0, torch.zeros(0)), ("a scale of two axes", 6, 3, torch.zeros(3, 1)),
        ("a scale of one label on two axes", 2, 1, torch.zeros(1, 1)),
        ("uneven samples", 7, 3, three), ("positives of others", 6, 2, three),
    ):  # fmt: skip
        said = Refused("sample_loss", f"{samples} samples", f"of {positives} labels", "alpha [B]")
        yield name, partial(asked, samples, positives, alpha), said


def _unstated() -> Iterator[Row]:
    """What nobody states is what the release's pixel and latent columns share."""
    encoder = EncoderConfig()
    told = (encoder.in_channels, encoder.base_channels, encoder.blocks, encoder.mask_patch)
    yield "an encoder", lambda: told, (4, 256, (3, 4, 6, 3), 2)
    rest = (encoder.input_patch, encoder.num_classes, encoder.bfloat16, encoder.trunk_only)
    yield "the rest of it", lambda: rest, (1, 1000, False, False)
    usual = {"every_k_block": 2, "patch_mean_size": (2, 4), "patch_std_size": (2, 4),
             "use_mean": True, "use_std": True}  # fmt: skip
    yield "features", FeatureConfig().activation_kwargs, usual
    plain = FeatureConfig()
    others = (plain.vanilla, plain.input_statistic, plain.locations, plain.without)
    yield "and which", lambda: others, (True, True, True, frozenset())
    small = MaskedAutoencoder(EncoderConfig(**ENCODER, trunk_only=True), device="meta")
    image = torch.zeros(1, 1, 32, 32, device="meta")
    nothing: dict[str, Any] = {}
    asked: dict[str, Any] = {**usual}
    names = [list(small.activations(image, **given)) for given in (nothing, asked)]
    yield "of an encoder", lambda: names[0], names[1]
    for one, depths, widths in (
        (convnext.TINY, (3, 3, 9, 3), (96, 192, 384, 768)),
        (convnext.BASE, (3, 3, 27, 3), (128, 256, 512, 1024)),
    ):
        yield f"a second of {depths}", partial(tuple, (one.depths, one.widths)), (depths, widths)
    drawn = torch.Generator().manual_seed(0)
    clouds = torch.randn(6, 2, generator=drawn), torch.randn(3, 3, 2, generator=drawn)
    named: Any = lambda images: {"x": images[:, None]}  # noqa: E731 - images are their own features
    alpha = torch.ones(3)
    stated: dict[str, Any] = {"temperatures": (0.02, 0.05, 0.2), "semantics": "reference"}
    losses = [
        float(features.sample_loss(named, *clouds, None, alpha, **given)[0])
        for given in (nothing, stated)
    ]
    yield "a loss of samples", lambda: losses[0], losses[1]


def _pieces(chunk: int | None, **more: Any) -> list[int]:
    """How many images go through an extractor at once: generated ones, then the real ones."""
    seen = list[int]()

    def extractor(images: torch.Tensor) -> dict[str, torch.Tensor]:
        seen.append(len(images))
        return {"x": images[:, None]}

    drawn = torch.Generator().manual_seed(0)
    samples, positives = torch.randn(6, 2, generator=drawn), torch.randn(3, 3, 2, generator=drawn)
    named: Any = extractor
    features.sample_loss(named, samples, positives, None, torch.ones(3), chunk=chunk, **more)
    return seen


OTHER_VALUES = (
    # Real and generated samples of any labels are compared.
    mutant("features.any_groups", features, _check_groups=lambda samples, positives, alpha: None),
    # Any mask goes on any image.
    mutant("features.any_mask", model, _checked_mask=lambda mask, patched: mask),
)
