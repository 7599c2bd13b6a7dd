"""Facts of an evaluation by the release's protocol; checks weaken them one by one."""

from __future__ import annotations

from drift.evaluate import extractors, records

ZEROS = "0" * 64
PAPER_EVAL = records.Facts(
    samples=50_000,
    seeds=(0,),
    alpha=1.0,
    labels=records.BALANCED,
    weights="ema",
    ema_decay="0.999",
    checkpoint_sha256=ZEROS,
    template_fingerprint=ZEROS,
    column="L2",
    dataset="imagenet",
    extractor=extractors.FID_INCEPTION,
    extractor_sha256=extractors.INCEPTION_SHA256,
    resize=records.PAPER_RESIZE,
    statistics_sha256=ZEROS,
    source="run",
    source_sha256=ZEROS,
)
