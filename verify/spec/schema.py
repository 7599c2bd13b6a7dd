"""What the JSON Schema of a contract says beyond the types: which keys a clause has to end up with.

A key may stand in the clause, in its table or in the contract's `defaults`; the schema says so, so
that an editor refuses what `verify lint` refuses.
"""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

_PATTERN = r"^[a-z][a-z0-9_]*(\.[a-z0-9_]+)+$"
_ARGUMENTS: Schema = {
    "description": "Arguments of the mutant, or a list of such: one falsifier each.",
    "anyOf": [
        {"type": "object"},
        {"type": "array", "items": {"type": "object"}, "minItems": 1},
    ],
}
FALSIFIERS: Schema = {
    "description": "Mutants that must turn the clause red: `a.b`, or `{a.b: {x: 1}}`.",
    "type": "array",
    "minItems": 1,
    "items": {
        "oneOf": [
            {"type": "string", "pattern": _PATTERN},
            {
                "type": "object",
                "minProperties": 1,
                "maxProperties": 1,
                "patternProperties": {_PATTERN: _ARGUMENTS},
                "additionalProperties": False,
            },
        ],
    },
}
KINDS = ("property", "golden", "metric", "artifact", "interface", "benchmark", "process")
CHECKED_KIND: Schema = {"type": "string", "enum": list(KINDS)}
MEASURED_AXIS: Schema = {"type": "string", "enum": ["paper-eval", "repo-eval", "proxy", "smoke"]}

OF_ALL = ("tolerance", "severity", "remedy")
OF_CHECKED = ("kind", "check", "sources")
ONLY_CONFIG = ("field", "fact", "also", "planted")
NOT_CONFIG = ("kind", "check", "params", "sources", "axis", "falsifiers")


def completed(schema: Schema) -> Schema:
    """The schema of a contract's types with what every clause of it needs."""
    _without_null_defaults(schema)
    definitions = {**schema.get("$defs", {}), **_definitions()}
    rules = [
        *(_said_somewhere(key, _has(key)) for key in OF_ALL),
        *(_said_somewhere(key, {"anyOf": [_has("field"), _has(key)]}) for key in OF_CHECKED),
        _in_clause_or_table({"anyOf": [_has("statement")]}, _has("statement")),
        _in_clause_or_table({"anyOf": [_has("field"), _has("falsifiers")]}, _has("falsifiers")),
        _each_row(_CONFIG_OR_CHECKED),
        *_metrics(),
    ]
    return {**schema, "$defs": definitions, "allOf": rules}


def _has(*keys: str) -> Schema:
    return {"required": list(keys)}


def _none_of(keys: tuple[str, ...]) -> Schema:
    return {"not": {"anyOf": [_has(key) for key in keys]}}


# A config clause has a field and its fact, and nothing of a check; others have neither.
_CONFIG_OR_CHECKED: Schema = {
    "if": _has("field"),
    "then": {"allOf": [_has("fact"), _none_of(NOT_CONFIG)]},
    "else": _none_of(ONLY_CONFIG),
}
_METRIC: Schema = {"properties": {"kind": {"const": "metric"}}, "required": ["kind"]}


def _each_row(row: Schema) -> Schema:
    """Of every clause, be it in a table or not."""
    rows = {"properties": {"rows": {"items": row}}}
    return {"properties": {"clauses": {"items": {"if": _has("rows"), "then": rows, "else": row}}}}


def _in_clause_or_table(row: Schema, table: Schema) -> Schema:
    rows = {"anyOf": [table, {"properties": {"rows": {"items": row}}}]}
    return {"properties": {"clauses": {"items": {"if": _has("rows"), "then": rows, "else": row}}}}


def _said_somewhere(key: str, row: Schema) -> Schema:
    defaults = {"required": ["defaults"], "properties": {"defaults": _has(key)}}
    return {"anyOf": [defaults, _in_clause_or_table(row, _has(key))]}


# -- `axis` belongs to metric clauses: said for each thing that an outer place may say ------------

_CASES = [(metric, axis) for metric in (False, True) for axis in (False, True)]


def _metrics() -> list[Schema]:
    """By what the defaults say of kind and axis."""
    return [
        {
            "if": {
                "properties": {"defaults": _says(metric, axis)},
                "required": ["defaults"] if metric or axis else [],
            },
            "then": {"properties": {"clauses": {"items": _reference("entry", metric, axis)}}},
        }
        for metric, axis in _CASES
    ]


def _definitions() -> dict[str, Schema]:
    """An entry, and a row, that inherits the kind metric or not, and an axis or not."""
    return {
        _name(what, metric, axis): make(metric, axis)
        for what, make in (("entry", _entry), ("row", _row))
        for metric, axis in _CASES
    }


def _reference(what: str, metric: bool, axis: bool) -> Schema:
    return {"$ref": f"#/$defs/{_name(what, metric, axis)}"}


def _name(what: str, metric: bool, axis: bool) -> str:
    return f"{what}-{'metric' if metric else 'other'}-{'axis' if axis else 'none'}"


def _says(metric: bool, axis: bool) -> Schema:
    return {
        "allOf": [
            _METRIC if metric else {"not": _METRIC},
            _has("axis") if axis else {"not": _has("axis")},
        ]
    }


def _entry(metric: bool, axis: bool) -> Schema:
    """A clause, or a table, each of whose rows inherits what the table adds."""
    cases = []
    for own_kind in (None, True, False):
        for own_axis in (True, False):
            said = [_has("axis") if own_axis else {"not": _has("axis")}]
            said.append({"not": _has("kind")} if own_kind is None else _kind_is(own_kind))
            row = _reference("row", metric if own_kind is None else own_kind, axis or own_axis)
            cases.append({"allOf": [*said, {"properties": {"rows": {"items": row}}}]})
    return {"if": _has("rows"), "then": {"anyOf": cases}, "else": _reference("row", metric, axis)}


def _kind_is(metric: bool) -> Schema:
    return _METRIC if metric else {"allOf": [_has("kind"), {"not": _METRIC}]}


def _row(metric: bool, axis: bool) -> Schema:
    """A clause that inherits so much; a config clause has no axis and inherits none."""
    is_metric: Schema = {"anyOf": [_METRIC, *([{"not": _has("kind")}] if metric else [])]}
    labelled: Schema = {} if axis else _has("axis")
    judged = {"if": is_metric, "then": labelled, "else": {"not": labelled}}
    return {"if": _has("field"), "then": {}, "else": judged}


def _without_null_defaults(node: Any) -> None:
    """A key that is not given has no value; the types' stand-in for that is no default."""
    if isinstance(node, dict):
        if node.get("default", 0) is None:
            del node["default"]
        for value in node.values():
            _without_null_defaults(value)
    elif isinstance(node, list):
        for value in node:
            _without_null_defaults(value)
