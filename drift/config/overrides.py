"""A template with some of its fields set: `--set section.field=value` of the commands."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence

import yaml

from drift.config.problems import FieldProblem, TemplateError
from drift.config.reading import parse_template, parse_yaml
from drift.config.template import Template


def override(template: Template, settings: Sequence[str]) -> Template:
    """The template with `section.field=value` settings; values are YAML as in a template's file.

    A faithful template that is changed is no longer faithful: its fidelity becomes `free`, and so
    does that of a closest-feasible one, whose declarations no longer cover it.
    """
    if not settings:
        return template
    data = template.model_dump(mode="json", by_alias=True)
    leaves = template.leaves()
    for setting in settings:
        path, separator, text = setting.partition("=")
        if not separator or path not in leaves:
            raise TemplateError("--set", (_no_field(path, setting, leaves),))
        section, _, rest = path.partition(".")
        node = data[section]
        *parents, leaf = rest.split(".")
        for parent in parents:
            node = node[parent]
        node[leaf] = parse_yaml(text, f"--set {path}")
    if data != template.model_dump(mode="json", by_alias=True):
        data |= {"fidelity": "free", "deviations": []}
    return parse_template(yaml.safe_dump(data), source="--set").beside(template.inputs)


def _no_field(path: str, setting: str, leaves: Mapping[str, object]) -> FieldProblem:
    """A setting that names no field, with the fields that it may mean."""
    last = path.rpartition(".")[2]
    ends = [name for name in leaves if last and name.endswith((f".{last}", f"_{last}"))]
    ends.sort(key=lambda name: name.partition(".")[0] != path.partition(".")[0])
    near = list(dict.fromkeys([*ends, *difflib.get_close_matches(path, leaves)]))[:4]
    meant = f"did you mean {' or '.join(near)}?" if near else "the template's file lists its fields"
    return FieldProblem(path, setting, "section.field=value of a field that exists", meant)
