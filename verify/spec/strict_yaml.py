"""YAML read strictly: one reading of a scalar, no code, no surprises, every error with its place.

Built on libyaml's event stream, so depth, aliases and size are bounded while reading and nothing
recurses. Plain scalars have exactly one type each (`verify.spec.scalars`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from verify.problems import Problem, format_path
from verify.spec.places import read_text
from verify.spec.scalars import Refusal, resolve

MAX_DEPTH = 40
MAX_ALIASES = 64
MAX_NODES = 200_000  # after aliases are expanded
MAX_PROBLEMS = 100  # of one file: more help nobody
_TOO_DEEP = ("a deeper nesting", f"at most {MAX_DEPTH} levels", "flatten the document")

Value = Any
Path_ = tuple[str | int, ...]
Mark = tuple[int, int]  # line and column, from 1


@dataclass(frozen=True)
class Document:
    """A parsed file: its value (None when it has problems) and all that is wrong with it."""

    file: str
    text: str
    value: Value
    problems: tuple[Problem, ...]

    @cached_property
    def _places(self) -> dict[Path_, tuple[Mark, Mark]]:
        """Marks of key and value by path; wanted only where something is wrong, so read late."""
        places: dict[Path_, tuple[Mark, Mark]] = {}
        _Builder(self.file, places).run(self.text)
        return places

    def locate(self, path: Path_, *, key: bool = False) -> Mark:
        """Line and column of the deepest existing node on `path`, or of its key."""
        for length in range(len(path), -1, -1):
            marks = self._places.get(path[:length])
            if marks is not None:
                return marks[0] if key and length == len(path) else marks[1]
        return (1, 1)

    def problem(
        self, path: Path_, found: str, expected: str = "", remedy: str = "", *, key: bool = False
    ) -> Problem:
        """A problem at a place inside this document; `key` points at the key, not its value."""
        line, column = self.locate(path, key=key)
        return Problem(self.file, line, column, format_path(path), found, expected, remedy)


def read(path: Path, *, name: str | None = None) -> Document:
    """Read one file; nothing is raised for its contents, all problems are in the result."""
    label = name or str(path)
    text = read_text(path, label)
    if isinstance(text, Problem):
        return Document(label, "", None, (text,))
    return parse(text, file=label)


def parse(text: str, *, file: str) -> Document:
    """Parse a text; see `read`."""
    builder = _Builder(file)
    value = builder.run(text)
    problems = tuple(builder.problems)
    return Document(file, text, None if problems else value, problems)


@dataclass
class _Frame:
    """An open collection; `pending` is the key that waits for its value."""

    mapping: bool
    value: Any
    anchor: str | None
    is_key: bool  # it stands where a key belongs: refused, and what follows it is skipped
    pending: str | None = None
    pending_mark: Mark = (0, 0)
    skip_value: bool = False
    size: int = 1
    seen: set[str] = field(default_factory=set)

    @property
    def at_key(self) -> bool:
        """Whether the next node is a key."""
        return self.mapping and self.pending is None and not self.skip_value


class _StopReadingError(Exception):
    """Reading on makes no sense."""


class _Builder:
    """Turns libyaml events into plain Python values and problems."""

    def __init__(self, file: str, places: dict[Path_, tuple[Mark, Mark]] | None = None) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self._places = places
        self._frames: list[_Frame] = []
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._open: set[str] = set()
        self._aliases = 0
        self._nodes = 0
        self._documents = 0
        self._root: Any = None
        self._handlers: dict[type[Any], Callable[[Any], None]] = {
            yaml.ScalarEvent: self._scalar,
            yaml.MappingStartEvent: self._start,
            yaml.SequenceStartEvent: self._start,
            yaml.MappingEndEvent: self._end,
            yaml.SequenceEndEvent: self._end,
            yaml.AliasEvent: self._alias,
            yaml.DocumentStartEvent: self._document,
        }

    def run(self, text: str) -> Value:
        """Read all of the text; the value means nothing where there are problems."""
        try:
            self._refuse_tabs(text)
            for event in _events(text):
                handler = self._handlers.get(type(event))
                if handler is not None:
                    handler(event)
        except _StopReadingError:
            pass
        except yaml.YAMLError as error:
            self.problems.append(_syntax(error, self.file))
        except ValueError as error:
            self._report(None, f"text that cannot be read ({error})", "YAML", "correct the text")
        if not self.problems and self._documents == 0:
            self._report(None, "an empty file", "a mapping", "fill it in or delete it")
        return self._root

    def _refuse_tabs(self, text: str) -> None:
        """Readers disagree about where a tab may stand, so it may stand nowhere."""
        if "\t" not in text:
            return
        for number, line in enumerate(text.split("\n"), start=1):
            if "\t" in line:
                remedy = "use spaces, or write \\t inside double quotes"
                place = (number, line.index("\t") + 1)
                self._say(place, "", "a tab", "spaces", remedy)
        raise _StopReadingError

    # -- events ---------------------------------------------------------------------------------

    def _document(self, event: Any) -> None:
        self._documents += 1
        if self._documents > 1:
            self._stop(event, "a second document", "one document a file", "split the file")

    def _start(self, event: Any) -> None:
        if event.tag is not None:
            self._report(event, f"the tag {event.tag}", "no tags", "remove the tag")
        if len(self._frames) >= MAX_DEPTH:
            self._stop(event, *_TOO_DEEP)
        self._count(event, 1)
        is_key = self._at_key()
        if is_key:
            self._report(event, "a key that is no text", "a text as key", "rewrite the key")
        else:
            self._remember_place(event)
        if event.anchor:
            self._open.add(event.anchor)
        mapping = type(event) is yaml.MappingStartEvent
        self._frames.append(_Frame(mapping, {} if mapping else [], event.anchor, is_key))

    def _end(self, _: Any) -> None:
        frame = self._frames.pop()
        if frame.anchor:
            self._open.discard(frame.anchor)
            self._anchors[frame.anchor] = (frame.value, frame.size)
        if frame.is_key:
            self._frames[-1].skip_value = True
        else:
            self._add(frame.value, frame.size)

    def _scalar(self, event: Any) -> None:
        self._count(event, 1)
        if self._at_key():
            self._key(event, self._frames[-1])
            return
        if self._places is not None:
            self._remember_place(event)
        value = self._resolve(event)
        if event.anchor:
            self._anchors[event.anchor] = (value, 1)
        self._add(value, 1)

    def _key(self, event: Any, frame: _Frame) -> None:
        if event.anchor:
            self._report(event, "an anchor on a key", "a plain key", "remove the anchor")
        known = len(self.problems)
        key = self._resolve(event)
        if not isinstance(key, str):
            if len(self.problems) == known:
                self._report(event, f"the key {event.value}", "a text as key", "quote the key")
            key = event.value
        if key in frame.seen:
            self._report(event, f"the key {key!r} a second time", "each key once", "remove one")
            frame.skip_value = True
            return
        frame.seen.add(key)
        frame.pending = key
        if self._places is not None:
            frame.pending_mark = _mark(event)

    def _alias(self, event: Any) -> None:
        self._aliases += 1
        if self._aliases > MAX_ALIASES:
            limit = f"at most {MAX_ALIASES}"
            self._stop(event, f"{self._aliases} aliases", limit, "write values out")
        if event.anchor in self._open:
            self._stop(event, f"*{event.anchor} inside itself", "no recursion", "write it out")
        if event.anchor not in self._anchors:
            found = f"*{event.anchor}, which is not defined above"
            self._stop(event, found, "an anchor", f"define &{event.anchor} first")
        if self._at_key():
            self._report(event, "an alias as a key", "a text as key", "write the key out")
            self._frames[-1].skip_value = True
            return
        value, size = self._anchors[event.anchor]
        self._count(event, size)
        self._remember_place(event)
        self._add(value, size)

    # -- helpers --------------------------------------------------------------------------------

    def _at_key(self) -> bool:
        return bool(self._frames) and self._frames[-1].at_key

    def _add(self, value: Any, size: int) -> None:
        if not self._frames:
            self._root = value
            return
        frame = self._frames[-1]
        frame.size += size
        if not frame.mapping:
            frame.value.append(value)
        elif frame.skip_value:
            frame.skip_value = False
        else:
            frame.value[frame.pending] = value
            frame.pending = None

    def _count(self, event: Any, size: int) -> None:
        self._nodes += size
        if self._nodes > MAX_NODES:
            limit = f"at most {MAX_NODES} after aliases are expanded"
            self._stop(event, f"more than {MAX_NODES} values", limit, "split the file")

    def _resolve(self, event: Any) -> Value:
        if event.tag is not None:
            self._report(event, f"the tag {event.tag}", "no tags", "remove the tag")
            return event.value
        if not event.implicit[0]:  # quoted or block style: always a text
            return event.value
        value = resolve(event.value)
        if isinstance(value, Refusal):
            self._report(event, value.found, value.expected, value.remedy)
            return None
        return value

    def _remember_place(self, event: Any) -> None:
        if self._places is not None:
            mark = _mark(event)
            frame = self._frames[-1] if self._frames else None
            key = frame.pending_mark if frame and frame.pending is not None else mark
            self._places.setdefault(self._path(), (key, mark))

    def _path(self) -> Path_:
        """Path of the node that is about to be added."""
        parts: list[str | int] = []
        for frame in self._frames:
            if not frame.mapping:
                parts.append(len(frame.value))
            elif frame.pending is not None:
                parts.append(frame.pending)
        return tuple(parts)

    def _report(self, event: Any, found: str, expected: str, remedy: str) -> None:
        mark = _mark(event) if event is not None else (0, 0)
        self._say(mark, format_path(self._path()), found, expected, remedy)

    def _say(self, mark: Mark, path: str, found: str, expected: str, remedy: str) -> None:
        self.problems.append(Problem(self.file, *mark, path, found, expected, remedy))
        if len(self.problems) >= MAX_PROBLEMS:
            raise _StopReadingError

    def _stop(self, event: Any, found: str, expected: str, remedy: str) -> None:
        """A problem after which the rest would only repeat it."""
        self._report(event, found, expected, remedy)
        raise _StopReadingError


def _mark(event: Any) -> Mark:
    return event.start_mark.line + 1, event.start_mark.column + 1


def _syntax(error: yaml.YAMLError, file: str) -> Problem:
    mark = getattr(error, "problem_mark", None)
    what = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error)
    line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
    if "nesting depth" in what:  # the scanner reads ahead, and its own limit may speak first
        return Problem(file, line, column, "", *_TOO_DEEP)
    return Problem(file, line, column, "", f"text that is not YAML ({what})", "YAML", "correct it")


def _events(text: str) -> Iterator[Any]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    parser = loader(text)
    try:
        while (event := parser.get_event()) is not None:
            yield event
    finally:
        parser.dispose()
