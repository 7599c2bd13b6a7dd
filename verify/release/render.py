"""release.json and release.md: the same verdict for machines and for people, without a clock.

Both lie beside the bundle they rest on and name it by digest. Nothing in them depends on the time,
the machine or its folders, so the same situation gives the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from verify.files import write
from verify.release.decide import Decision
from verify.release.finding import Result
from verify.report.words import cell, line, table

SCHEMA = "verify/release-verdict/1"
_KINDS = {"engineering": "Engineering blockers", "maintainer": "Maintainer actions"}


def console(decision: Decision) -> str:
    """Every gate with its outcome, what is open with its command, the verdict last."""
    lines = []
    for kind in _KINDS:
        mine = [one for one in decision.results if one.gate.kind == kind]
        lines += [f"{kind}:"] if mine else []
        for one in mine:
            lines.append(
                f"  {one.finding.outcome:<14} {line(one.label)}: {line(one.finding.reason)}"
            )
            lines += [f"    close: {line(one.close)}"] if one.open else []
    return "\n".join([*lines, decision.line])


def as_json(decision: Decision) -> dict[str, Any]:
    """The verdict as data."""
    now = decision.situation
    bundle = now.bundle
    return {
        "schema": SCHEMA,
        "verdict": {
            "word": str(decision.word),
            "line": decision.line,
            "exit_code": int(decision.exit_code),
        },
        "releases": now.release.releases,
        "version": now.version,
        "bundle": {"name": bundle.name, "manifest_sha256": bundle.manifest_sha256}
        if bundle
        else None,
        "digests": now.digests,
        "artefacts": [{"name": one.name, "sha256": one.sha256} for one in now.artefacts],
        "blockers": {kind: [one.label for one in decision.open(kind)] for kind in _KINDS},
        "gates": [_gate(one) for one in decision.results],
    }


def markdown(decision: Decision) -> str:
    """The verdict as a page: blockers first, each with its command, then every gate."""
    now = decision.situation
    parts = [f"# {decision.line}"]
    if now.bundle:
        parts.append(f"Bundle `{now.bundle.name}`, manifest sha256 `{now.bundle.manifest_sha256}`.")
    for kind, title in _KINDS.items():
        parts += [f"## {title}", _blockers(decision.open(kind))]
    parts += ["## All gates", _gates(decision.results)]
    if now.artefacts:
        files = "\n".join(f"- `{cell(one.name)}` sha256 `{one.sha256}`" for one in now.artefacts)
        parts += ["## Artefacts", files]
    return "\n\n".join(parts) + "\n"


def write_beside(decision: Decision) -> list[Path]:
    """Both files beside the bundle, each whole or not at all; none where there is no bundle."""
    now = decision.situation
    if now.bundle is None:
        return []
    texts = {
        "json": json.dumps(as_json(decision), indent=1, ensure_ascii=False) + "\n",
        "md": markdown(decision),
    }
    paths = [now.reports / f"{now.bundle.name}.release.{kind}" for kind in texts]
    for path, text in zip(paths, texts.values(), strict=True):
        write(path, text)
    return paths


def _gate(one: Result) -> dict[str, Any]:
    return {
        "id": one.gate.id,
        "title": one.gate.title,
        "kind": one.gate.kind,
        "by": one.gate.by.kind,
        "artefact": one.artefact,
        "outcome": str(one.finding.outcome),
        "reason": one.finding.reason,
        "close": one.close if one.open else None,
    }


def _blockers(results: Iterable[Result]) -> str:
    lines = [
        f"- **{cell(one.label)}** {one.finding.outcome}: {cell(one.finding.reason)}\n"
        f"  closed by `{cell(one.close).replace(chr(96), chr(39))}`"
        for one in results
    ]
    return "\n".join(lines) or "None."


def _gates(results: Iterable[Result]) -> str:
    rows = [
        (one.label, one.gate.kind, one.finding.outcome, one.gate.title, one.finding.reason)
        for one in results
    ]
    return table(("gate", "kind", "outcome", "what it asks", "found"), rows)
