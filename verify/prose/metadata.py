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
    except (yaml.YAMLError, RecursionError):
        return [], match.end()
    return list(_figures(root, source, start)), match.end()


def _figures(root: yaml.Node | None, source: str, start: int) -> Iterator[Block]:
    """Mappings that name a metric and give it a value, wherever they stand; each node once."""
    waiting, seen = [root], set[int]()
    while waiting:
        node = waiting.pop()
        if node is None or id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            waiting += node.value
        if isinstance(node, yaml.MappingNode):
            waiting += [value for _, value in node.value]
            yield from _figure(node, source, start)


def _figure(node: yaml.MappingNode, source: str, start: int) -> Iterator[Block]:
    fields = {key.value: value for key, value in node.value if isinstance(key, yaml.ScalarNode)}
    value = fields.get("value")
    name = next((fields[key].value for key in _NAMES if key in fields), None)
    if isinstance(value, yaml.ScalarNode) and isinstance(name, str):
        first, last = value.start_mark.index, value.end_mark.index
        place = Passage.of(source, start + first, start + last)
        yield Block(place, Form.METADATA, Context(row="this model", column=name))
