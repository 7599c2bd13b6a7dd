"""YAML read strictly: one reading of a scalar, no code, no surprises, every error with its place.

Built on libyaml's event stream, so depth, aliases and size are bounded while reading and nothing
recurses. Plain scalars have exactly one type each; every form that YAML 1.1 and 1.2 read differently
(`on`, `1e-4`, `010`, `2026-01-01`) is refused with the spelling that is not ambiguous.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from verify.problems import Problem, format_path

MAX_BYTES = 1 << 20
MAX_DEPTH = 40
MAX_ALIASES = 64
MAX_NODES = 200_000  # after aliases are expanded

Value = Any
Path_ = tuple[str | int, ...]

_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)\Z")
_FLOAT = re.compile(r"[-+]?(0|[1-9][0-9]*)\.[0-9]+([eE][-+][0-9]+)?\Z")
_WORDS: dict[str, Value] = {"true": True, "false": False, "null": None}
_AMBIGUOUS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"(?i:true|false)\Z"), "write true or false in lower case"),
    (re.compile(r"(?i:null)\Z|~\Z"), "write null"),
    (re.compile(r"(?i:yes|no|on|off|y|n)\Z"), "write true or false, or quote the word"),
    (re.compile(r"[-+]?\.(?i:inf|nan)\Z"), "use a finite number"),
    (re.compile(r"(?i:nan|[-+]?inf|[-+]?infinity)\Z"), "use a finite number, or quote the word"),
    (re.compile(r"[-+]?[0-9.]+[eE][-+]?[0-9]+\Z"), "write the float as 1.0e-4"),
    (re.compile(r"[-+]?(\.[0-9]+|[0-9]+\.)\Z"), "write digits on both sides of the point"),
    (re.compile(r"[-+]?0[0-9_]+\Z|[-+]?0[xob][0-9a-fA-F_]+\Z"), "write a decimal, or quote it"),
    (re.compile(r"[-+]?[0-9][0-9_]*_[0-9_.]*\Z"), "write the number without underscores"),
    (re.compile(r"[-+]?[0-9]+(:[0-5]?[0-9])+(\.[0-9]*)?\Z"), "quote it: YAML 1.1 reads base 60"),
    (re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt ].*)?\Z"), "quote the date"),
    (re.compile(r"=\Z|<<\Z"), "quote it"),
)


@dataclass(frozen=True)
class Document:
    """A parsed file: its value (None when it has problems) and all that is wrong with it."""

    file: str
    text: str
    value: Value
    problems: tuple[Problem, ...]

    def locate(self, path: Path_) -> tuple[int, int]:
        """Line and column (from 1) of the deepest existing node on `path`.

        Positions are wanted only where something is wrong, so the file is read again for them.
        """
        builder = _Builder(self.file, wanted=path)
        builder.run(self.text)
        return builder.mark

    def problem(self, path: Path_, found: str, expected: str = "", remedy: str = "") -> Problem:
        """A problem at a place inside this document."""
        line, column = self.locate(path)
        return Problem(self.file, line, column, format_path(path), found, expected, remedy)


def read(path: Path, *, name: str | None = None) -> Document:
    """Read one file; nothing is raised for its contents, all problems are in the result."""
    label = name or str(path)

    def refuse(found: str, expected: str, remedy: str) -> Document:
        return Document(label, "", None, (Problem(label, 0, 0, "", found, expected, remedy),))

    try:
        if not path.is_file():
            return refuse("no such file", "a YAML file", "create it or correct the path")
        size = path.stat().st_size
        if size > MAX_BYTES:
            return refuse(f"{size} bytes", f"at most {MAX_BYTES} bytes", "split the file")
        data = path.read_bytes()
    except OSError as error:
        return refuse(f"an unreadable file ({error.strerror})", "a readable file", "mend its mode")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        return refuse(
            f"a byte that is not UTF-8 at offset {error.start}", "UTF-8 text", "re-encode the file"
        )
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

    kind: str
    value: Any
    anchor: str | None
    pending: str | None = None
    skip_value: bool = False
    size: int = 1
    seen: set[str] = field(default_factory=set)


class _Builder:
    """Turns libyaml events into plain Python values and problems."""

    def __init__(self, file: str, wanted: Path_ | None = None) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self.mark = (1, 1)
        self._wanted = wanted
        self._best = -1
        self._frames: list[_Frame] = []
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._open: set[str] = set()
        self._aliases = 0
        self._nodes = 0
        self._documents = 0
        self._root: Any = None

    def run(self, text: str) -> Value:
        try:
            for event in _events(text):
                if not self._take(event):
                    break
        except yaml.YAMLError as error:
            self._syntax(error, text)
        except (ValueError, RecursionError) as error:
            self._report(None, f"text that cannot be read ({error})", "YAML", "correct the text")
        if not self.problems and self._documents == 0:
            self._report(None, "an empty file", "a mapping", "fill it in or delete it")
        return self._root

    # -- events ---------------------------------------------------------------------------------

    def _take(self, event: Any) -> bool:
        """Handle one event; False stops the reading."""
        kind = type(event).__name__
        if kind == "ScalarEvent":
            return self._scalar(event)
        if kind == "MappingStartEvent" or kind == "SequenceStartEvent":
            return self._start(event, "mapping" if kind[0] == "M" else "sequence")
        if kind == "MappingEndEvent" or kind == "SequenceEndEvent":
            self._end()
        elif kind == "AliasEvent":
            return self._alias(event)
        elif kind == "DocumentStartEvent":
            self._documents += 1
            if self._documents > 1:
                self._report(event, "a second document", "one document a file", "split the file")
                return False
        return True

    def _start(self, event: Any, kind: str) -> bool:
        if event.tag is not None:
            self._report(event, f"the tag {event.tag}", "no tags", "remove the tag")
        if len(self._frames) >= MAX_DEPTH:
            self._report(
                event, "a deeper nesting", f"at most {MAX_DEPTH} levels", "flatten the document"
            )
            return False
        if not self._count(event, 1):
            return False
        self._expect_value(event)
        self._remember_place(event)
        value: Any = {} if kind == "mapping" else []
        if event.anchor:
            self._open.add(event.anchor)
        self._frames.append(_Frame(kind, value, event.anchor))
        return True

    def _end(self) -> None:
        frame = self._frames.pop()
        if frame.anchor:
            self._open.discard(frame.anchor)
            self._anchors[frame.anchor] = (frame.value, frame.size)
        self._add(frame.value, frame.size)

    def _scalar(self, event: Any) -> bool:
        if not self._count(event, 1):
            return False
        frame = self._frames[-1] if self._frames else None
        if frame and frame.kind == "mapping" and frame.pending is None and not frame.skip_value:
            self._key(event, frame)
            return True
        self._remember_place(event)
        value = self._resolve(event)
        if event.anchor:
            self._anchors[event.anchor] = (value, 1)
        self._add(value, 1)
        return True

    def _key(self, event: Any, frame: _Frame) -> None:
        if event.anchor:
            self._report(event, "an anchor on a key", "a plain key", "remove the anchor")
        key = self._resolve(event)
        if not isinstance(key, str):
            self._report(event, f"the key {event.value}", "a text as key", "quote the key")
            key = event.value
        if key in frame.seen:
            self._report(event, f"the key {key!r} a second time", "each key once", "remove one")
            frame.skip_value = True
            return
        frame.seen.add(key)
        frame.pending = key

    def _alias(self, event: Any) -> bool:
        self._aliases += 1
        if self._aliases > MAX_ALIASES:
            self._report(event, "one more alias", f"at most {MAX_ALIASES}", "write values out")
            return False
        self._expect_value(event)
        if event.anchor in self._open:
            self._report(event, f"*{event.anchor} inside itself", "no recursion", "write it out")
            return False
        if event.anchor not in self._anchors:
            self._report(event, f"*{event.anchor}", "an anchor defined above", "define &anchor")
            return False
        value, size = self._anchors[event.anchor]
        if not self._count(event, size):
            return False
        self._remember_place(event)
        self._add(value, size)
        return True

    # -- helpers --------------------------------------------------------------------------------

    def _add(self, value: Any, size: int) -> None:
        if not self._frames:
            self._root = value
            return
        frame = self._frames[-1]
        frame.size += size
        if frame.kind == "sequence":
            frame.value.append(value)
        elif frame.skip_value:
            frame.skip_value = False
        elif frame.pending is not None:
            frame.value[frame.pending] = value
            frame.pending = None

    def _expect_value(self, event: Any) -> None:
        """A collection or alias where a key belongs is reported and its value dropped."""
        frame = self._frames[-1] if self._frames else None
        if frame and frame.kind == "mapping" and frame.pending is None and not frame.skip_value:
            self._report(event, "a key that is no text", "a text as key", "rewrite the key")
            frame.pending = f"?{len(frame.seen)}"

    def _count(self, event: Any, size: int) -> bool:
        self._nodes += size
        if self._nodes > MAX_NODES:
            self._report(
                event, "more values", f"at most {MAX_NODES} after aliases", "split the file"
            )
            return False
        return True

    def _resolve(self, event: Any) -> Value:
        text: str = event.value
        if event.tag is not None:
            self._report(event, f"the tag {event.tag}", "no tags", "remove the tag")
            return text
        if not event.implicit[0]:  # quoted or block style: always a text
            return text
        if text == "":
            self._report(event, "nothing", "a value", "write null or a value")
            return None
        if text in _WORDS:
            return _WORDS[text]
        if _INTEGER.match(text):
            return int(text) if len(text) < 20 else self._refuse(event, text, "a 64-bit integer")
        if _FLOAT.match(text):
            number = float(text)
            finite = number not in (float("inf"), float("-inf"))
            return number if finite else self._refuse(event, text, "a finite number")
        for pattern, remedy in _AMBIGUOUS:
            if pattern.match(text):
                self._report(event, f"the ambiguous scalar {text}", "one reading", remedy)
                return None
        return text

    def _refuse(self, event: Any, found: str, expected: str) -> None:
        self._report(event, found[:40], expected, "use a smaller number or quote it")

    def _remember_place(self, event: Any) -> None:
        if self._wanted is None:
            return
        path = self._path()
        if len(path) > self._best and path == self._wanted[: len(path)]:
            self._best = len(path)
            self.mark = (event.start_mark.line + 1, event.start_mark.column + 1)

    def _path(self) -> Path_:
        """Path of the node that is about to be added."""
        parts: list[str | int] = []
        for frame in self._frames:
            if frame.kind == "sequence":
                parts.append(len(frame.value))
            elif frame.pending is not None:
                parts.append(frame.pending)
        return tuple(parts)

    def _report(self, event: Any, found: str, expected: str, remedy: str) -> None:
        line = column = 0
        if event is not None:
            line, column = event.start_mark.line + 1, event.start_mark.column + 1
        path = format_path(self._path())
        self.problems.append(Problem(self.file, line, column, path, found, expected, remedy))

    def _syntax(self, error: yaml.YAMLError, text: str) -> None:
        mark = getattr(error, "problem_mark", None)
        what = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error)
        line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        at_tab = mark is not None and text.splitlines()[mark.line : mark.line + 1]
        tab = bool(at_tab) and at_tab[0][mark.column : mark.column + 1] == "\t"
        found = "a tab" if tab else f"text that is not YAML ({what})"
        remedy = "indent with spaces" if tab else "correct it"
        self.problems.append(Problem(self.file, line, column, "", found, "YAML", remedy))


def _events(text: str) -> Iterator[Any]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    parser = loader(text)
    try:
        while parser.check_event():
            yield parser.get_event()
    finally:
        parser.dispose()
