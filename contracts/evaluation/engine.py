"""What the engine writes and what it refuses: records, extractors, reference statistics."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch

from drift.digest import file_digest
from drift.errors import DriftError
from drift.evaluate import extractors, fid, records, run, statistics
from drift.state import atomic
from verify.api import CheckContext, Measurement, check, mutant

from ..common.places import folder
from ..metrics import cases as metrics_cases
from . import components
from . import records as evaluation
from .protocol import PAPER_EVAL, ZEROS

Patched = AbstractContextManager[Any]
# Each change, and the strongest axis that is then left.
WEAKENED: tuple[tuple[dict[str, Any], str], ...] = (
    ({"samples": 49_999}, records.REPO_EVAL),
    ({"statistics_sha256": "1" * 64}, records.REPO_EVAL),
    ({"labels": "chosen"}, records.REPO_EVAL),
    ({"column": None}, records.REPO_EVAL),
    ({"weights": "raw"}, records.PROXY),
    ({"extractor": "torchvision-imagenet"}, records.PROXY),
    ({"extractor_sha256": ZEROS}, records.PROXY),
    ({"resize": "squash-299"}, records.PROXY),
    ({"rounding": "round"}, records.PROXY),
    ({"dataset": "digits"}, records.PROXY),
    ({"checkpoint_sha256": None}, records.SMOKE),
    ({"bypasses": ("statistics overridden: resize",)}, records.SMOKE),
)


@check("engine.record_recomputed")
def record_recomputed(ctx: CheckContext) -> Measurement:
    """A record of a small run gives its scores again, by code that is not the engine's."""
    with folder() as place:
        path = _written(place, ctx.seed)
        try:
            (found,) = evaluation.load_records(path.parent)
            arrays = components.read_arrays(path, found, "components")
            problem = components.problem_of(found)
            scores = components.scores_of(arrays)
        except (components.RecordError, ValueError) as error:
            return ctx.decide(False, str(error))
    wanted = {"fid", "inception_score", "precision", "recall", "coverage"}
    lost = ", ".join(sorted(wanted - set(scores)))
    if problem or lost:
        return ctx.decide(False, problem or f"no components of {lost}")
    errors = {name: abs(found["metrics"][name]["value"] - scores[name]) for name in scores}
    return ctx.judge_worst(errors, "scores off what their components give")


def _evaluated(place: Path, seed: int, **options: Any) -> run.Evaluated:
    """A run's 96 samples against 160 pictures, with the tiny extractor."""
    place.mkdir(parents=True, exist_ok=True)
    extractor = metrics_cases.tiny(place)
    labels = torch.arange(160) % 10
    pixels = metrics_cases.pictures(160, seed, side=8)
    reference = metrics_cases.tiny_statistics(place / "real.safetensors", extractor, pixels, labels)
    folder = metrics_cases.run_folder(place / "run")
    drawn = run.open_images(folder, run.Options(count=100, seed=seed, ema_decay="0.99"))
    return run.evaluate_images(
        drawn, folder, extractor, options.pop("reference", reference),
        reference_path="real.safetensors", **options,
    )  # fmt: skip


def _written(place: Path, seed: int) -> Path:
    found = _evaluated(place, seed)
    path = place / "records" / "one.json"
    records.write(path, found.record(), found.components)
    return path


@check("engine.audited")
def audited(ctx: CheckContext) -> Measurement:
    """Samples beside a training set that holds them, and beside one that does not."""
    with folder() as place:
        extractor = metrics_cases.tiny(place)
        asked = run.Options(count=100, seed=ctx.seed, ema_decay="0.99")
        opened = run.open_images(metrics_cases.run_folder(place / "run"), asked).images
        drawn, labels = (torch.cat(parts) for parts in zip(*opened.open(), strict=True))
        others = metrics_cases.pictures(100, ctx.seed + 1, side=8)
        taught = {
            name: metrics_cases.tiny_statistics(
                place / f"{name}.safetensors", extractor, images, labels
            )
            for name, images in (("copied", drawn), ("other", others))
        }
        found = {name: _evaluated(place / f"with {name}", ctx.seed, training=one)
                 for name, one in taught.items()}  # fmt: skip
    told = {name: (one.more["memorised"], one.figures["copies_features"].value)
            for name, one in found.items()}  # fmt: skip
    good = told["copied"] == (True, 1.0) and told["other"][0] is False and told["other"][1] < 0.05
    return ctx.decide(good, f"(memorised, share of copies) by training set: {told}")


@mutant("engine.audit_turned", run, "_audit")
def audit_turned(real: Any, found: Any, training: Any, reference: Any, generator: Any) -> Any:
    """What is held out is taken for what was taught."""
    return real(found, reference, training, generator)


@check("engine.wrong_extractor")
def wrong_extractor(ctx: CheckContext) -> Measurement:
    """Weights of another digest are refused, for a pinned name and for a digest given."""
    with folder() as place:
        metrics_cases.tiny(place)
        weights = place / "tiny-0.safetensors"
        metrics_cases.tiny(place, seed=1)
        digest = file_digest(weights)
        tried: dict[str, Callable[[], object]] = {
            "other weights": lambda: extractors.open_extractor(
                extractors.TINY, place / "tiny-1.safetensors", digest
            ),
            "weights under the pinned name": lambda: extractors.open_extractor(
                extractors.FID_INCEPTION, weights
            ),
            "another pin for the pinned name": lambda: extractors.open_extractor(
                extractors.FID_INCEPTION, weights, digest
            ),
            "no digest": lambda: extractors.open_extractor(extractors.TINY, weights),
            "no weights": lambda: extractors.open_extractor(extractors.FID_INCEPTION, None),
        }
        for name, action in tried.items():
            if not _refused(action):
                return ctx.decide(False, f"{name}: not refused")
        extractors.open_extractor(extractors.TINY, weights, digest)
    return ctx.decide(True, f"{len(tried)} wrong extractors refused, the right one opened")


@check("engine.foreign_statistics")
def foreign_statistics(ctx: CheckContext) -> Measurement:
    """Statistics of another extractor stop; the override goes on, and the record is smoke."""
    with folder() as place:
        other = metrics_cases.tiny(place, seed=1)
        pixels = metrics_cases.pictures(64, 5, side=8)
        foreign = metrics_cases.tiny_statistics(place / "foreign.safetensors", other, pixels)
        if not _refused(lambda: _evaluated(place / "a", ctx.seed, reference=foreign)):
            return ctx.decide(False, "statistics of another extractor were used")
        found = _evaluated(place / "b", ctx.seed, reference=foreign, override=True).record()
        own = _evaluated(place / "c", ctx.seed).record()
    said = [text for text in found["bypasses"] if "extractor_sha256" in text]
    good = found["axis"] == records.SMOKE and found["tier"] == "C" and bool(said)
    return ctx.decide(
        good and own["axis"] == records.PROXY and not own["bypasses"],
        f"override: axis {found['axis']}, tier {found['tier']}, {len(said)} bypasses said; "
        f"own statistics: axis {own['axis']}",
    )


@check("engine.damaged_statistics")
def damaged_statistics(ctx: CheckContext) -> Measurement:
    """A statistics file with one changed number or another contract is refused."""
    rng = np.random.default_rng(ctx.seed)
    with folder() as place:
        path = place / "real.safetensors"
        extractor = metrics_cases.tiny(place)
        metrics_cases.tiny_statistics(path, extractor, metrics_cases.pictures(64, 5))
        whole = path.read_bytes()
        begin = 8 + int.from_bytes(whole[:8], "little")
        for place_of in rng.integers(begin, len(whole), 8):
            changed = bytearray(whole)
            changed[place_of] ^= 1
            path.write_bytes(bytes(changed))
            if not _refused(lambda: statistics.read(path)):
                return ctx.decide(False, f"byte {place_of} of {len(whole)} changed: accepted")
        path.write_bytes(whole.replace(b'\\"count\\": 64', b'\\"count\\": 65'))
        if path.read_bytes() == whole or not _refused(lambda: statistics.read(path)):
            return ctx.decide(False, "another count in the contract: accepted")
        path.write_bytes(whole)
        statistics.read(path)
    return ctx.decide(True, "eight changed bits and a changed count refused, the file itself read")


@check("engine.axis")
def axis(ctx: CheckContext) -> Measurement:
    """The axis follows from the facts: each weakening leaves the axis it should."""
    with patch.object(records, "PINNED_STATISTICS", frozenset({ZEROS})):
        strongest = records.axis_of(PAPER_EVAL)[0]
        if strongest != records.PAPER_EVAL:
            return ctx.decide(False, f"the full protocol is {strongest}")
        for change, expected in WEAKENED:
            found, reasons = records.axis_of(replace(PAPER_EVAL, **change))
            if found != expected or not reasons:
                return ctx.decide(False, f"{change}: axis {found}, expected {expected} and why")
    unpinned = records.axis_of(PAPER_EVAL)[0]
    return ctx.decide(
        unpinned == records.REPO_EVAL,
        f"{len(WEAKENED)} weakenings leave their axis; without pinned statistics {unpinned}",
    )


@check("engine.nothing_half_written")
def nothing_half_written(ctx: CheckContext) -> Measurement:
    """A record that fails to be written leaves no file; an existing one is not replaced."""
    with folder() as place:
        path = _written(place, ctx.seed)
        before = {p.name: p.read_bytes() for p in path.parent.iterdir()}
        record = json.loads(path.read_text())
        arrays = {"fid/mu": np.zeros(3)}
        with patch.object(atomic, "write_bytes", side_effect=_full_disk()):
            failed = _refused(lambda: records.write(place / "new" / "two.json", record, arrays))
        again = _refused(lambda: records.write(path, record, arrays))
        nan = {**record, "alpha": float("nan")}
        refused = _refused(lambda: records.write(place / "new" / "three.json", nan, arrays))
        left = [p.name for p in (place / "new").iterdir()]
        after = {p.name: p.read_bytes() for p in path.parent.iterdir()}
    return ctx.decide(
        failed and again and refused and not left and before == after,
        f"full disk refused {failed}, existing record {again}, NaN {refused}; left behind {left}",
    )


def _full_disk() -> Callable[..., None]:
    """The components are still written; the record no longer fits."""
    real, calls = atomic.write_bytes, iter((True, False))

    def write(path: Path, data: bytes, **options: Any) -> None:
        if not next(calls):
            raise OSError(28, "No space left on device")
        real(path, data, **options)

    return write


def _refused(action: Callable[[], object]) -> bool:
    try:
        action()
    except DriftError:
        return True
    return False


# mistakes


@mutant("engine.sides_exchanged", run, "measure")
def sides_exchanged(real: Any, *given: Any, **more: Any) -> Any:
    """The reference's moments are written in place of the samples'."""
    figures, components, missing = real(*given, **more)
    return figures, components | {"fid/mu": components["fid/reference_mu"]}, missing


@mutant("engine.narrow_components", records, "write")
def narrow_components(real: Any, path: Path, record: Any, components: Any) -> Any:
    """Components in float16: the score cannot be had again from them."""
    narrow = {name: array.astype(np.float16) for name, array in components.items()}
    return real(path, record, narrow)


@mutant("engine.rounded_figures", fid, "frechet")
def rounded_figures(real: Any, a: Any, b: Any) -> Any:
    """Figures are rounded for the table before they are recorded."""
    return round(real(a, b), 2)


@mutant("engine.only_the_name_compared", statistics, "differences")
def only_the_name_compared(real: Any, found: Any, extractor: Any) -> list[str]:
    """Two sets of weights under one name count as the same extractor."""
    same = found.contract.extractor == extractor.name
    return [] if same else ["extractor"]


@mutant("engine.override_not_recorded", records, "record_of")
def override_not_recorded(real: Any, facts: records.Facts, *given: Any, **more: Any) -> Any:
    """The override leaves no trace in the record."""
    return real(replace(facts, bypasses=()), *given, **more)


@mutant("engine.digest_of_the_contract", statistics, "digest")
def digest_of_the_contract(real: Any, tensors: Any, contract: statistics.Contract) -> str:
    """The digest of statistics leaves out their numbers."""
    return str(asdict(contract))


@mutant("engine.digest_of_the_numbers")
def digest_of_the_numbers(subject: object) -> Patched:
    """The digest of statistics leaves out their contract."""
    real, same = statistics.digest, statistics.Contract("", "", "", "", 0, "", "")
    return patch.object(statistics, "digest", lambda tensors, contract: real(tensors, same))


@mutant("engine.bypass_ignored", records, "axis_of")
def bypass_ignored(real: Any, facts: records.Facts) -> Any:
    """A bypass does not lower the axis."""
    return real(replace(facts, bypasses=(), checkpoint_sha256=ZEROS))


OTHER_VALUES = (
    # Whatever weights are given are loaded.
    mutant("engine.digest_not_compared", extractors, require_digest=lambda path, pinned: None),
    # Statistics are used whatever made them.
    mutant("engine.statistics_not_compared", statistics, differences=lambda found, extractor: []),
    # Any extractor and any weights pass for the protocol.
    mutant("engine.protocol_not_compared", records, _not_the_protocol=lambda facts: ()),
    # Fewer samples and own statistics pass for the paper's.
    mutant("engine.paper_not_compared", records, _not_the_papers=lambda facts: ()),
    # A failed write is not cleaned up.
    mutant("engine.components_left_behind", Path, unlink=lambda self, missing_ok=False: None),
)
