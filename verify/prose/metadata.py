"""The YAML head of a model card: figures stated under `metrics` are sentences too."""

from __future__ import annotations

import re
from collections.abc import Iterator

import yaml

from verify.prose.passage import Passage
from verify.prose.reading import Block, Context, Form

_HEAD = re.compile(r"\A---[ \t]*\n(.*?)^---[ \t]*(?:\n|\Z)", re.S | re.M)
_NAMES = ("type", "name", "metric")


def front_matter(source: str) -> tuple[list[Block], int]:
    """Each metric with its value as a block, and where the body begins."""
    match = _HEAD.match(source)
    if match is None:
        return [], 0
    start, end = match.span(1)
    try:
        root = yaml.compose(source[start:end], Loader=yaml.SafeLoader)
    except yaml.YAMLError:
        return [], match.end()
    return list(_figures(root, source, start)), match.end()


def _figures(node: yaml.Node | None, source: str, start: int) -> Iterator[Block]:
    """Mappings that name a metric and give it a value, wherever they stand."""
    if isinstance(node, yaml.SequenceNode):
        for child in node.value:
            yield from _figures(child, source, start)
    if not isinstance(node, yaml.MappingNode):
        return
    fields = {key.value: value for key, value in node.value if isinstance(key, yaml.ScalarNode)}
    value = fields.get("value")
    name = next((fields[key].value for key in _NAMES if key in fields), None)
    if isinstance(value, yaml.ScalarNode) and isinstance(name, str):
        place = Passage.of(source, start + value.start_mark.index, start + value.end_mark.index)
        yield Block(place, Form.METADATA, Context(row="this model", column=name))
        return
    for _, child in node.value:
        yield from _figures(child, source, start)
