"""Checks of figures beside real images: a whole evaluation, the real sets, and what is kept."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import asdict, replace
from functools import partial
from itertools import chain
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from drift.config import load_template
from drift.data.embedded import SETS
from drift.data.opening import open_own
from drift.evaluate import (
    bootstrap,
    classifier,
    fid,
    judged,
    proxy,
    real,
    records,
    run,
    statistics,
)
from drift.evaluate.features import Features
from drift.evaluate.real import RealSet
from drift.sample import loading
from verify.api import CheckContext, Measurement, check, mutant

from ..common.places import folder
from ..common.rows import Refused, Row, judge_rows
from ..data.opened import laid
from .cases import generator, images_of, pictures, tiny, tiny_statistics
from .proxies import Plain, blobs, drawn_blobs
from .samples.drawn import ORIGIN
from .traces import facts_known, kept_rows, same_arrays


@check("metrics.judged")
def judged_images(ctx: CheckContext) -> Measurement:
    """Facts, notes and figures by their parts; parts of a folder; weights that draw again."""
    quick = patch.object(bootstrap, "REPLICATES", 3), patch.object(classifier, "judge", _Judge)
    with folder() as root, quick[0], quick[1]:
        rows = chain(
            _judged(), _sets(root), kept_rows(), _measured(), _whole(root), _turns(), _asked()
        )
        return judge_rows(ctx, rows, "facts of judged images")


class _Judge:
    """Names images by their first level: what the library's judge learns is METRICS-044's."""

    def __init__(self, of: RealSet) -> None:
        self._classes = len(of.classes)
        self.hits = self.predict(of.unseen) == of.held_out.labels.numpy()
        self.accuracy = float(self.hits.mean())

    def predict(self, pixels: Tensor) -> Any:
        return pixels.flatten(1)[:, 0].numpy().astype(np.int64) % self._classes


def _judged() -> Iterator[Row]:
    """One evaluation beside what its parts give, and what it notes."""
    held = replace(blobs(), notes=("of the set",))
    encoded = proxy.Encoded(Plain(), held)  # type: ignore[arg-type]
    pixels, labels = drawn_blobs(40, 2)
    drawn = replace(images_of(pixels, labels, alpha=1.5, seeds=[4]), notes=("of the images",))

    def made(seed: int = 3, **changes: Any) -> run.Evaluated:
        opened = run.Opened(replace(drawn, **changes), None, 2)
        return judged.evaluate_proxy(opened, Path("in/p"), encoded, seed=seed)

    found = made()
    report = proxy.evaluate_pixels(pixels, labels, encoded=encoded, seed=3)
    yield "figures", lambda: found.figures == report.figures, True
    yield "components", lambda: same_arrays(found.components, report.components), True
    yield "facts", lambda: found.facts, _facts(pixels, labels, encoded, report)
    said = ("of the images", "of the set", "classes covered 2 of 2")
    yield "notes", lambda: (found.notes, found.missing, found.collapsed), (said, {}, ())
    lists = replace(found, missing={"kid": "few"}, collapsed=(1,)).record(step=3)
    yield "recorded", lambda: {**lists, "created": ""}, {
        **records.record_of(found.facts, found.figures), "missing": {"kid": "few"},
        "notes": list(said), "collapsed": [1], **found.more, "step": 3, "created": "",
    }  # fmt: skip
    of_classes = [run.class_json(one) for one in report.per_class]
    yield "more", lambda: found.more, {
        "real": dict(report.real), "per_class": of_classes, "classes_covered": 2,
        "memorised": False,
    }  # fmt: skip
    told = [torch.equal(*pair) for pair in zip(found.images or (), (pixels, labels), strict=True)]
    yield "kept", lambda: (told, found.judged_by is held, found.made_by), ([True] * 2, True, None)
    copies = partial(images_of, held.taught, labels)
    noted = made(open=copies().open).notes[-1]
    yield (
        "copies",
        lambda: noted,
        ("memorisation: samples lie nearer to training images than held-out ones do"),
    )
    flat = pixels.clone()
    flat[labels == 1] = flat[labels == 1][0]
    dead = made(open=images_of(flat, labels).open)
    yield "collapsed", lambda: (dead.collapsed, dead.notes[-1]), ((1,), "classes covered 2 of 2")
    turned = made(classes=("right", "left"), open=images_of(pixels, 1 - labels).open)
    yield "by the names of classes", lambda: turned.figures == found.figures, True
    named = made(facts={"dataset": "own"}).facts.dataset
    yield "a name that is known", lambda: named, "own"
    usual = judged.evaluate_proxy(run.Opened(drawn, None, 2), Path("p"), encoded)
    yield "the usual seed", lambda: usual.figures == made(seed=0).figures, True
    yield from _of_a_run(drawn, encoded)
    yield from _of_classes(drawn)
    yield from facts_known()


def _of_classes(drawn: Any) -> Iterator[Row]:
    """What is measured by class where labels are known on both sides, and from how many on."""
    digits = load_template("digits")
    loaded: Any = SimpleNamespace(template=digits)
    least = digits.evaluation.precision_recall_samples
    yield "least of images", lambda: run.Opened(drawn, None, 2).least, 0
    yield "least of a run", lambda: run.Opened(drawn, loaded, 2).least, least
    labels = np.array([0, 1, 1])
    for name, features, named, strata, known in (
        ("known", "x", labels, labels, True), ("no features", None, labels, labels, False),
        ("no names", "x", None, labels, False), ("no classes of samples", "x", labels, None, False),
        ("a name that is none", "x", labels - 1, labels, False),
    ):  # fmt: skip
        found: Any = SimpleNamespace(pool="pool", labels="labels", strata=strata)
        reference: Any = SimpleNamespace(features=features, labels=named)
        stream = np.random.default_rng(0)
        with patch("drift.evaluate.classes.by_class", lambda *given, **more: (given, more)):
            told: Any = run._per_class(found, reference, stream)
        yield f"by class, {name}", partial(bool, told[0]), known
        if known:
            given = (("pool", "labels", "x", labels, stream), {"classes": [0, 1]})
            yield "what is asked of them", partial(bool, told == given), True


def _facts(pixels: Tensor, labels: Tensor, encoded: proxy.Encoded, report: Any) -> records.Facts:
    """What the record has to say of these images, worked out here."""
    contract = statistics.Contract(
        "drift-mae-layer4-pca4", encoded.sha256, "none", "truncate", 17, "blobs, held out", "0" * 64
    )
    reference = fid.moments(encoded.held_out)
    moments = {"mu": reference.mean, "sigma": reference.covariance}
    seen = hashlib.sha256(pixels.numpy().tobytes() + labels.numpy().tobytes())
    return records.Facts(
        samples=40, seeds=(4,), alpha=1.5, labels="chosen", weights=None, checkpoint_sha256=None,
        template_fingerprint=None, column=None, dataset="blobs",
        extractor="drift-mae-layer4-pca4", extractor_sha256=report.encoder_sha256, resize="none",
        statistics_sha256=statistics.digest(moments, contract), statistics=asdict(contract),
        source="p", source_sha256="0" * 64, samples_sha256=seen.hexdigest(),
    )  # fmt: skip


def _of_a_run(drawn: Any, encoded: proxy.Encoded) -> Iterator[Row]:
    """Whether the encoder is the run's own is said, where the run says which it had."""
    other = "the encoder is not the one the run was trained with"
    for digest, said in (("f" * 64, True), (encoded.whole_sha256, False), (None, False)):
        drawer: Any = "g"
        loaded: Any = SimpleNamespace(
            origin=SimpleNamespace(encoder_sha256=digest), generator=drawer, template=None
        )
        found = judged.evaluate_proxy(run.Opened(drawn, loaded, 2), Path("p"), encoded)
        told = other in found.notes, found.made_by == (drawer, encoded.encoder)
        yield f"an encoder {digest}", partial(tuple, told), (said, True)


def _sets(root: Path) -> Iterator[Row]:
    """Real images of an embedded set and of a folder: training and held out, never mixed."""
    held = blobs()
    yield "shape", lambda: (held.shape, tuple(held.taught.shape)), ((1, 2, 2), (40, 1, 2, 2))
    yield "of a class", lambda: tuple(held.of_class(1).shape), (19, 4)
    yield "which of a class", lambda: torch.equal(
        held.of_class(0), held.training.samples[held.training.labels == 0].flatten(1)
    ), True  # fmt: skip
    sources = {False: held.training, True: held.held_out}
    one: Any = SimpleNamespace(
        classes=2, sha256="a", source=lambda held_out=False: sources[held_out]
    )
    with patch.dict(SETS, {"own": one}):
        found = real.embedded.__wrapped__("own")
    parts = found.training is held.training, found.held_out is held.held_out
    yield "embedded", lambda: (found.name, found.sha256, found.classes, parts), (
        "own", "a", ("0", "1"), (True, True)
    )  # fmt: skip
    yield from _of_a_folder(root)


def _of_a_folder(root: Path) -> Iterator[Row]:
    home = laid(root / "home", **{f"{c}_{n}": (8, 8, "L") for c in "ab" for n in range(1, 5)})
    inputs = SimpleNamespace(folder=str(home), licence="MIT", held_out_every=4)
    digits = load_template("digits")
    data = digits.data.model_copy(update={"dataset": "own", "resolution": 8, "mirror": "flip"})
    generator = SimpleNamespace(num_classes=2, input_shape=(8, 8, 1))
    template: Any = SimpleNamespace(name="t", inputs=inputs, data=data, generator=generator)

    def told(most: int = 1 << 27) -> object:
        with patch.object(real, "MOST_VALUES", most):
            found = real.of_template(template)
        levels = [part.samples[:, 0, 0, 7].mul(127.5).add(127.5).round().int().tolist()
                  for part in (found.training, found.held_out)]  # fmt: skip
        labels = [part.labels.tolist() for part in (found.training, found.held_out)]
        return levels, labels, found.notes, (found.name, found.classes, found.training.class_map)

    own = ("own", ("a", "b"), ("a", "b"))
    yield "of a folder", told, (
        [[7, 47, 87, 167, 207, 247], [127, 31]], [[0, 0, 0, 1, 1, 1], [0, 1]], (), own
    )  # fmt: skip
    half = ("3 of 6 real images are used",)
    yield "as many as fit", partial(told, 3 * 64), (
        [[7, 87, 207], [127, 31]], [[0, 0, 1], [0, 1]], half, own
    )  # fmt: skip
    alone = Refused("labels", "2 classes, of which [1] have no sample")  # of the one that is read
    yield "at least one", partial(told, 63), alone
    digest = real.of_template(template).sha256
    found = open_own(template)
    yield "its digest", lambda: digest == found.digest, True
    said = Refused("template t: inputs.held_out_every", "no images held out", "`drift new`")
    for wanting in (None, SimpleNamespace(held_out_every=None)):
        bare: Any = SimpleNamespace(name="t", inputs=wanting)
        yield f"held out of {wanting}", partial(real.of_template, bare), said


def _measured() -> Iterator[Row]:
    """What cannot be measured is said with its reason, and nothing of it is a figure."""
    rng = np.random.default_rng(0)
    pool = rng.normal(size=(30, 3)).astype(np.float32)
    logits = rng.normal(size=(30, 4)).astype(np.float32)
    found = Features(pool, logits, np.arange(30) % 2)
    named = SimpleNamespace(moments=fid.moments(pool + 1), features=pool[:25] + 1, labels=None)
    basis = ["fid", "spread"]
    near = ["kid", "precision", "recall"]
    few = "evaluation.precision_recall_samples is 26; these are 25"
    nothing = "the statistics hold moments only, no features"
    for name, one, reference, least, figures, missing in (
        ("all", found, named, 25, [*basis, "inception_score", *near], {}),
        ("too few", found, named, 26, [*basis, "inception_score", "kid"],
         dict.fromkeys(("precision", "recall"), few)),
        ("no logits", replace(found, logits=None), named, 0, [*basis, *near],
         {"inception_score": "the extractor gives no logits"}),
        ("moments alone", found, SimpleNamespace(moments=named.moments, features=None), 0,
         [*basis, "inception_score"],
         dict.fromkeys(("kid", "precision", "recall", "coverage"), nothing)),
    ):  # fmt: skip
        given: Any = reference
        made = run.measure(one, given, np.random.default_rng(1), least=least)
        told = sorted(made[0]), made[2], "inception_score/splits" in made[1]
        yield name, partial(tuple, told), (sorted(figures), missing, one.logits is not None)
    said = Refused("--training", "statistics without features", "in --statistics", "Write them")
    for held, other in ((None, pool), (pool, None)):
        taught, asked = (cast(Any, SimpleNamespace(features=part)) for part in (held, other))
        audited = partial(run._audit, found, taught, asked, np.random.default_rng(0))
        yield f"an audit, {held is None}", audited, said


def _whole(root: Path) -> Iterator[Row]:
    """A class whose samples are all one is named, and so are samples that are all one."""
    extractor, labels = tiny(root), torch.arange(40) % 2
    of_real = tiny_statistics(root / "real", extractor, pictures(40, 0), labels)
    plain = pictures(40, 1)
    held, maps = dict(extractor.network.named_parameters()), (plain.float() - 128) / 128
    for part in ("first", "second"):
        weight, bias = held[f"{part}.weight"], held[f"{part}.bias"]
        maps = functional.conv2d(maps, weight, bias, stride=2, padding=1).relu()
    pooled, logits = extractor(plain)
    by_hand = maps.mean((2, 3)) @ held["head.weight"].T + held["head.bias"]
    near = [
        np.allclose(pooled, maps.mean((2, 3)), atol=1e-4),
        np.allclose(cast(Any, logits), by_hand, 1e-3, 1e-3),
    ]
    yield "the small network", lambda: near, [True, True]
    half, alike = plain.clone(), plain.clone()
    half[labels == 1], alike[:] = plain[1], plain[0]
    note = "collapse: the samples spread far less than the real ones do"
    for name, pixels, dead, notes in (
        ("spread", plain, (), ()), ("a class", half, (1,), ()), ("all", alike, (0, 1), (note,)),
    ):  # fmt: skip
        opened = run.Opened(images_of(pixels, labels), None, None)
        found = run.evaluate_images(opened, Path("p"), extractor, of_real, reference_path="r")
        reports = [(one["label"], one["collapsed"]) for one in found.more["per_class"]]
        told = found.collapsed, reports, found.notes, found.more["memorised"]
        wanted = dead, [(n, n in dead) for n in (0, 1)], notes, None
        yield f"collapsed, {name}", partial(tuple, told), wanted


def _turns() -> Iterator[Row]:
    """Who measures nothing draws its turns of each candidate of a generator alone."""
    seen = list[object]()

    def parts(options: Any) -> Iterator[None]:
        for n in range(2):
            seen.append((options, n))
            yield

    def opened(path: Path, options: Any) -> Any:
        return SimpleNamespace(images=SimpleNamespace(open=partial(parts, options)))

    with patch.object(run, "open_images", opened):
        for generates in (True, False):
            with patch.object(loading, "is_generator", lambda path, is_=generates: is_):
                run.draw_along(Path("p"), ["a", "b"])  # type: ignore[list-item]
    yield "turns", lambda: seen, [("a", 0), ("a", 1), ("b", 0), ("b", 1)]


def _asked() -> Iterator[Row]:
    """How many samples are drawn, at which scale: as asked, as the template says, or as usual."""
    says = SimpleNamespace(evaluation=SimpleNamespace(samples=70, alpha=2.5))
    cases: tuple[tuple[str, Any, Any, int, float], ...] = (
        ("without a template", None, {}, 1000, 1.0), ("of the template", says, {}, 70, 2.5),
        ("as asked", says, {"count": 8, "alpha": 0.0}, 8, 0.0),
        ("as asked, without one", None, {"count": 8, "alpha": 1.5}, 8, 1.5),
    )  # fmt: skip
    for name, template, options, count, alpha in cases:
        loaded = SimpleNamespace(template=template, generator=generator(), origin=ORIGIN)
        with (
            patch.object(loading, "is_generator", lambda path: True),
            patch.object(loading, "load", lambda path, one=loaded, **asked: one),
            patch.object(run, "decoder_for", lambda *given, **named: SimpleNamespace(identity="d")),
        ):
            found = run.open_images(Path("p"), run.Options(seed=4, **options))
        facts = found.images.facts
        told = found.images.count, facts["alpha"], facts["seeds"], facts["decoder"], found.classes
        yield f"drawn {name}", partial(tuple, told), (count, alpha, [4], "d", 10)


@mutant("metrics.any_encoder", judged, "evaluate_proxy")
def any_encoder(real: Any, opened: Any, *given: Any, **named: Any) -> Any:
    """Nobody asks which encoder the run had."""
    found = real(opened, *given, **named)
    return replace(found, notes=tuple(note for note in found.notes if "trained with" not in note))


@mutant("metrics.taught_as_held_out", real, "open_own")
def taught_as_held_out(found: Any, *given: Any, held_out: bool) -> Any:
    """What a run saw is what it is judged by."""
    return found(*given, held_out=False)
