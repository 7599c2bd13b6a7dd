"""The report of a reproduction: what was done, which digests came out, what was measured."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from drift import atomic
from drift.config import Template, fingerprint
from drift.reproduce.store import Done

SCHEMA = "drift-reproduction/1"
TEXT, DATA = "report.md", "report.json"


def write(template: Template, seed: int, steps: Sequence[Done], folder: Path) -> str:
    """Both files of the report in a folder -> how it is made again."""
    record = json.loads(_last(steps, "evaluate").read_bytes())
    whole = gathered(template, seed, steps, record)
    atomic.write_text(folder / DATA, json.dumps(whole, indent=1, sort_keys=True) + "\n")
    atomic.write_text(folder / TEXT, "\n".join(_lines(whole)) + "\n")
    return "drift reproduce"


def _last(steps: Sequence[Done], name: str) -> Path:
    return next(one.folder / "record.json" for one in steps if one.name == name)


def gathered(
    template: Template, seed: int, steps: Sequence[Done], record: Mapping[str, Any]
) -> dict[str, Any]:
    """Everything the report says, as plain JSON; a function of the steps alone."""
    return {
        "schema": SCHEMA,
        "template": template.name,
        "fingerprint": fingerprint(template),
        "seed": seed,
        "steps": [
            {"step": one.name, "key": one.key, "command": one.record["command"],
             "contents": dict(one.contents)}
            for one in steps
        ],
        "axis": record["axis"],
        "axis_because": record["axis_because"],
        "tier": record["tier"],
        "samples": record["samples"],
        "metrics": {
            name: {key: figure[key] for key in ("value", "interval", "better")}
            for name, figure in record["metrics"].items()
        },
        "missing": record.get("missing", {}),
    }  # fmt: skip


def _lines(whole: Mapping[str, Any]) -> list[str]:
    """The report as Markdown, with the digests that another carrying out has to give."""
    axis = f"axis {whole['axis']}, tier {whole['tier']}, {whole['samples']:,} samples"
    figures = [
        f"| {name} | {one['value']:.4g} | {one['interval'][0]:.4g} to {one['interval'][1]:.4g} |"
        for name, one in sorted(whole["metrics"].items())
    ]
    missing = [f"- {name} is unknown: {why}" for name, why in sorted(whole["missing"].items())]
    files = [
        f"| {step['step']} | {name} | `{digest}` |"
        for step in whole["steps"]
        for name, digest in sorted(step["contents"].items())
    ]
    return [
        f"# {whole['template']}, seed {whole['seed']}",
        "",
        f"Template fingerprint `{whole['fingerprint']}`.",
        "",
        f"## Figures: {axis}",
        "",
        *(f"- {reason}" for reason in whole["axis_because"]),
        "",
        "| figure | value | 95 % interval |",
        "|---|---|---|",
        *figures,
        "",
        *missing,
        "",
        "## Steps",
        "",
        "The commands, as they are typed in the folder of the steps:",
        "",
        "```sh",
        *(step["command"] for step in whole["steps"]),
        "```",
        "",
        "| step | file | digest of its contents |",
        "|---|---|---|",
        *files,
    ]
