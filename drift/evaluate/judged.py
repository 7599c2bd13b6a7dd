"""Images beside real ones that need no download: the figures of the axis `proxy`."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import torch

from drift.evaluate import proxy, run, sources, statistics
from drift.evaluate.features import digesting
from drift.evaluate.run import Evaluated, Opened, class_json


def evaluate_proxy(
    opened: Opened, path: Path, encoded: proxy.Encoded, *, seed: int = 0
) -> Evaluated:
    """All figures of the axis `proxy`; the bytes of the samples are few, so they are held."""
    real = encoded.real
    opened = replace(opened, images=sources.named(opened.images, real.classes, str(path)))
    taken, digest = digesting(opened.images)
    parts = list(taken.batches())
    pixels = torch.cat([part for part, _ in parts])
    labels = torch.cat([named for _, named in parts])
    report = proxy.evaluate_pixels(pixels, labels, encoded=encoded, seed=seed)
    reference = [report.components[f"fid_proxy/reference_{name}"] for name in ("mu", "sigma")]
    contract = statistics.Contract(
        encoded.extractor, report.encoder_sha256, "none", statistics.ROUNDING,
        len(real.held_out.labels), f"{real.name}, held out", real.sha256,
    )  # fmt: skip
    facts = run.facts_of(
        opened, path, labels,
        extractor=encoded.extractor,
        extractor_sha256=report.encoder_sha256,
        resize="none",
        samples_sha256=digest.hexdigest(),
        statistics_sha256=statistics.digest(
            {"mu": reference[0], "sigma": reference[1]}, contract
        ),
        statistics=asdict(contract),
    )  # fmt: skip
    if facts.dataset is None:
        facts = replace(facts, dataset=real.name)
    notes = [
        *opened.images.notes,
        *real.notes,
        f"classes covered {report.classes_covered} of {len(report.per_class)}",
    ]
    if report.memorised:
        notes.append("memorisation: samples lie nearer to training images than held-out ones do")
    origin = opened.loaded.origin if opened.loaded else None
    if origin and origin.encoder_sha256 not in (None, encoded.whole_sha256):
        notes.append("the encoder is not the one the run was trained with")
    return Evaluated(
        facts, report.figures, report.components, {}, tuple(notes), report.collapsed,
        {
            "real": dict(report.real),
            "per_class": [class_json(one) for one in report.per_class],
            "classes_covered": report.classes_covered,
            "memorised": report.memorised,
        },
        (pixels, labels),
        real,
        (opened.loaded.generator, encoded.encoder) if opened.loaded else None,
    )  # fmt: skip
