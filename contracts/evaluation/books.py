"""Checks of what an evaluation writes: statistics, their contract, and every field of a record."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from safetensors.numpy import save

from drift import atomic
from drift.errors import DriftError
from drift.evaluate import extractors, fid, records, statistics
from drift.evaluate.features import Features
from drift.evaluate.figures import Figure
from drift.evaluate.statistics import Contract
from drift.sample.loading import BYPASSED, NO_GATES
from verify.api import CheckContext, Measurement, check, mutant

from ..common.places import folder
from ..common.rows import Refused, Row, judge_rows

A64 = "a" * 64
CONTRACT = Contract("e", A64, "none", "truncate", 3, "d", "b" * 64)
POOL = np.array([[1.0, 2.0], [3.0, 5.0], [6.0, 1.0]], np.float32)
FACTS = records.Facts(
    samples=9, seeds=(0,), alpha=1.5, labels="balanced", weights="ema", ema_decay="0.9",
    checkpoint_sha256=A64, template_fingerprint="f", column="L2", dataset="digits", extractor="e",
    extractor_sha256=A64, resize="none", statistics_sha256=A64, source="s", source_sha256=A64,
)  # fmt: skip


@check("engine.statistics")
def kept_statistics(ctx: CheckContext) -> Measurement:
    """Statistics written, converted and read; each way in which a file is none; whose they are."""
    with folder() as root:
        rows = chain(_kept(root), _converted(root), _bad(root), _owned())
        return judge_rows(ctx, rows, "facts of statistics")


def _digest(tensors: dict[str, Any], contract: Contract = CONTRACT) -> str:
    found = hashlib.sha256(json.dumps(asdict(contract), sort_keys=True).encode())
    for name, array in sorted(tensors.items()):
        found.update(f"\0{name} {array.shape} {array.dtype.str}\0".encode() + array.tobytes())
    return found.hexdigest()


def _kept(root: Path) -> Iterator[Row]:
    labels = np.array([0, 2, 1])
    found = statistics.write(
        root / "a" / "b" / "x", Features(POOL, None, labels), CONTRACT, classes=("u", "v", "w")
    )
    tensors = {
        "mu": POOL.astype(float).mean(0), "sigma": np.cov(POOL.T.astype(float)), "features": POOL,
        "labels": labels, "classes": np.frombuffer(b'["u", "v", "w"]', np.uint8),
    }  # fmt: skip
    held = {"mu": found.moments.mean, "sigma": found.moments.covariance}
    near = all(np.allclose(held[name], tensors[name], atol=1e-12) for name in held)
    yield "moments", lambda: (near, found.moments.count), (True, 3)
    yield "digest", lambda: found.sha256, _digest(tensors | held)
    yield "of moments", lambda: statistics.of_moments(found), _digest(held)
    yield "features", lambda: found.features is not None and found.features.tolist(), POOL.tolist()
    yield "labels", lambda: found.labels is not None and found.labels.tolist(), [0, 2, 1]
    yield "names", lambda: (found.classes, found.contract), (("u", "v", "w"), CONTRACT)
    yield "read again", lambda: statistics.read(root / "a" / "b" / "x").sha256, found.sha256
    plain = statistics.write(root / "b", Features(POOL, None, labels), CONTRACT)
    yield "numbers as names", lambda: plain.classes, ("0", "1", "2")
    unknown = statistics.write(root / "c", Features(POOL, None, np.full(3, -1)), CONTRACT)
    some = statistics.write(root / "s", Features(POOL, None, np.array([3, -1, 2])), CONTRACT)
    yield "not all labels, no names", lambda: some.classes, None
    beyond = {"labels": np.array([-1, 3]), "classes": np.frombuffer(b'["u", "v"]', np.uint8)}
    yield "names where not all are known", lambda: statistics._classes(root, beyond), ("u", "v")
    yield "no labels, no names", lambda: unknown.classes, None
    bare = statistics.write(root / "d", Features(POOL, None, labels), CONTRACT, keep_features=False)
    yield "moments only", lambda: (bare.features, bare.labels, bare.classes), (None, None, None)
    again = partial(statistics.write, root / "b", Features(POOL, None, labels), CONTRACT)
    yield "never over another", again, Refused("a new file that can be written")
    said = Refused("a file there", "Choose")
    yield "in the way", partial(statistics.require_new, root / "b"), said
    yield "not in the way", partial(statistics.require_new, root / "none"), None


def _converted(root: Path) -> Iterator[Row]:
    source = root / "x.npz"
    np.savez(source, mu=np.array([1, 2], np.float32), sigma=np.eye(2, dtype=np.float32))
    stated = replace(CONTRACT, dataset_sha256=hashlib.sha256(source.read_bytes()).hexdigest())
    found = statistics.convert(root / "e", source, stated)
    kinds = (found.moments.mean.dtype.name, found.moments.covariance.dtype.name)
    yield "converted", lambda: (found.moments.mean.tolist(), kinds), ([1.0, 2.0], ("float64",) * 2)
    other = partial(statistics.convert, root / "f", source, CONTRACT)
    yield "another file", other, Refused("x.npz: found sha256", "b" * 64)
    np.savez(source, mu=np.zeros(2))
    stated = replace(CONTRACT, dataset_sha256=hashlib.sha256(source.read_bytes()).hexdigest())
    said = Refused("mu and sigma")
    yield "no sigma", partial(statistics.convert, root / "g", source, stated), said


def _bad(root: Path) -> Iterator[Row]:
    place = root / "bad"
    good = {"mu": np.zeros(2), "sigma": np.eye(2)}

    def read(tensors: dict[str, Any], *, edited: dict[str, str] | None = None) -> object:
        metadata = {"schema": "drift-statistics/1", "digest": _digest(tensors),
                    "contract": json.dumps(asdict(CONTRACT), sort_keys=True)}  # fmt: skip
        place.write_bytes(save(tensors, {**metadata, **(edited or {})}))
        return statistics.read(place).classes

    def names(text: bytes) -> dict[str, Any]:
        return {**good, "labels": np.array([0, 1]), "classes": np.frombuffer(text, np.uint8)}

    yield "good", partial(read, good), None
    yield "good names", partial(read, names(b'["a", "b"]')), ("a", "b")
    for name, tensors, edited, words in (
        ("a schema", good, {"schema": "other/1"}, ("schema 'other/1'",)),
        ("a digest", good, {"digest": A64}, ("the digest written with them",)),
        ("a contract", good, {"contract": "{}"}, (": found",)),
        ("no mu", {"sigma": np.eye(2)}, {}, ("no mu [D] and sigma [D, D]",)),
        ("no sigma", {"mu": np.zeros(2)}, {}, ("no mu [D] and sigma",)),
        ("another width", {"mu": np.zeros(2), "sigma": np.eye(3)}, {}, ("no mu [D] and sigma",)),
        ("names that are none", names(b"{"), {}, ("that are no JSON",)),
        ("names in an object", names(b"{}"), {}, ("no list of names",)),
        ("numbers as names", names(b'["a", 1]'), {}, ("no list of names",)),
        ("too few names", names(b'["a"]'), {}, ("a label 1 of 1 classes",)),
    ):  # fmt: skip
        said = Refused("bad", *words, "a file of drift-statistics/1", "--write-statistics")
        yield name, partial(read, tensors, edited=edited), said
    yield "nothing", partial(statistics.read, root / "no"), Refused("a file of drift-statistics/1")


def _owned() -> Iterator[Row]:
    """Statistics and extractors that belong together, and those that do not."""
    moments = fid.Moments(np.zeros(2), np.eye(2), 3)
    held = statistics.Statistics(CONTRACT, moments, None, None, A64)
    extractor = extractors.Extractor("e", A64, "none", None)
    yield "one's own", partial(statistics.require_same, held, extractor, "p"), None
    made = statistics.contract_of(extractor, count=3, dataset="d", dataset_sha256="b" * 64)
    yield "a contract", lambda: made, CONTRACT
    for field, value in (
        ("extractor", "x"),
        ("extractor_sha256", "c" * 64),
        ("resize", "x"),
        ("rounding", "x"),
    ):
        changed: Any = {field: value}
        other = replace(held, contract=replace(CONTRACT, **changed))
        ours = getattr(CONTRACT, field)
        yield f"another {field}", partial(statistics.differences, other, extractor), [
            f"{field} {value} in the statistics, {ours} here"
        ]  # fmt: skip
        said = Refused("p", field, "statistics of this extractor", "--override-statistics")
        yield f"refused for {field}", partial(statistics.require_same, other, extractor, "p"), said
    pinned, kinds = partial(extractors._pinned, "n"), extractors.KINDS
    inception, small = kinds[extractors.FID_INCEPTION], kinds[extractors.TINY]
    yield "pinned by name", lambda: pinned(inception, None), extractors.INCEPTION_SHA256
    yield (
        "pinned twice",
        lambda: pinned(inception, extractors.INCEPTION_SHA256),
        extractors.INCEPTION_SHA256,
    )
    yield "pinned by the caller", lambda: pinned(small, A64), A64
    for name, kind, given, words in (
        ("another", inception, A64, (extractors.INCEPTION_SHA256,)), ("none", small, None,
         ("cannot be compared",)),
        ("no digest", small, "A" * 64, ("64 hexadecimal digits",)),
    ):  # fmt: skip
        yield f"pin: {name}", partial(pinned, kind, given), Refused("--extractor-sha256", *words)
    unknown = partial(extractors.open_extractor, "x", None)
    yield "an unknown extractor", unknown, Refused("--extractor: found x", " or ".join(kinds))


# records


@check("engine.record_fields")
def record_fields(ctx: CheckContext) -> Measurement:
    """Every field of a record, its axis and tier, its components, and what is none of it."""
    with folder() as root:
        return judge_rows(ctx, chain(_fields(), _tiers(), _written(root)), "facts of records")


def _figure(value: float) -> Figure:
    return Figure(
        value=value, low=0.0, high=2.0, interval="i", definition="d", count=9, better="lower"
    )


def _fields() -> Iterator[Row]:
    found = records.record_of(FACTS, {"fid": _figure(1.0)}, notes=["n"])
    said = json.loads(json.dumps(found))
    times = [said.pop(name) for name in ("created", "code_sha256", "versions")]
    facts = json.loads(json.dumps(asdict(FACTS)))
    because = [
        "dataset is digits, not imagenet", "extractor is e, not fid-inception-2015-12-05",
        f"extractor_sha256 is {A64}, not {extractors.INCEPTION_SHA256}",
        "resize is none, not torchscript-bilinear-299",
    ]  # fmt: skip
    yield "fields", lambda: said, {
        "schema": "drift-evaluation/1", "axis": "proxy", "axis_because": because, "tier": "C",
            **facts,
        "metrics": {"fid": _figure(1.0).as_dict()}, "notes": ["n"],
    }  # fmt: skip
    yield "when and what with", lambda: (len(times[0]), len(times[1]), sorted(times[2])), (
        20, 64, ["drift", "numpy", "torch", "torch_fidelity"]
    )  # fmt: skip
    absent = patch("importlib.metadata.version", side_effect=_no_package)
    with absent:
        versions = records._versions()
    yield (
        "not installed",
        lambda: (versions["torch"], versions["drift"]),
        ("absent", times[2]["drift"]),
    )


def _no_package(name: str) -> str:
    from importlib.metadata import PackageNotFoundError

    raise PackageNotFoundError(name)


def _tiers() -> Iterator[Row]:
    """Axis, what keeps it from a stronger one, and tier."""
    paper = replace(
        FACTS, samples=50_000, dataset="imagenet", extractor=extractors.FID_INCEPTION,
        extractor_sha256=extractors.INCEPTION_SHA256, resize="torchscript-bilinear-299",
    )  # fmt: skip
    pinned = frozenset({A64})

    def standing(**changes: Any) -> object:
        facts = replace(paper, **changes)
        with patch.object(records, "PINNED_STATISTICS", pinned):
            axis, because = records.axis_of(facts)
        return axis, records.tier_of(facts, axis), because

    yield "the paper's", standing, ("paper-eval", "A", ())
    for name, changes, wanted in (
        ("fewer", {"samples": 49_999}, ("repo-eval", "B", ("49999 samples, not 50000",))),
        ("other statistics", {"statistics_sha256": "0"}, (
            "repo-eval", "B", ("statistics that are not the pinned ones",))),
        ("chosen labels", {"labels": "chosen"}, (
            "repo-eval", "B", ("labels are chosen, not those of the validation set",))),
        ("no column", {"column": None}, ("repo-eval", "B", ("no column of Table 8",))),
        ("no template", {"template_fingerprint": None}, ("repo-eval", "B",
         ("no column of Table 8",))),
        ("raw", {"weights": "raw"}, ("proxy", "C", ("weights is raw, not ema",))),
        ("rounded", {"rounding": "x"}, ("proxy", "C", ("rounding is x, not truncate",))),
        ("something bypassed", {"bypasses": ("x",)}, ("smoke", "C", ("x",))),
        ("no checkpoint", {"checkpoint_sha256": None}, ("smoke", "none",
         ("no checkpoint is known",))),
        ("both", {"bypasses": ("x",), "checkpoint_sha256": None}, (
            "smoke", "none", ("x", "no checkpoint is known"))),
        ("gates bypassed", {"bypasses": (f"{BYPASSED}: x",)}, (
            "smoke", "none", (f"{BYPASSED}: x",))),
        ("no gates", {"bypasses": (NO_GATES,)}, ("smoke", "none", (NO_GATES,))),
    ):  # fmt: skip
        yield name, partial(standing, **changes), wanted


def _error_of(call: Any) -> Exception | None:
    try:
        call()
    except DriftError as error:
        return error
    return None


def _written(root: Path) -> Iterator[Row]:
    place = root / "kept" / "records" / "one.json"
    parts = {"fid/mu": np.array([1.0, 2.0]), "precision/hits": np.array([1, 0, 1, 1], np.uint8)}
    whole = records.write(place, {"k": 1}, parts, {"w": np.zeros(1)})
    beside = {
        name: {"file": f"one.{name}.safetensors", "sha256": hashlib.sha256(
            (root / "kept" / "records" / f"one.{name}.safetensors").read_bytes()).hexdigest()}
        for name in ("components", "trace")
    }  # fmt: skip
    yield "written", lambda: json.loads(place.read_text()), {"k": 1, **beside}
    yield "as it was written", lambda: dict(whole), {"k": 1, **beside}
    read = partial(records.read_components, place)
    yield "read", lambda: {k: v.tolist() for k, v in read(whole).items()}, {
        "fid/mu": [1.0, 2.0], "precision/hits": [1, 0, 1, 1]
    }  # fmt: skip
    for name, named, words in (
        ("none", {}, ("no file of components",)), ("another digest", {"sha256": A64}, (A64,)),
        ("not there", {"file": "x"}, ("no file of components", "x")), ("a place above",
         {"file": ".."}, ("no file",)),
        ("no name", {"file": "."}, ("no file",)),
    ):  # fmt: skip
        held = {"components": {**beside["components"], **named} if named else {}}
        yield f"components: {name}", partial(read, held), Refused(*words)
    (root / "kept" / "records" / "torn").write_bytes(b"torn")
    held = {"components": {"file": "torn", "sha256": hashlib.sha256(b"torn").hexdigest()}}
    yield "components: torn", partial(read, held), Refused("torn: found", "safetensors")
    for way in ("one.json", "one.components.safetensors", "one.trace.safetensors"):
        (root / "way").mkdir(exist_ok=True)
        (root / "way" / way).write_bytes(b"kept")
        over = partial(records.write, root / "way" / "one.json", {}, parts, {"w": np.zeros(1)})
        yield f"{way} in the way", over, Refused("a file there", "Choose another --out")
        (root / "way" / way).unlink()
    with patch.object(atomic, "write_bytes", side_effect=OSError(28, "full")):
        refused = str(_error_of(partial(records.write, root / "new" / "x.json", {}, parts)))
    yield "no room at all", lambda: ("cannot be written" in refused, "a new file" in refused), (
        True, True
    )  # fmt: skip
    moments = {f"fid/{side}{part}": value for side in ("", "reference_")
               for part, value in (("mu", np.full(2, 3.0 if side else 0.0)), ("sigma",
                   np.eye(2)))}  # fmt: skip
    every = {**moments, "precision/hits": parts["precision/hits"], "coverage/hits": np.array([0.5,
        1.0]),
             "recall/hits": np.ones(2), "class_accuracy/hits": np.zeros(2),
             "inception_score/splits": np.array([1.0, 2.0])}  # fmt: skip
    yield "computed again", lambda: {k: round(v, 9) for k,
        v in records.recomputed(every).items()}, {
        "fid": 18.0, "precision": 0.75, "recall": 1.0, "coverage": 0.75, "class_accuracy": 0.0,
        "inception_score": 1.5,
    }  # fmt: skip
    yield "nothing to compute", lambda: records.recomputed({}), {}


@mutant("engine.tiers_of_the_axis", records, "tier_of")
def tiers_of_the_axis(real: Any, facts: Any, axis: str) -> Any:
    """What was bypassed is told by the axis alone."""
    return records.TIERS[axis]


# Any schema is the one.
CONTRACTS_UNREAD = mutant(
    "engine.contracts_unread", statistics, _classes=lambda path, tensors: None
)


OTHER_VALUES = (
    # Any extractor has the statistics of any other.
    mutant("engine.any_statistics", statistics, differences=lambda statistics, extractor: []),
    # Components are taken from wherever they are said to lie.
    mutant("engine.components_believed", records, file_digest=lambda path: "a" * 64),
)
