"""Checks of data as they are opened: what lies there, what it is called, what a template asks."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import chain
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from PIL import Image

from drift.config import load_template
from drift.config.sections import Data
from drift.data import classes, dataset, opening
from drift.data.dataset import Dataset
from drift.data.folder import FolderSource
from drift.data.loader import Loader
from drift.data.source import TensorSource
from drift.data.survey import Survey, survey
from verify.api import CheckContext, Measurement, check, mutant

from ..common.places import folder
from ..common.rows import Refused, Row, judge_rows

UNKNOWN = Dataset()


@check("data.opened")
def opened(ctx: CheckContext) -> Measurement:
    """Folders of two classes and caches of latents, opened as templates ask for them or refused."""
    with folder() as root:
        rows = chain(
            _surveyed(root / "seen"), _named(), _described(), _places(), _images(root / "images"),
            _latents(root / "latents"), _own(root / "own"), _loaded(),
        )  # fmt: skip
        return judge_rows(ctx, rows, "facts of data that are opened")


def laid(root: Path, **images: tuple[int, int, str]) -> Path:
    """`a_1=(width, height, mode)` is a/1.png, of levels that tell it."""
    for n, (name, (width, height, mode)) in enumerate(images.items()):
        path = root / f"{name.replace('_', '/')}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        bands = len(Image.new(mode, (1, 1)).getbands())
        levels = np.full((height, width, bands), 40 * n + 7) + 5 * np.arange(bands)
        levels[:, : width // 2] //= 2
        Image.fromarray(levels.astype(np.uint8).squeeze()).save(path)
    return root


def _surveyed(root: Path) -> Iterator[Row]:
    grey = laid(root / "grey", a_1=(4, 4, "L"), a_2=(4, 4, "L"), b_1=(4, 4, "L"))
    yield "squares", partial(survey, grey), Survey(("a", "b"), (2, 1), 4, 4, True)
    yield "of all classes", lambda: survey(grey).images, 3
    (grey / "note.txt").write_text("x")
    wide = laid(root / "wide", a_1=(6, 4, "RGB"), b_1=(6, 4, "RGB"))
    yield "oblongs", partial(survey, wide), Survey(("a", "b"), (1, 1), None, 4, False)
    mixed = laid(root / "mixed", a_1=(4, 4, "RGB"), b_1=(5, 5, "L"), b_2=(9, 3, "RGBA"))
    found = survey(mixed)
    yield "mixed", lambda: (found.square, found.shortest, found.grey), (None, 3, False)
    said = ("1 images have a transparency, which is not used",)
    yield "what is dropped", lambda: found.notes, said
    yield "what is skipped", lambda: len(survey(grey).notes), 1


def _named() -> Iterator[Row]:
    """Names and licences: what is said, what both say, and whose name has a size."""
    yield "unsaid", partial(dataset.stated, None, None), UNKNOWN
    own = Dataset(name="own", licence="MIT")
    yield "said", partial(dataset.stated, "own", "MIT"), own
    for given, words in (
        (("a b", None), ("name of the data set", "'a b'", "letters, digits")),
        ((None, "x\ny"), ("licence of the data set", "an SPDX expression")),
        (("digits", None), ("name of the data set: found digits", "an embedded data set")),
        (("mnist-5k", None), ("found mnist-5k", "another")),
    ):
        yield f"said {given}", partial(dataset.stated, *given), Refused(*words)
    half = Dataset(name="own")
    for held, given_, wanted in (
        (UNKNOWN, own, own), (own, UNKNOWN, own), (half, own, own), (own, own, own),
        (UNKNOWN, UNKNOWN, UNKNOWN), (half, Dataset(licence="MIT"), own),
    ):  # fmt: skip
        yield f"{held} and {given_}", partial(dataset.joined, held, given_, place="p"), wanted
    for held, given_, words in (
        (own, Dataset(name="x"), ("the name 'own'", "'x', as is said")),
        (own, Dataset(licence="BSD"), ("the licence 'MIT'", "'BSD', as is said")),
    ):
        said = Refused("p: found", *words)
        yield f"{given_} against it", partial(dataset.joined, held, given_, place="p"), said
    whole = {"classes": 1_000, "images": 1_281_167}
    for name in ("ImageNet", "imagenet-1k", "ILSVRC_2012"):
        require = partial(dataset.require_size, Dataset(name=name), place="p")
        yield f"{name} whole", partial(require, **whole), None
        for less in ({"classes": 999}, {"images": 1_281_166}):
            said = Refused("p", f"images of {less.get('classes', 1_000):,} classes under", name,
                           "1,281,167 images of 1,000 classes")  # fmt: skip
            yield f"{name} {less}", partial(require, **{**whole, **less}), said
    yield "an own size", partial(dataset.require_size, own, classes=1, images=1, place="p"), None


def _described() -> Iterator[Row]:
    """What records say of a source, and what is read out of them again."""
    own = {"name": "own", "licence": "MIT"}
    told = SimpleNamespace(dataset=Dataset(**own), class_map=("a", "b"))
    nothing = {"name": "unknown", "licence": "unknown", "classes": None}
    yield "described", partial(dataset.described, told), {**own, "classes": ["a", "b"]}
    yield "of nothing", partial(dataset.described, object()), nothing
    room = dataset.MOST_NAMES - len('[""]')
    for length, kept in ((room, True), (room + 1, False)):
        long = SimpleNamespace(dataset=None, class_map=("x" * length,))
        found = partial(lambda one: dataset.described(one)["classes"] is not None, long)
        yield f"names of {length}", found, kept
    digits = {"name": "digits", "licence": "CC-BY-4.0", "classes": None}
    facts = {"dataset": {**own, "classes": ["a"]}}
    yield "of a run", partial(dataset.of_run, facts, "digits"), facts["dataset"]
    yield "of an old run", partial(dataset.of_run, {}, "digits"), digits
    yield "of an old run of others", partial(dataset.of_run, {}, "own"), nothing
    field = dataset.field_of(own, "0" * 64)
    yield "a field", lambda: field, f"own sha256:{'0' * 64}, licence MIT"
    of = dataset.of_artifact
    yield "of a field", partial(of, {"data": field}, "digits"), Dataset(**own)
    yield "of other words", partial(of, {"data": f"{field[:-5]}"}, "x"), UNKNOWN
    for name in ("digits", "mnist-5k"):
        yield f"of {name}", partial(lambda one: of({}, one).name, name), name
    yield "of no template", partial(of, {}, None), UNKNOWN


def _places() -> Iterator[Row]:
    """Labels of classes among others, by name, and lists of names that end."""
    places = partial(classes.places_of, place="p")
    yield "all", partial(places, ["b", "a"], ["a", "b", "c"]), [1, 0]
    yield "none", partial(places, ["x"], ["a"]), None
    said = Refused("p", "1 of 2 classes", "'x'", "'a', 'b', 'c'", "Rename")
    yield "some", partial(places, ["a", "x"], ["a", "b", "c"]), said
    yield "listed", partial(classes.listed, list("abcde")), "'a', 'b', 'c', 'd', 'e'"
    yield "listed on", partial(classes.listed, list("abc"), 1), "'a' and 2 more"


def _section(**changes: Any) -> Data:
    stated = {"dataset": "own", "resolution": 4, "tokenizer": "none", "tokenizer_revision": "none",
              "scaling_factor": 1.0, "posterior": "no-tokenizer", "mirror": "none",
              "crop": "unstated"}  # fmt: skip
    return Data(**{**stated, **changes})


def _images(root: Path) -> Iterator[Row]:
    home = laid(root / "set", a_1=(4, 4, "L"), a_2=(4, 4, "L"), a_3=(4, 4, "L"), b_1=(4, 4, "L"),
                 b_2=(4, 4, "L"), b_3=(4, 4, "L"))  # fmt: skip

    def told(place: Path, data: Data, **options: Any) -> object:
        found: Any = opening.open_source(place, data, **options)
        return (len(found.labels), found.shape, found.crop, found.dataset.name)

    own = Dataset(name="own")
    for name, changes, options, wanted in (
        ("as stated", {}, {}, (6, (3, 4, 4), "adm-centre", "unknown")),
        ("mirrored", {"mirror": "flip"}, {"dataset": own}, (12, (3, 4, 4), "adm-centre", "own")),
        ("in grey", {"crop": "none"}, {"grey": True}, (6, (1, 4, 4), "none", "unknown")),
        ("for training", {}, {"every": 3}, (4, (3, 4, 4), "adm-centre", "unknown")),
        ("held out", {}, {"every": 3, "held_out": True}, (2, (3, 4, 4), "adm-centre", "unknown")),
        ("its classes", {"crop": "adm-centre"}, {"classes": 2},
         (6, (3, 4, 4), "adm-centre", "unknown")),
    ):  # fmt: skip
        yield name, partial(told, home, _section(**changes), **options), wanted
    for given, held in ((None, UNKNOWN), (own, own)):
        direct = partial(lambda given: FolderSource(home, 4, dataset=given).dataset, given)
        yield f"a folder called {given}", direct, held
    (root / "file").write_bytes(b"")
    colours = laid(root / "colours", a_1=(4, 4, "L"), a_2=(4, 4, "RGB"))
    for name, place, changes, options, words in (
        ("no folder", root / "no", {}, {}, ("no such folder", "a latent cache or", "--data")),
        ("a file", root / "file", {}, {}, ("found a file", "a folder of images")),
        ("squashed", home, {"crop": "squash"}, {}, ("data.crop squash", "adm-centre, none")),
        ("paired", home, {"mirror": "own-latent"}, {}, ("data.mirror own-latent", "mirror flip")),
        ("of another name", home, {"dataset": "x"}, {"dataset": own},
         ("data.dataset is 'own' in", "'x' in the template", "--set data.dataset=own")),
        ("of more classes", home, {}, {"classes": 3}, ("2 classes", "3, as the generator")),
        ("a well-known name", home, {"dataset": "imagenet"}, {"dataset": Dataset(name="imagenet")},
         ("6 images of 2 classes", "1,281,167")),
        ("a well-known name of pairs", home, {"dataset": "imagenet", "mirror": "flip"},
         {"dataset": Dataset(name="imagenet")}, ("6 images of 2 classes", "1,281,167")),
        ("no cache", home, {"tokenizer": "a/b"}, {}, ("no manifest.json", "of a/b", "encode")),
        ("colours", colours, {}, {"grey": True}, ("2.png",)),
    ):  # fmt: skip
        call = partial(told, place, _section(**changes), **options)
        yield name, call, Refused("template" if name in ("squashed", "paired") else "", *words)


class _Cache:
    """Five latents and those of their mirror images, as a cache shows them."""

    settings = SimpleNamespace(
        resolution=16, vae="a/b", pinned="c" * 40, vae_revision="none", scaling_factor=0.5,
        posterior="mean", mirrored=True, crop="adm-centre",
    )  # fmt: skip
    manifest, dataset, classes = SimpleNamespace(settings=settings), UNKNOWN, 2

    def __init__(self, place: Path, *, mirror: bool | None = None) -> None:
        self.mirror = mirror is not False
        self.labels = torch.zeros(10 if self.mirror else 5)


def _open(root: Path, data: Data, **options: Any) -> Any:
    with patch.object(opening, "LatentSource", _Cache):
        return opening.open_source(root, data, **options)


def _latents(root: Path) -> Iterator[Row]:
    """A cache with mirrored latents: every key in which a section differs is named."""
    root.mkdir()
    (root / "manifest.json").write_text("{}")
    held: Any = _Cache.settings
    section = _section(
        resolution=16, tokenizer="a/b", tokenizer_revision="c" * 40, scaling_factor=0.5,
        posterior="mean", mirror="own-latent", crop="adm-centre",
    )  # fmt: skip

    def count(data: Data) -> int:
        return len(_open(root, data).labels)

    yield "a cache", partial(count, section), 10
    less = section.model_copy(update={"mirror": "none"})
    yield "without its mirror images", partial(count, less), 5
    called = Dataset(name="own", licence="MIT")
    named = partial(lambda **more: _open(root, section, **more).dataset)
    yield "a cache named now", partial(named, dataset=called), called
    with patch.object(_Cache, "dataset", Dataset(name="x")):
        said = Refused(str(root), "the name 'x' of its data set", "'own', as is said now")
        yield "a cache of another name", partial(named, dataset=called), said
    for key, value in (("resolution", 99), ("tokenizer", "x/y"), ("scaling_factor", 9.0),
                       ("posterior", "sample"), ("mirror", "flip"), ("crop", "squash"),
                       ("tokenizer_revision", "1" * 40)):  # fmt: skip
        other = section.model_copy(update={key: value})
        found = partial(lambda data: [one.partition(" is ")[0] for one in
                        opening.differences(held, data)], other)  # fmt: skip
        yield f"another {key}", found, [f"data.{key}"]
        said = Refused(str(root), f"data.{key} is ", "in the cache", "in the template")
        yield f"opened with another {key}", partial(count, other), said
    own = section.model_copy(update={"tokenizer_revision": "none"})
    yield "a local revision", partial(opening.differences, held, own), []


def _own(root: Path) -> Iterator[Row]:
    """What a template of one's own names, for training and for evaluation, there or elsewhere."""
    images = {f"{c}_{n}": (8, 8, "L") for c in "ab" for n in range(1, 5)}
    more = {**images, "a_5": (8, 8, "L"), "b_5": (8, 8, "L")}
    home, away = laid(root / "home", **images), laid(root / "away", **more)
    digits = load_template("digits")
    inputs = SimpleNamespace(folder=str(home), licence="MIT", held_out_every=4)
    generator = SimpleNamespace(num_classes=2, input_shape=(8, 8, 1))
    data = digits.data.model_copy(update={"dataset": "own", "resolution": 8, "mirror": "flip"})
    template: Any = SimpleNamespace(inputs=inputs, data=data, generator=generator)

    def told(*given: Any, **named: Any) -> object:
        found: Any = opening.open_own(template, *given, **named)
        return len(found.labels), found.channels, found.mirror, found.dataset

    own = Dataset(name="own", licence="MIT")
    yield "for training", told, (12, 1, True, own)
    yield "held out", partial(told, held_out=True), (2, 1, False, own)
    yield "elsewhere", partial(told, away), (16, 1, True, own)
    generator.num_classes = 3
    yield "of more classes than it has", told, Refused("2 classes", "3, as the generator has")


def _loaded() -> Iterator[Row]:
    source = TensorSource(torch.arange(3.0).reshape(3, 1, 1, 1), torch.tensor([0, 1, 0]), 2)
    others = (
        TensorSource(source.samples + 1, source.labels, 2),
        TensorSource(source.samples, torch.tensor([1, 0, 0]), 2),
        TensorSource(source.samples.reshape(3, 1, 1, 1).double(), source.labels, 2),
    )
    digests = {source.digest, *(one.digest for one in others)}
    yield "digests", partial(len, digests), 4
    yield "an epoch", lambda: [Loader(source, seed=0, position=n).epoch for n in (0, 2, 3, 6)], [
        0, 0, 1, 2
    ]  # fmt: skip
    negative = partial(Loader, source, seed=0, position=-1)
    yield "before the first", negative, Refused("Loader.position", "-1", "at least 0")
    taken = Loader(source, seed=0).take(4)
    order = [int(n) for n in taken[0].flatten()]
    wanted = [[0, 1, 0][n] for n in order]
    yield "samples with their labels", lambda: (len(order), taken[1].tolist()), (4, wanted)


OTHER_VALUES = (
    # A section that differs is taken.
    mutant("data.any_section", opening, differences=lambda settings, data: []),
    # Any set may be called as a well-known one.
    mutant("data.any_size", opening, require_size=lambda dataset, **_: None),
)
