"""Parsed documents against models: pydantic's errors told as problems with file and line."""

from __future__ import annotations

import difflib
import json
from typing import Any, TypeVar

from pydantic import ValidationError

from verify.problems import Problem
from verify.spec.model import Frozen
from verify.spec.strict_yaml import MAX_PROBLEMS, Document

_M = TypeVar("_M", bound=Frozen)


def validate(document: Document, model: type[_M], problems: list[Problem]) -> _M | None:
    """Check a document against a model; each error becomes a problem at its place."""
    try:
        # JSON mode is strict about types and yet reads lists as tuples and texts as enums.
        return model.model_validate_json(json.dumps(document.value))
    except ValidationError as error:
        items = [dict(item) for item in error.errors(include_url=False)]
        real = [item for item in items if not _echo(item)]
        problems.extend(_explain(document, model, item) for item in real[:MAX_PROBLEMS])
        return None


def _echo(item: dict[str, Any]) -> bool:
    """A list counted as too short only because its items are wrong, each with its own error."""
    return item["type"] == "too_short" and len(item["input"]) >= int(item["ctx"]["min_length"])


def _explain(document: Document, model: type[Frozen], item: dict[str, Any]) -> Problem:
    path = tuple(part for part in item["loc"] if part != "[key]")
    kind = item["type"]
    if kind == "extra_forbidden":
        known = _fields(model, path[:-1])
        close = difflib.get_close_matches(str(path[-1]), known, 1)
        remedy = f"did you mean {close[0]}?" if close else "remove it"
        found = f"the unknown key {path[-1]}"
        return document.problem(path, found, _listing(known), remedy, key=True)
    if kind == "missing":
        return document.problem(path, f"no {path[-1]}", "this key", f"add {path[-1]}")
    found = json.dumps(item.get("input"), ensure_ascii=False, default=str)
    if len(found) > 80:
        found = found[:77] + "..."
    key = item["loc"][-1:] == ("[key]",)
    return document.problem(path, found, _expected(item), "correct the value", key=key)


def _expected(item: dict[str, Any]) -> str:
    """What pydantic expected, in this program's words where they are shorter."""
    limits = item.get("ctx", {})
    shorter = {
        "string_type": "a text",
        "tuple_type": "a list",
        "dict_type": "a mapping",
        "model_type": "a mapping",
        "string_too_short": "a text that is not empty",
        "too_short": f"at least {limits.get('min_length')}",
        "string_pattern_mismatch": f"a text that matches {limits.get('pattern')}",
    }
    message: str = item["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    return shorter.get(item["type"], message)


def _listing(known: list[str]) -> str:
    return f"one of {', '.join(known)}" if known else "no such key"


def _fields(model: type[Frozen], path: tuple[Any, ...]) -> list[str]:
    """Field names of the model at a path, by walking its JSON schema."""
    schema = model.model_json_schema(by_alias=True)
    definitions = schema.get("$defs", {})
    node: dict[str, Any] = schema
    for part in path:
        node = _resolve(node, definitions)
        if isinstance(part, int):
            node = node.get("items", {})
        else:
            node = node.get("properties", {}).get(part) or node.get("additionalProperties", {})
        if not isinstance(node, dict):
            return []
    return sorted(_resolve(node, definitions).get("properties", {}))


def _resolve(node: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    for option in node.get("anyOf", ()):
        if "$ref" in option:
            node = option
    reference = node.get("$ref", "")
    resolved: dict[str, Any] = definitions.get(reference.rsplit("/", 1)[-1], node)
    return resolved
