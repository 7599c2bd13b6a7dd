"""Reading a template: YAML with one reading of every scalar, then the typed model.

The harness has a stricter reader of its own; the engine may not import it, so this is the small
part of it that a template needs.
"""

from __future__ import annotations

import json
import re
from importlib import resources
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from drift.config.problems import FieldProblem, TemplateError
from drift.config.sections import Inputs
from drift.config.template import OWN_SCHEMA, SCHEMA, Template

MAX_BYTES = 1 << 16
SUFFIX = ".yaml"
INPUTS = "inputs.json"  # in the folder of a run, beside its template.json


class _TemplateLoader(yaml.SafeLoader):
    """SafeLoader without aliases, tags, duplicate keys, dates, octals, and yes for true."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - as in the base class

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent) or getattr(event, "tag", None) is not None:
            raise _mark("an alias or a tag, where values are written out", event)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise _mark("a key that is no text", key)
            if key.value in seen:
                raise _mark(f"the key {key.value!r} a second time", key)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def _mark(problem: str, at: Any) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=at.start_mark)


for _tag, _pattern, _first in (
    ("null", r"null\Z", "n"),
    ("bool", r"(true|false)\Z", "tf"),
    ("int", r"[-+]?(0|[1-9][0-9]{0,17})\Z", "-+0123456789"),
    ("float", r"[-+]?(0|[1-9][0-9]*)\.[0-9]+([eE][-+][0-9]+)?\Z", "-+0123456789"),
):
    _TemplateLoader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_pattern),
                                          list(_first))  # fmt: skip


def template_names() -> tuple[str, ...]:
    """Names of the templates that come with the engine, sorted."""
    folder = resources.files("drift") / "templates"
    found = (entry.name for entry in folder.iterdir())
    return tuple(sorted(name.removesuffix(SUFFIX) for name in found if name.endswith(SUFFIX)))


def load_template(path_or_name: str | Path) -> Template:
    """A template by the name of a shipped one (`latent-b2`) or by the path of a file.

    Raises TemplateError with every problem of the file, each with its field.
    """
    if isinstance(path_or_name, str) and path_or_name in template_names():
        entry = resources.files("drift") / "templates" / f"{path_or_name}{SUFFIX}"
        return parse_template(entry.read_text(encoding="utf-8"), source=path_or_name)
    path = Path(path_or_name)
    if not path.is_file():
        known = ", ".join(template_names())
        raise _refuse(str(path), "no such file", f"a YAML file, or one of {known}", "correct it")
    try:
        data = path.read_bytes()
        if len(data) > MAX_BYTES:
            raise _refuse(str(path), f"{len(data)} bytes", f"at most {MAX_BYTES}", "shorten it")
        return _at(parse_template(data.decode("utf-8"), source=str(path)), path)
    except UnicodeDecodeError as error:
        raise _refuse(
            str(path),
            f"a byte that is not UTF-8 at offset {error.start}",
            "UTF-8 text",
            "re-encode",
        ) from None
    except OSError as error:
        raise _refuse(
            str(path), f"an unreadable file ({error.strerror})", "a file", "mend"
        ) from None


def _at(template: Template, path: Path) -> Template:
    """The template with its folder of images as it is found from here."""
    if template.inputs is None:
        return template
    folder = str((path.parent / Path(template.inputs.folder).expanduser()).absolute())
    return template.beside(template.inputs.model_copy(update={"folder": folder}))


def parse_template(text: str, *, source: str) -> Template:
    """A template from its YAML text; `source` names it in errors."""
    value = parse_yaml(text, source)
    if not isinstance(value, dict):
        found = "an empty file" if value is None else f"a {type(value).__name__}"
        raise _refuse(source, found, "a mapping that starts with `schema: drift-template/1`", "")
    stated = value.pop("inputs", None) if value.get("schema") == OWN_SCHEMA else None
    if stated is not None:
        value["schema"] = SCHEMA
    try:
        # JSON mode is strict about types and yet reads lists as tuples.
        template = Template.model_validate_json(json.dumps(value))
        own = None if stated is None else Inputs.model_validate_json(json.dumps(stated))
    except ValidationError as error:
        raise TemplateError(source, _problems(error)) from None
    if own is not None and own.held_out_every is not None and template.data.tokenizer != "none":
        raise _refuse(
            f"{source}: inputs.held_out_every", str(own.held_out_every), "null for latents",
            "only images of a folder are held out",
        )  # fmt: skip
    return template.beside(own)


def inputs_of(folder: Path) -> Inputs | None:
    """Where the images of a run lie, as its folder says; None where they were given by --data."""
    place = folder / INPUTS
    if not place.is_file():
        return None
    try:
        return Inputs.model_validate_json(place.read_bytes())
    except ValidationError as error:
        raise TemplateError(str(place), _problems(error)) from None


def parse_yaml(text: str, source: str) -> Any:
    """A value from YAML as templates write it; `source` names it in errors (TemplateError)."""
    try:
        return yaml.load(text, Loader=_TemplateLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        what = getattr(error, "problem", None) or getattr(error, "reason", None) or "no YAML"
        raise _refuse(source, f"{what}{where}", "plain YAML", "correct it") from None
    except RecursionError:
        raise _refuse(source, "a deep nesting", "the levels of a template", "flatten it") from None


def _refuse(source: str, found: str, expected: str, remedy: str) -> TemplateError:
    return TemplateError(source, (FieldProblem("", found, expected, remedy),))


def _problems(error: ValidationError) -> list[FieldProblem]:
    problems: list[FieldProblem] = []
    for item in error.errors(include_url=False):
        cause = item.get("ctx", {}).get("error")
        if isinstance(cause, TemplateError):  # the rules between fields name their own
            problems.extend(cause.problems)
            continue
        field = ".".join(str(part) for part in item["loc"])
        found, message = repr(item["input"]), item["msg"][0].lower() + item["msg"][1:]
        if item["type"] == "missing":
            problems.append(
                FieldProblem(field, "nothing", "a value", "add it: there are no defaults")
            )
        elif item["type"] == "extra_forbidden":
            problems.append(
                FieldProblem(field, "an unknown key", "a field of the section", "remove")
            )
        else:
            remedy = "write the float as 1.0e-4" if _looks_numeric(item["input"]) else "correct it"
            problems.append(
                FieldProblem(field, found, message.removeprefix("input should be "), remedy)
            )
    return problems


def _looks_numeric(value: object) -> bool:
    return (
        isinstance(value, str)
        and re.fullmatch(r"[-+]?[0-9.]+([eE][-+]?[0-9]+)?", value) is not None
    )
