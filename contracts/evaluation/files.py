"""Checks of what is evaluated: arrays and folders that are taken, refused, named and noted."""

from __future__ import annotations

import hashlib
import io
import json
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file

from drift.evaluate import given, npz, sources
from verify.api import CheckContext, Measurement, check, mutant

from ..common.places import folder
from ..common.rows import Refused, Row, judge_rows

F32 = ("F16", "BF16", "F32", "F64")


@check("engine.given")
def given_samples(ctx: CheckContext) -> Measurement:
    """Arrays, facts, labels and scales on both sides of every limit, and files of them."""
    with folder() as root:
        rows = chain(
            _arrays(), _scales(), _labels(), _facts(root), _packed(root), _not_packed(root),
            _unpacked(), _tensors(root), _left_out(root),
        )  # fmt: skip
        return judge_rows(ctx, rows, "facts of samples that are given")


def _arrays() -> Iterator[Row]:
    require = given.require_images
    for dtype in ("U8", *F32):
        for shape, channels in (((1, 1, 2, 2), 1), ((2, 3, 9, 1), 1), ((2, 5, 4, 3), 3)):
            yield f"{dtype} {shape}", partial(require, "p", dtype, shape, channels=channels), None
    odd: tuple[tuple[tuple[int, ...], int, tuple[str, ...]], ...] = (
        ((2, 2, 3, 3), 1, ("uint8, or floats", "[N, C, H, W]", "1 or 3 channels")),
        ((2, 3, 4, 2), 3, ("expected uint8 [N, H, W, C]",)), ((3, 4, 4), 1, ("U8 (3, 4, 4)",)),
        ((0, 3, 4, 4), 1, ("U8 (0, 3, 4, 4)",)), ((1, 3, 0, 4), 1, ("nothing is guessed",)),
        ((1, 1, 3, 4, 4), 1, ("U8 (1, 1, 3, 4, 4)",)),
    )  # fmt: skip
    for sides, place, words in odd:
        made = partial(require, "p", "U8", sides, channels=place)
        yield f"{sides}", made, Refused("p", *words)
    yield "I64", partial(require, "p", "I64", (1, 1, 2, 2), channels=1), Refused("I64 (1, 1, 2, 2)")
    for dtype, length in (("int64", (3,)), ("uint8", (3,)), ("I32", (3,)), ("U8", (3,))):
        yield f"labels {dtype}", partial(given.require_labels, "p", dtype, length, 3), None
    wrong: tuple[tuple[str, tuple[int, ...]], ...] = (
        ("float32", (3,)), ("F32", (3,)), ("int64", (4,)), ("int64", (3, 1)), ("bool", (3,)),
    )  # fmt: skip
    for dtype, sides in wrong:
        said = Refused("p", f"{dtype} {list(sides)}", "integers [3]", "argmax")
        yield f"labels {dtype} {sides}", partial(given.require_labels, "p", dtype, sides, 3), said


def _scales() -> Iterator[Row]:
    def signed(*values: float, own: bool = False) -> None:
        given.require_signed("p", [torch.tensor([v]) for v in values], own=own)

    for values, own in (
        ((-1.0, 1.0), False), ((-1.0009, 1.0009), False), ((-0.51, 0.1), False), ((-0.1, 0.51),
         False),
        ((-16.0, 16.0), True), ((-0.1, 0.1), True), ((-1.0,), False),
    ):  # fmt: skip
        yield f"{values} own {own}", partial(signed, *values, own=own), None
    for values, own in (
        ((-1.002, 1.0), False), ((-1.0, 1.002), False), ((0.0, 1.0), False), ((-0.5, 0.5), False),
        ((-16.1, 1.0), True), ((-1.0, 16.1), True), ((0.0, 1.0), True), ((0.5,), True),
    ):  # fmt: skip
        found = f"values from {min(values):.4g} to {max(values):.4g}"
        said = Refused("p", found, "-1 (black) to 1 (white)", "uint8")
        yield f"{values} own {own}", partial(signed, *values, own=own), said
    for value in (float("nan"), float("inf")):
        said = Refused("p", "not finite", "Draw them again")
        yield f"{value}", partial(signed, -1.0, value), said
    for highest in (0, 2, 255):
        yield f"levels to {highest}", partial(given.require_levels, "p", highest), None
    yield "levels to 1", partial(given.require_levels, "p", 1), Refused("0 and 1 only", "0 .. 255")


def _labels() -> Iterator[Row]:
    def read(*labels: int, classes: object = None) -> list[int]:
        return list(given.labels("p", np.array(labels, np.int32), classes).tolist())

    taken = (
        ((0, 2), 3), ((0, 2), None), ((-1, -1), 3), ((0, 999_999), None), ((0,), True), ((0, 0), 1),
    )  # fmt: skip
    for labels, classes in taken:
        yield f"{labels} of {classes}", partial(read, *labels, classes=classes), list(labels)
    for labels, classes, bound in (
        ((0, 3), 3, 2), ((-1, 0), 3, 2), ((-2, -2), 3, 2), ((0, 1_000_000), None, 999_999),
        ((0, 1_000_000), 0, 999_999), ((0, 1), 1, 0),
    ):  # fmt: skip
        found = f"labels from {min(labels)} to {max(labels)}"
        said = Refused("p", found, f"classes in 0 .. {bound}")
        yield f"{labels} of {classes}", partial(read, *labels, classes=classes), said
    yield "whole numbers", lambda: given.labels("p", np.array([1], np.uint8)).dtype, torch.int64


FACTS: Mapping[str, tuple[tuple[object, ...], tuple[object, ...], str]] = {
    "dataset": ((None, "x"), (1, []), "a name"), "classes": ((1, 1_000_000), (0, 1_000_001, True,
        "1"), "a whole"),
    "tokenizer": (("x",), (None, 1), "a name"), "class_names": ((None, [], ["a"]), ("a", [1]),
        "a list of names"),
    "bypasses": (([], ["x"]), (None, "x", [1]), "a list of sentences"),
}  # fmt: skip


def _facts(root: Path) -> Iterator[Row]:
    for name, (taken, refused, words) in FACTS.items():
        for value in taken:
            call = partial(given.require_facts, root, {name: value, "more": 1})
            yield f"{name} {value!r}", call, None
        for value in refused:
            said = Refused(f"facts: {name}", repr(value), words, "never edited")
            yield f"{name} {value!r}", partial(given.require_facts, root, {name: value}), said
    for text, wanted in ((None, {}), ('{"a": 1}', {"a": 1})):
        yield f"facts {text}", partial(sources._facts, root, text), wanted
    for text, words in (("[]", "a JSON object"), ("{", "strict JSON"), ('{"a":1,"a":2}', "twice")):
        yield f"facts {text}", partial(sources._facts, root, text), Refused(f"{root}: facts", words)


# archives of NumPy


def _npy(array: Any, version: tuple[int, int] | None = None) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array(stream, np.asarray(array), version)
    return stream.getvalue()


def _zip(path: Path, *members: tuple[str, bytes], comment: str = "") -> Path:
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        warnings.simplefilter("ignore")  # of two members of one name
        for name, data in members:
            archive.writestr(name, data)
        archive.comment = comment.encode()
    return path


LEVELS = np.arange(2 * 2 * 3 * 1, dtype=np.uint8).reshape(2, 2, 3, 1) * 9


def _read(place: Path, *members: tuple[str, bytes], comment: str = "") -> object:
    """What is found in an archive of these members."""
    found = sources.from_path(_zip(place, *members, comment=comment))
    pixels, labels = (torch.cat(part) for part in zip(*found.open(), strict=True))
    whole = np.array_equal(pixels.permute(0, 2, 3, 1).numpy(), LEVELS)
    named = found.sha256 == hashlib.sha256(place.read_bytes()).hexdigest()
    return whole, labels.tolist(), found.count, dict(found.facts), found.notes, named


IMAGES, MORE = ("arr_0.npy", _npy(LEVELS)), ("more.npy", _npy(0))
LABELS = ("arr_1.npy", _npy(np.array([4, 0], ">i4")))


def _packed(root: Path) -> Iterator[Row]:
    read = partial(_read, root / "x.npz")
    said, facts, none = '{"classes": 5, "alpha": 2}', {"classes": 5, "alpha": 2}, [-1, -1]
    second = ("arr_0.npy", _npy(LEVELS, (2, 0)))
    for name, call, labels, known, notes in (
        ("samples", partial(read, IMAGES), none, {}, ()),
        ("with labels", partial(read, IMAGES, LABELS), [4, 0], {}, ()),
        ("with facts", partial(read, IMAGES, LABELS, comment=said), [4, 0], facts, ()),
        ("another comment", partial(read, IMAGES, comment="x"), none, {}, ()),
        ("arrays more", partial(read, IMAGES, MORE), none, {}, ("1 arrays left out: 'more.npy'",)),
        ("a second version", partial(read, second), none, {}, ()),
    ):
        yield name, call, (True, labels, 2, known, notes, True)


def _not_packed(root: Path) -> Iterator[Row]:
    def labels(array: Any) -> tuple[tuple[str, bytes], ...]:
        return IMAGES, ("arr_1.npy", _npy(array))

    place = root / "x.npz"
    for name, members, words in (
        ("columns first", [("arr_0.npy", _npy(np.asfortranarray(LEVELS)))], ("uint8 [N, H, W, C]",
         )),
        ("floats", [("arr_0.npy", _npy(LEVELS.astype(np.float32)))], ("float32 (2, 2, 3, 1)",)),
        ("no samples", [MORE], ("one array of this name", "numpy.savez")),
        ("labels twice", [IMAGES, LABELS, LABELS], ("arr_1", "one array of this name")),
        ("labels too many", labels(np.arange(3)), ("int64 [3]", "integers [2]")),
        ("one-hot labels", labels(np.eye(2, dtype=int)), ("argmax",)),
        ("a class too many", labels(np.array([0, 1_000_000])), ("0 .. 999999",)),
        ("cut samples", [("arr_0.npy", IMAGES[1][:-1])], ("11 bytes", "12 for (2, 2, 3, 1)")),
        ("cut labels", [IMAGES, ("arr_1.npy", LABELS[1][:-1])], ("7 bytes", "8 for (2,)")),
        ("a third version", [("arr_0.npy", _npy(LEVELS, (3, 0)))], ("cannot be read",
         "version (3, 0)")),
        ("a pickle", [("arr_0.npy", _npy(np.array([None] * 2)))], ("arr_0",)),
    ):  # fmt: skip
        yield name, partial(_read, place, *members), Refused(str(place), *words)
    place_of = root / "y.npz"
    place_of.write_bytes(b"PK")
    yield "no archive", partial(sources.from_path, place_of), Refused("a file that cannot be read")


def _unpacked() -> Iterator[Row]:
    """The most that an archive may grow: 200 times what is packed, above 256 MiB."""
    most, over = 1 << 28, (1 << 28) + 1
    for size, packed, fits in ((most, 1, True), (over, 1 << 20, False), (over, 1 << 21, True)):
        member = zipfile.ZipInfo("m")
        member.file_size, member.compress_size = size, packed
        said = Refused("m", f"{size:,} bytes packed into {packed:,}", "at most 200")
        yield (
            f"{size} in {packed}",
            partial(npz._require_no_bomb, "m", member),
            (None if fits else said),
        )


# tensors


def _tensors(root: Path) -> Iterator[Row]:
    place = root / "x.safetensors"
    levels = torch.from_numpy(LEVELS.copy()).permute(0, 3, 1, 2).contiguous()
    signed = levels.float() / 127.5 - 1

    def read(metadata: dict[str, str] | None = None, **tensors: Any) -> object:
        save_file(tensors, place, metadata)
        found = sources.from_path(place)
        pixels, labels = (torch.cat(part) for part in zip(*found.open(), strict=True))
        off = int((pixels.int() - levels.int()).abs().max()) if pixels.shape == levels.shape else -1
        return off <= 1, labels.tolist(), dict(found.facts), found.notes

    plain: tuple[object, ...] = (True, [-1, -1], {}, ())
    yield "bytes", partial(read, samples=levels), plain
    yield "signed", partial(read, samples=signed), plain
    yield "more of it", partial(read, samples=levels, z=torch.zeros(1)), (
        *plain[:3], ("1 tensors left out: 'z'",)
    )  # fmt: skip
    facts = json.dumps({"classes": 5, "tokenizer": "none"})
    labels = torch.tensor([4, 0])
    yield "labels and facts", partial(read, {"facts": facts}, samples=levels, labels=labels), (
        True, [4, 0], json.loads(facts), ()
    )  # fmt: skip
    wide = {"facts": facts, "schema": "drift-samples/1"}
    latents = json.dumps({"tokenizer": "a/b"})
    for name, metadata, tensors, words in (
        ("no samples", None, {"x": levels}, ("no tensor samples [N, C, H, W]",)),
        ("another axis", None, {"samples": levels[0]}, ("U8 (1, 2, 3)",)),
        ("a class too many", {"facts": facts}, {"samples": levels, "labels": labels + 1},
         ("0 .. 4",)),
        ("labels of another number", None, {"samples": levels, "labels": labels[:1]},
         ("integers [2]",)),
        ("latents", {"facts": latents}, {"samples": levels}, ("latents of a/b",
         "drift sample --vae")),
        ("of another scale", None, {"samples": signed * 3}, ("values from",)),
        ("of another scale, said of its own", wide, {"samples": signed * 30}, ("values from",)),
    ):  # fmt: skip
        yield name, partial(read, metadata, **tensors), Refused(str(place), *words)


def _left_out(root: Path) -> Iterator[Row]:
    mixed, text = root / "mixed", root / "t.txt"
    mixed.mkdir()
    save_file(
        {"samples": torch.zeros(1, 1, 2, 2, dtype=torch.uint8)}, mixed / "samples.safetensors"
    )
    for empty in (mixed / "y.png", text):
        empty.write_bytes(b"")
    for name, path, words in (
        ("tensors beside images", mixed, ("beside 'y.png'", "Name the")),
        ("nothing", root / "no", ("no such file", ".safetensors or .npz")),
        ("a text", text, ("a .txt file", "a run, an artefact")),
    ):
        yield name, partial(sources.from_path, path), Refused(*words)


# Of two members of one name either will do.
ANY_MEMBER = mutant("engine.any_member", npz, _require_one=lambda place, archive, member: None)


@mutant("engine.any_label", given, "labels")
def any_label(real: Any, place: str, array: Any, classes: object = None) -> Any:
    """Labels are what they are."""
    return torch.from_numpy(array.astype(np.int64))


# Whatever is in range of some scale is taken.
ANY_SCALE = mutant("engine.any_scale", given, require_signed=lambda place, parts, own: None)
