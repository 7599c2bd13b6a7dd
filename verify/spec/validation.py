"""Parsed documents against models: pydantic's errors told as problems with file and line."""

from __future__ import annotations

import difflib
import json
from typing import Any, TypeVar

from pydantic import ValidationError

from verify.problems import Problem
from verify.spec.model import Frozen
from verify.spec.strict_yaml import Document

_M = TypeVar("_M", bound=Frozen)


def validate(document: Document, model: type[_M], problems: list[Problem]) -> _M | None:
    """Check a document against a model; each error becomes a problem at its place."""
    try:
        # JSON mode is strict about types and yet reads lists as tuples and texts as enums.
        return model.model_validate_json(json.dumps(document.value))
    except ValidationError as error:
        for item in error.errors(include_url=False):
            problems.append(_explain(document, model, dict(item)))
        return None


def _explain(document: Document, model: type[Frozen], item: dict[str, Any]) -> Problem:
    path = tuple(part for part in item["loc"] if part != "[key]")
    kind, message = item["type"], item["msg"].removeprefix("Value error, ")
    if kind == "extra_forbidden":
        known = _fields(model, path[:-1])
        close = difflib.get_close_matches(str(path[-1]), known, 1)
        remedy = f"did you mean {close[0]}?" if close else "remove it"
        return document.problem(path, f"the unknown key {path[-1]}", _listing(known), remedy)
    if kind == "missing":
        return document.problem(path, f"no {path[-1]}", "this key", f"add {path[-1]}")
    found = json.dumps(item.get("input"), ensure_ascii=False, default=str)
    if len(found) > 80:
        found = found[:77] + "..."
    return document.problem(path, found, message[0].lower() + message[1:], "correct the value")


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
