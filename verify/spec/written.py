"""A contract as it is written: defaults, tables, and clauses that override them.

A key that a clause gives takes the place of its table's, and that of the contract's `defaults`,
whole: nothing is merged. `verify.spec.resolve` makes of it the clauses that are run.
"""

from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Discriminator,
    Field,
    Tag,
    WithJsonSchema,
)

from verify.outcome import Axis
from verify.spec import schema
from verify.spec.base import (
    ClauseId,
    ContractId,
    FactId,
    FactOrAuthority,
    FieldPath,
    Frozen,
    Json,
    RegisteredName,
    Text,
)
from verify.spec.model import Budget, Falsifier, Kind, Severity, Tolerance

SCHEMA = "verify/contract/2"
MIGRATION = (
    f"write `schema: {SCHEMA}`; name a falsifier by itself, `- a.b`, or with its arguments, "
    "`- {a.b: {x: 1}}`; a config clause has `field`, `fact` and `also`, and `planted` values "
    "instead of `kind`, `sources` and config.* falsifiers; all else stands as it is"
)
_UNSAID: Any = None  # never a value of a key: `null` is refused, and what is not given is inherited


def _falsifiers(value: Any) -> Any:
    """Each item names one mutant: `a.b`, `{a.b: {x: 1}}`, or `{a.b: [{x: 1}, {x: 2}]}`."""
    if not isinstance(value, list):
        return value  # the type says what is wrong
    return tuple(one for number, item in enumerate(value) for one in _named(item, number))


def _named(item: Any, number: int) -> list[dict[str, Any]]:
    if isinstance(item, str):
        return [{"mutant": item, "with": {}}]
    if isinstance(item, dict) and len(item) == 1:
        ((name, given),) = item.items()
        sets = given if isinstance(given, list) and given else [given]
        if all(isinstance(arguments, dict) for arguments in sets):
            return [{"mutant": name, "with": arguments} for arguments in sets]
    raise ValueError(
        f"as item {number} a name, `a.b`, or a name with its arguments, `{{a.b: {{x: 1}}}}`"
    )


Falsifiers = Annotated[
    tuple[Falsifier, ...],
    BeforeValidator(_falsifiers),
    Field(min_length=1),
    WithJsonSchema(schema.FALSIFIERS, mode="validation"),
]
Statement = Annotated[
    Text,
    Field(
        description="One checkable sentence that can be read alone. In a table, `{x}` is the "
        "value of the parameter x of each row."
    ),
]


def _checked(kind: Kind) -> Kind:
    if kind is Kind.CONFIG:
        raise ValueError("no `kind`: a config clause is one that has a `field`")
    return kind


def _measured(axis: Axis) -> Axis:
    if axis is Axis.EXTERNAL:
        raise ValueError("a measured axis; a number of somebody else is a fact, never evidence")
    return axis


CheckedKind = Annotated[
    Kind, AfterValidator(_checked), WithJsonSchema(schema.CHECKED_KIND, mode="validation")
]
MeasuredAxis = Annotated[
    Axis, AfterValidator(_measured), WithJsonSchema(schema.MEASURED_AXIS, mode="validation")
]


class Shared(Frozen):
    """What clauses may have in common; each key overrides the same key farther out, whole."""

    kind: Annotated[CheckedKind, Field(description="How the clause is checked.")] = _UNSAID
    check: Annotated[
        RegisteredName, Field(description="The check: a name registered in the pack's code.")
    ] = _UNSAID
    params: Annotated[
        dict[str, Json], Field(description="What the check is told, by parameter.")
    ] = _UNSAID
    sources: Annotated[
        tuple[FactId, ...],
        Field(min_length=1, description="The facts it rests on, each as authority:topic."),
    ] = _UNSAID
    tolerance: Annotated[
        Tolerance, Field(description="How far off is still right, and on what basis.")
    ] = _UNSAID
    severity: Annotated[
        Severity, Field(description="What a failing clause weighs: blocker, major or minor.")
    ] = _UNSAID
    required: Annotated[
        bool, Field(description="Whether a run is complete without it; true where not given.")
    ] = _UNSAID
    axis: Annotated[
        MeasuredAxis,
        Field(description="Evidence axis of its number; only metric clauses."),
    ] = _UNSAID
    weight: Annotated[
        int, Field(ge=1, le=100, description="Its points of the score, else its severity's.")
    ] = _UNSAID
    semantics: Annotated[
        str, Field(description="The semantics it is about, where it is about one only.")
    ] = _UNSAID
    tags: Annotated[
        tuple[Text, ...], Field(description="Words to select it by: `verify run tag:NAME`.")
    ] = _UNSAID
    budget: Annotated[
        Budget, Field(description="Seconds and memory after which it is stopped.")
    ] = _UNSAID
    remedy: Annotated[
        Text, Field(description="What to do where it is red, in a sentence that can be read alone.")
    ] = _UNSAID


class Row(Shared):
    """One clause: its own keys, and whatever it overrides."""

    id: Annotated[ClauseId, Field(description="Permanent id; begins with the contract's.")]
    statement: Statement = _UNSAID
    falsifiers: Falsifiers = _UNSAID
    field: Annotated[
        FieldPath, Field(description="Config clause: the field of every column's template.")
    ] = _UNSAID
    fact: Annotated[
        FactOrAuthority,
        Field(
            description="Config clause: the fact that governs the field; an authority alone means "
            "its fact of the topic that is called as the field."
        ),
    ] = _UNSAID
    also: Annotated[
        tuple[FactOrAuthority, ...],
        Field(
            description="Config clause: other facts that it cites; an authority alone means its "
            "fact of the same topic."
        ),
    ] = _UNSAID
    planted: Annotated[
        tuple[Json, ...],
        Field(
            description="Config clause: wrong values somebody set or would set. Besides, each "
            "column's value is changed once (config.changed)."
        ),
    ] = _UNSAID


class Table(Shared):
    """Clauses that differ in little, written once: what they share, then one row each."""

    statement: Statement = _UNSAID
    falsifiers: Falsifiers = _UNSAID
    rows: Annotated[
        tuple[Row, ...],
        Field(min_length=1, description="The clauses, and what each has of its own."),
    ]


def _shape(value: Any) -> str:
    rows = "rows" in value if isinstance(value, dict) else hasattr(value, "rows")
    return "table" if rows else "clause"


Entry = Annotated[
    Annotated[Row, Tag("clause")] | Annotated[Table, Tag("table")], Discriminator(_shape)
]


class ContractFile(Frozen):
    """contracts/<area>/contract.yaml: the clauses of one area."""

    schema_: Annotated[
        Literal["verify/contract/2"],
        Field(alias="schema", description="The format of this file."),
    ]
    contract: Annotated[ContractId, Field(description="First word of the ids of its clauses.")]
    title: Annotated[Text, Field(description="What the clauses are about, in one line.")]
    weight: Annotated[
        int, Field(ge=1, le=10, description="Multiplies the points of its clauses; 1 if not given.")
    ] = 1
    defaults: Annotated[
        Shared, Field(description="Keys of every clause that does not give them itself.")
    ] = Shared()
    clauses: Annotated[
        tuple[Entry, ...], Field(min_length=1, description="Clauses, and tables of clauses.")
    ]

    @classmethod
    def model_json_schema(cls, *args: Any, **options: Any) -> dict[str, Any]:
        """The schema of the types, and which keys each clause has to end up with."""
        return schema.completed(super().model_json_schema(*args, **options))
