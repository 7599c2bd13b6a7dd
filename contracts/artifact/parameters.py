"""Artefacts: what shapes show of the published models, and their totals."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from drift.artifacts import architectures, claims, evidence, parameters
from drift.artifacts.claims import CONFIG_KEYS
from drift.artifacts.schema import GENERATOR, MAE
from drift.config import load_template
from drift.interop.layout import shapes_of
from verify.api import CheckContext, Measurement, check

from ..common import golden
from .cases import outcome

NEEDS = ("save_artifact", "load_artifact")
FACTS = {GENERATOR: "reference:generator.hidden_dim", MAE: "reference:encoder.base_width"}


@check("artifact.evidence", needs=NEEDS)
def evidence_check(ctx: CheckContext) -> Measurement:
    """Both layouts of every published model show the cited width, depth, blocks and patch; any
    other value of a claim, larger or smaller, is contradicted."""
    shown = 0
    for architecture, columns in ctx.params["columns"].items():
        widths = ctx.fact(FACTS[architecture])
        for column, name in columns.items():
            record = golden.words(ctx, name)
            went, message = outcome(_require_shown, architecture, widths[column], record)
            if went != "accepted":
                return ctx.decide(False, f"{column} {architecture}: {message}")
            shown += 1
    return ctx.decide(True, f"{shown} published models, in both layouts")


def _require_shown(architecture: str, width: int, record: dict[str, Any]) -> None:
    """Raises ValueError where evidence or contradictions are not what the record says."""
    config = architectures.config_from_reference(architecture, record["model_config"])
    ours = shapes_of(architectures.build(config))
    theirs = {path: tuple(shape) for path, shape in record["params"].items()}
    for layout, shapes in (("drift", ours), ("reference", theirs)):
        found = evidence.infer(shapes, place=layout)
        if (found.architecture, found.layout) != (architecture, layout):
            raise ValueError(f"taken for {found.architecture} in the layout {found.layout}")
        if found.values.get("width") != width:
            raise ValueError(f"{layout}: width {found.values.get('width')}, expected {width}")
        _require_contradicted(architecture, config, found)


def _require_contradicted(architecture: str, config: Any, found: evidence.Evidence) -> None:
    place = Path("file.safetensors")
    for field, key in CONFIG_KEYS[architecture].items():
        true = getattr(config, key)
        true = list(true) if isinstance(true, tuple) else true
        for value in _others(true):
            said = claims.contradictions(place, {field: json.dumps(value)}, found)
            # of a patch only the product with the channels shows: a lone claim may be possible
            possible = field in ("patch_size", "in_channels") and not said
            if not said and not possible:
                raise ValueError(f"{field} {value} passes for {true}")
        if claims.contradictions(place, {field: json.dumps(true)}, found):
            raise ValueError(f"{field} {true} is contradicted, and it is true")
        pair = {name: str(getattr(config, CONFIG_KEYS[architecture][name]))
                for name in ("patch_size", "in_channels")}  # fmt: skip
        for name in pair:
            wrong = pair | {name: str(2 * int(pair[name]))}
            if not claims.contradictions(place, wrong, found):
                raise ValueError(f"{wrong} passes for {pair}")


def _others(value: Any) -> list[Any]:
    """A larger and a smaller value."""
    if isinstance(value, list):
        return [[*value[:-1], value[-1] + 1], [*value[:-1], value[-1] - 1]]
    return [value * 10, value // 2 or value + 1]


@check("artifact.totals", needs=NEEDS)
def totals(ctx: CheckContext) -> Measurement:
    """The literal totals of `drift params` are the cited ones, and the models have them."""
    exact = {
        GENERATOR: ctx.fact("reference:generator.parameters"),
        MAE: ctx.fact("reference:encoder.parameters"),
    }
    printed = {k: v for k, v in ctx.fact("paper:generator.parameters_reported").items() if v}
    stated = {column: f"{n}M" for column, n in parameters.PRINTED[GENERATOR].items()}
    if exact != {model: dict(table) for model, table in parameters.EXACT.items()}:
        return ctx.decide(False, "EXACT is not what the facts state")
    if stated != printed:
        return ctx.decide(False, f"PRINTED {stated}, the paper prints {printed}")
    counted: dict[str, int] = {}
    for column, name in ctx.params["templates"].items():
        found: list[parameters.Table] = []
        went, message = outcome(_tables, name, found)
        if went != "accepted":
            return ctx.decide(False, f"{name}: {message}")
        for table in found:
            counted[f"{column} {table.model}"] = table.total
            if not table.agrees or table.total != exact[table.model][column]:
                wanted = exact[table.model][column]
                return ctx.decide(False, f"{name} {table.model}: {table.total:,}, not {wanted:,}")
    wrong = _misjudged(found[0])
    if wrong:
        return ctx.decide(False, wrong)
    return ctx.decide(True, f"{len(counted)} totals equal", details={"parameters": counted})


def _misjudged(table: parameters.Table) -> str:
    """What is wrong with the answers to a total that either source, or none, states otherwise."""
    exact, printed = table.total, round(table.total / 1e6)
    for stated, millions, agrees in (
        (exact, printed, True), (exact, None, True), (None, printed, True), (None, None, True),
        (exact + 1, printed, False), (exact, printed + 1, False), (None, printed - 1, False),
        (exact - 1, None, False),
    ):  # fmt: skip
        other = replace(table, exact=stated, printed_millions=millions)
        if other.agrees is not agrees:
            said = f"{exact:,} parameters beside {stated} and {millions} million"
            return f"{said}: agrees is {other.agrees}, expected {agrees}"
    return ""


def _tables(name: str, into: list[parameters.Table]) -> None:
    into += parameters.tables(load_template(name))
