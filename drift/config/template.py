"""A training template: header, eight sections, and the deviations it admits to."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, PrivateAttr, model_validator

from drift.config.consistency import inconsistencies
from drift.config.problems import FieldProblem, TemplateError
from drift.config.sections import (
    SECTIONS,
    Cfg,
    Data,
    Encoder,
    Evaluation,
    Generator,
    Inputs,
    Loss,
    Optimizer,
    Queue,
    Section,
)

Text = Annotated[str, Field(min_length=1)]
Column = Literal["ablation", "B2", "L2", "B16", "L16"]
Value = bool | int | float | str | tuple[int | float | str, ...]

SCHEMA = "drift-template/1"
OWN_SCHEMA = "drift-own/1"  # a template together with `inputs`


class Deviation(Section):
    """One field that is not what its column says: both values, why, and who decided."""

    field: Text
    value: Value
    expected: Value
    reason: Text
    decision: Annotated[str, Field(pattern=r"^DEC-[0-9]{4}$")] | None


class Template(Section):
    """All decisions of a training run.

    column      the column of Table 8 that the run follows, or null
    fidelity    `faithful`: every field is the column's; `closest-feasible`: but for `deviations`;
                `free`: nothing is claimed
    semantics   which text the loss follows, see drift.semantics
    """

    schema_: Annotated[Literal["drift-template/1"], Field(alias="schema")]
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
    title: Text
    column: Column | None
    fidelity: Literal["faithful", "closest-feasible", "free"]
    semantics: Literal["reference", "paper"]
    deviations: tuple[Deviation, ...]
    generator: Generator
    encoder: Encoder
    optimizer: Optimizer
    loss: Loss
    cfg: Cfg
    queue: Queue
    data: Data
    evaluation: Evaluation
    _inputs: Inputs | None = PrivateAttr(None)  # stated beside the template, see `OWN_SCHEMA`

    @property
    def inputs(self) -> Inputs | None:
        """Where the run's own images lie; None where --data says it."""
        return self._inputs

    def beside(self, inputs: Inputs | None) -> Template:
        """The same decisions with these images."""
        found = self.model_copy()
        found._inputs = inputs
        return found

    @model_validator(mode="after")
    def _consistent(self) -> Template:
        problems = (*header_problems(self), *inconsistencies(self))
        if problems:
            raise TemplateError(f"template {self.name}", problems)
        return self

    def leaves(self) -> dict[str, Any]:
        """Dotted path -> value as plain data, for every leaf of the eight sections."""
        data = self.model_dump(mode="json", by_alias=True)
        return dict(_leaves({name: data[name] for name in SECTIONS}))


def fingerprint(config: BaseModel) -> str:
    """sha256, in hex, of the canonical JSON of a template or section.

    Two files that mean the same have the same fingerprint: comments, order, and 3 for 3.0 do not
    count. A faithful template is its column whatever it is called, so its name and title do not
    count either: numbers of a run under a copy are held against the column's own fingerprint.
    """
    data = config.model_dump(mode="json", by_alias=True)
    if isinstance(config, Template) and config.fidelity == "faithful":
        del data["name"], data["title"]
    text = json.dumps(data, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def header_problems(template: Template) -> Iterator[FieldProblem]:
    """A faithful template deviates in nothing; a closest-feasible one says where it does."""
    deviations, fidelity = template.deviations, template.fidelity
    if fidelity != "free" and template.column is None:
        yield FieldProblem(
            "column", "null", f"a column of Table 8, as fidelity is {fidelity}", "name it"
        )
    if (fidelity == "closest-feasible") != bool(deviations):
        yield FieldProblem(
            "deviations", f"{len(deviations)} with fidelity {fidelity}",
            "at least one for closest-feasible, none otherwise", "list them or change fidelity",
        )  # fmt: skip
    fields = [deviation.field for deviation in deviations]
    leaves = template.leaves()
    for number, deviation in enumerate(deviations):
        at = f"deviations[{number}]"
        yield from _deviation_problems(at, deviation, leaves)
        if fields.count(deviation.field) > 1:
            yield FieldProblem(
                f"{at}.field", f"{deviation.field} twice", "each field once", "merge them"
            )


def _deviation_problems(
    at: str, deviation: Deviation, leaves: dict[str, Any]
) -> Iterator[FieldProblem]:
    stated = deviation.model_dump(mode="json")
    if deviation.field not in leaves:
        yield FieldProblem(f"{at}.field", deviation.field, "a field of the template", "correct it")
        return
    used = leaves[deviation.field]
    if stated["value"] != used:
        yield FieldProblem(
            f"{at}.value", str(stated["value"]), f"{used}, as in the section", "state what is used"
        )
    if stated["value"] == stated["expected"]:
        yield FieldProblem(
            f"{at}.expected", str(stated["expected"]), "another value", "remove the deviation"
        )


def _leaves(node: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in node.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
