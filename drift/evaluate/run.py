"""One evaluation from a path to a record: where images come from, what is measured on them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from drift.encoder import MaskedAutoencoder
from drift.errors import DriftError
from drift.evaluate import (
    again,
    audit,
    bootstrap,
    classes,
    fid,
    inception,
    kid,
    proxy,
    records,
    sources,
    statistics,
)
from drift.evaluate.extractors import Extractor
from drift.evaluate.features import Features, digesting, extract
from drift.evaluate.figures import Figure
from drift.evaluate.real import RealSet
from drift.evaluate.sources import Images
from drift.evaluate.statistics import Statistics
from drift.generator import Generator
from drift.ranks import ALONE, Ranks
from drift.sample import loading, sampler
from drift.sample.decoder import decoder_for
from drift.sample.loading import Loaded

COUNT, ALPHA = 1000, 1.0  # where no template says them


@dataclass(frozen=True)
class Options:
    """How images are drawn; None leaves it to the run's template."""

    count: int | None = None
    alpha: float | None = None
    seed: int = 0
    weights: str = loading.EMA
    ema_decay: str | None = None
    step: int | None = None
    batch_size: int = sampler.BATCH
    device: str = "cpu"
    vae: str | None = None
    vae_revision: str | None = None
    ranks: Ranks = ALONE


@dataclass(frozen=True)
class Opened:
    """Images to evaluate and, where a generator draws them, the generator with its origin."""

    images: Images
    loaded: Loaded | None
    classes: int | None

    @property
    def least(self) -> int:
        """Samples below which its template measures no precision and no recall."""
        template = self.loaded.template if self.loaded else None
        return template.evaluation.precision_recall_samples if template else 0


@dataclass(frozen=True)
class Evaluated:
    """What was measured: figures, arrays behind them, and what could not be measured and why."""

    facts: records.Facts
    figures: Mapping[str, Figure]
    components: Mapping[str, NDArray[Any]]
    missing: Mapping[str, str]
    notes: tuple[str, ...]
    collapsed: tuple[int, ...]
    more: Mapping[str, Any]
    images: tuple[Tensor, Tensor] | None = None  # uint8 pixels and labels, where they are kept
    judged_by: RealSet | None = None  # the images that such a run was held against
    made_by: tuple[Generator, MaskedAutoencoder] | None = None  # where its own encoder judged it

    def record(self, **more: Any) -> dict[str, Any]:
        """The record of drift.evaluate.records, without the components."""
        return records.record_of(
            self.facts, self.figures, missing=dict(self.missing), notes=list(self.notes),
            collapsed=list(self.collapsed), **self.more, **more,
        )  # fmt: skip


def open_images(path: Path, options: Options) -> Opened:
    """A run, checkpoint or artefact (drawn as asked), or images that are there.

    Raises a DriftError for a path that is none of these.
    """
    generated = loading.is_generator(path)
    if not generated:
        pinned = again.Pinned(options.vae, options.vae_revision, options.device)
        return Opened(again.held(path, sources.from_path(path), pinned), None, None)
    loaded = loading.load(
        path, weights=options.weights, ema_decay=options.ema_decay, step=options.step,
        device=options.device,
    )  # fmt: skip
    asked = loaded.template.evaluation if loaded.template else None
    count = options.count or (asked.samples if asked else COUNT)
    alpha = options.alpha if options.alpha is not None else asked.alpha if asked else ALPHA
    many = loaded.generator.config.num_classes
    decode = decoder_for(
        loaded.origin, options.vae, options.vae_revision, device=options.device
    )  # fmt: skip
    drawn = sources.from_sampler(
        sampler.Sampler(loaded.generator, batch_size=options.batch_size),
        sampler.cycled(range(many), count),
        alpha=alpha,
        seed=options.seed,
        decode=decode,
        sha256=loaded.origin.sha256,
        facts={**asdict(loaded.origin), "decoder": decode.identity},
        ranks=options.ranks,
    )
    return Opened(drawn, loaded, many)


def draw_along(path: Path, candidates: Iterable[Options]) -> None:
    """What a process that measures nothing does: its turns of every candidate's samples."""
    for options in candidates if loading.is_generator(path) else ():
        for _ in open_images(path, options).images.open():
            pass


def evaluate_images(
    opened: Opened,
    path: Path,
    extractor: Extractor,
    reference: Statistics,
    *,
    reference_path: str,
    override: bool = False,
    training: Statistics | None = None,
    seed: int = 0,
) -> Evaluated:
    """FID, Inception score, KID, precision, recall, coverage per class, memorisation.

    override  go on with statistics that do not belong to the extractor: the record is then smoke
    training  statistics of the training data, with features: enables the memorisation audit, in
              which `reference` has to be of data that training has not seen
    """
    foreign = statistics.differences(reference, extractor) if override else []
    if not override:
        statistics.require_same(reference, extractor, reference_path)
    if training is not None:
        statistics.require_same(training, extractor, "--training")
    opened = replace(opened, images=sources.named(opened.images, reference.classes, str(path)))
    taken, digest = digesting(opened.images)
    found = extract(taken, extractor)
    generator = np.random.default_rng(seed)
    figures, components, missing = measure(found, reference, generator, least=opened.least)
    per_class, hits = _per_class(found, reference, generator)
    if len(hits):
        figures["coverage"] = bootstrap.share(hits, generator, definition=classes.DEFINITION)
        components["coverage/hits"] = hits
    audited = _audit(found, training, reference, generator) if training else None
    if audited:
        figures |= {"copies_features": audited.copies, "closer_features": audited.closer}
    facts = facts_of(
        opened, path, torch.from_numpy(found.labels),
        extractor=extractor.name,
        extractor_sha256=extractor.sha256,
        resize=extractor.resize,
        samples_sha256=digest.hexdigest(),
        statistics_sha256=reference.sha256,
        statistics_moments_sha256=statistics.of_moments(reference),
        statistics=asdict(reference.contract),
    )  # fmt: skip
    said = tuple(f"statistics overridden: {difference}" for difference in foreign)
    notes = list(opened.images.notes)
    if figures["spread"].value < audit.COLLAPSE:
        notes.append("collapse: the samples spread far less than the real ones do")
    return Evaluated(
        replace(facts, bypasses=(*facts.bypasses, *said)), figures, components, missing,
        tuple(notes),
        tuple(one.label for one in per_class if one.collapsed),
        {
            "per_class": [class_json(one) for one in per_class],
            "classes_covered": sum(one.covered for one in per_class) if per_class else None,
            "memorised": audited.flagged if audited else None,
        },
    )  # fmt: skip


def measure(
    found: Features, reference: Statistics, generator: np.random.Generator, *, least: int = 0
) -> tuple[dict[str, Figure], dict[str, NDArray[Any]], dict[str, str]]:
    """(figures, their components, what is missing and why).

    least  samples on either side below which precision and recall are not measured: they move with
           the count, and the release gives them at its full count only
    """
    ours = fid.moments(found.pool)
    figures = {"fid": fid.figure(found.pool, reference.moments, generator, labels=found.strata)}
    components: dict[str, NDArray[Any]] = {
        "fid/mu": ours.mean,
        "fid/sigma": ours.covariance,
        "fid/reference_mu": reference.moments.mean,
        "fid/reference_sigma": reference.moments.covariance,
        "fid/resampled": np.asarray(figures["fid"].resampled),
    }
    figures["spread"] = fid.spread(ours, reference.moments)
    missing: dict[str, str] = {}
    if found.logits is None:
        missing["inception_score"] = "the extractor gives no logits"
    else:
        figures["inception_score"] = inception.figure(found.logits, generator, labels=found.strata)
        components["inception_score/splits"] = inception.scores(found.logits)
        components["inception_score/resampled"] = np.asarray(figures["inception_score"].resampled)
    if reference.features is None:
        why = "the statistics hold moments only, no features"
        missing |= dict.fromkeys(("kid", "precision", "recall", "coverage"), why)
        return figures, components, missing
    figures["kid"] = kid.figure(found.pool, reference.features, generator, labels=found.strata)
    compared = min(len(found.pool), len(reference.features))
    if compared < least:
        why = f"evaluation.precision_recall_samples is {least:,}; these are {compared:,}"
        missing |= dict.fromkeys(("precision", "recall"), why)
    else:
        near, hits = proxy.neighbours(found.pool, reference.features, generator)
        figures |= near
        components |= {f"{name}/hits": hit.astype(np.uint8) for name, hit in hits.items()}
    return figures, components, missing


def _per_class(
    found: Features, reference: Statistics, generator: np.random.Generator
) -> tuple[tuple[classes.ClassReport, ...], NDArray[np.float64]]:
    """Reports of the classes, where labels are known on both sides; nothing otherwise."""
    real, named = reference.features, reference.labels
    if real is None or named is None or found.strata is None or named.min() < 0:
        return (), np.zeros(0)
    return classes.by_class(
        found.pool, found.labels, real, named, generator, classes=np.unique(named).tolist()
    )


def _audit(
    found: Features, training: Statistics, reference: Statistics, generator: np.random.Generator
) -> audit.Memorisation:
    if training.features is None or reference.features is None:
        raise DriftError(
            "--training", found="statistics without features",
            expected="features in --training and in --statistics", remedy="Write them again.",
        )  # fmt: skip
    return audit.memorisation(
        found.pool, training.features, reference.features, generator, space="features"
    )


def facts_of(opened: Opened, path: Path, labels: Tensor, **measured: Any) -> records.Facts:
    """What is known of the images: of the generator, else of the file that holds them."""
    known = opened.images.facts
    seeds = known.get("seeds", [])
    return records.Facts(
        samples=opened.images.count,
        seeds=tuple(int(seed) for seed in seeds),
        alpha=known.get("alpha"),
        labels=composition(labels, opened.classes or known.get("classes")),
        weights=known.get("weights"),
        ema_decay=known.get("ema_decay"),
        checkpoint_sha256=known.get("checkpoint_sha256", known.get("sha256")),
        step=known.get("step"),
        template=known.get("template"),
        template_fingerprint=known.get("fingerprint"),
        column=known.get("column"),
        dataset=known.get("dataset"),
        tokenizer=known.get("decoder", loading.NONE),
        source=path.name,
        source_sha256=opened.images.sha256,
        bypasses=tuple(known.get("bypasses", ())),
        **measured,
    )


def composition(labels: Tensor, classes: int | None) -> str:
    """`balanced` where every class has the same number, `unknown`, or `chosen`."""
    if not len(labels) or int(labels.min()) < 0:
        return "unknown"
    held = torch.bincount(labels, minlength=classes or 0)
    same = classes is not None and len(held) == classes and int(held.max()) == int(held.min())
    return records.BALANCED if same else "chosen"


def class_json(report: classes.ClassReport) -> dict[str, Any]:
    return {**asdict(report), "covered": report.covered, "collapsed": report.collapsed}
