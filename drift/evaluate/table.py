"""A record as a compact table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def lines(record: Mapping[str, Any]) -> str:
    """Heading, one line a figure, notes; the axis stands in the heading and at every figure."""
    metrics: Mapping[str, Any] = record["metrics"]
    width = max(map(len, metrics), default=0)
    found = [_heading(record)]
    found += [
        f"  {name:<{width}}  {_figure(name, figure, record)}" for name, figure in metrics.items()
    ]
    found += _against(record, width)
    found += [f"  {name:<{width}}  not measured: {why}" for name, why in record["missing"].items()]
    notes = list(record["notes"])
    if record["collapsed"]:
        notes.append(f"collapse: class {', '.join(map(str, record['collapsed']))}")
    ungenerated = [str(one["label"]) for one in record.get("per_class", ()) if not one["count"]]
    if ungenerated:
        notes.append(f"not generated: class {', '.join(ungenerated)}")
    if record["axis_because"]:
        # Another extractor has another digest: the digest is in the record.
        told = [one for one in record["axis_because"] if not one.startswith("extractor_sha256 is")]
        notes.append(f"axis {record['axis']}: {'; '.join(told or record['axis_because'])}")
    return "\n".join([*found, *notes])


def _heading(record: Mapping[str, Any]) -> str:
    parts = [f"eval {record['source']}"]
    if record["step"] is not None:
        parts.append(f"step {record['step']}")
    if record["weights"]:
        parts.append(f"{record['weights']} {record['ema_decay'] or ''}".strip())
    if record["alpha"] is not None:
        parts.append(f"alpha {record['alpha']:g}")
    if record["seeds"]:
        parts.append(f"seed {', '.join(map(str, record['seeds']))}")
    parts.append(f"{record['samples']:,} samples")
    if record["selected_from"] > 1:
        parts.append(f"picked from {record['selected_from']}")
    return f"{', '.join(parts)} [{record['axis']}]"


def _figure(name: str, figure: Mapping[str, Any], record: Mapping[str, Any]) -> str:
    low, high = figure["interval"]
    text = f"{figure['value']:<9.4g} [{low:.4g}, {high:.4g}]"
    extra = []
    details = figure.get("details", {})
    if "bias" in details:
        extra.append(f"bias {details['bias']:+.3g} at this count")
    possible = record.get("real", {}).get(name)
    if possible is not None:
        extra.append(f"real data {possible:.4g}")
    return f"{text}  {'; '.join(extra)}".rstrip()


def _against(record: Mapping[str, Any], width: int) -> list[str]:
    """One block a baseline: its figures, and whether the run is better beyond both intervals."""
    found = []
    for name, verdicts in record.get("against", {}).items():
        found.append(f"against {name} [{record['axis']}]")
        metrics = record["baselines"][name]["metrics"]
        for metric, verdict in verdicts.items():
            low, high = metrics[metric]["interval"]
            value = f"{metrics[metric]['value']:<9.4g} [{low:.4g}, {high:.4g}]"
            found.append(f"  {metric:<{width}}  {value:<30}  this run is {verdict}")
    return found
