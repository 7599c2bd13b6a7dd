"""Parsed documents against models: pydantic's errors told as problems with file and line."""

from __future__ import annotations

import difflib
import json
from typing import Any, TypeVar

from pydantic import ValidationError

from verify.problems import Problem
from verify.spec.model import Frozen
from verify.spec.strict_yaml import MAX_PROBLEMS, Document, Path_

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
    path = _path(document.value, item["loc"])
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


def _path(value: Any, location: tuple[str | int, ...]) -> Path_:
    """Where an error is in the document: without the tags that pydantic adds for unions."""
    path: list[str | int] = []
    for last, part in enumerate(location, start=1 - len(location)):
        known = part in value if isinstance(value, dict) else isinstance(part, int)
        if part != "[key]" and (known or last == 0):
            path.append(part)
            value = value[part] if known else None
    return tuple(path)


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
    """Field names of the model at a path, by walking its JSON schema; of a union, all of them."""
    schema = model.model_json_schema(by_alias=True)
    definitions = schema.get("$defs", {})
    node: dict[str, Any] = schema
    for part in path:
        options = [_resolve(one, definitions) for one in node.get("oneOf", [node])]
        if isinstance(part, int):
            node = options[0].get("items", {})
        else:
            found = [
                one["properties"][part] for one in options if part in one.get("properties", {})
            ]
            node = found[0] if found else options[0].get("additionalProperties", {})
        if not isinstance(node, dict):
            return []
    options = node.get("oneOf", [node])
    return sorted({n for one in options for n in _resolve(one, definitions).get("properties", {})})


def _resolve(node: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    for option in node.get("anyOf", ()):
        if "$ref" in option:
            node = option
    reference = node.get("$ref", "")
    resolved: dict[str, Any] = definitions.get(reference.rsplit("/", 1)[-1], node)
    return resolved
