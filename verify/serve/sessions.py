"""Interactive sampling: sessions of a process that another package registers.

This package knows no tensors. A package that can sample registers a module under the entry point
`verify.samplers`; `python -m MODULE RUN` then answers JSON lines: first `{"ready": {...}}` or
`{"error": {...}}`, then for each `{"class": c, "alpha": a, "seed": s, "index": i}` one
`{"png": base64, "sha256": ...}` or `{"error": {...}}`. Sessions, their steps and their pictures are
in memory only; they go with the server.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import queue
import secrets
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from verify.serve.refusal import Refusal, absent
from verify.serve.runs import PNG

GROUP = "verify.samplers"
MOST_SESSIONS, MOST_STEPS = 4, 200
LONGEST_LINE = 4 << 20
ANSWER_S = 120.0  # the first sample of a large network takes its time
NOTE = "in memory; gone when it is deleted or the server ends"


class Wanted(BaseModel):
    """One sample. The same class, alpha, seed and place give the same picture."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, populate_by_name=True)

    class_: Annotated[int, Field(alias="class", ge=0, le=10**6)]
    alpha: Annotated[float, Field(gt=0, le=1000, allow_inf_nan=False)] = 1.0
    seed: Annotated[int, Field(ge=0, le=2**53)] = 0


class Opened(BaseModel):
    """Of which run."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    run: Annotated[str, Field(max_length=200)]


def sampler() -> Sequence[str] | None:
    """The command of the registered sampler, without its last word; None where there is none."""
    found = sorted(entry_points(group=GROUP), key=lambda one: one.name)
    return [sys.executable, "-m", found[0].value] if found else None


class Session:
    """A process that holds a run's weights, and what it has drawn."""

    def __init__(self, run: str, command: Sequence[str], folder: Path) -> None:
        self.slug = secrets.token_hex(8)
        self.run = run
        self.facts: dict[str, Any] = {}
        self.problem: dict[str, str] | None = None
        self._steps: list[dict[str, Any]] = []
        self._pictures: list[bytes] = []
        self._busy = threading.Lock()
        self._lines: queue.Queue[bytes] = queue.Queue()
        self._process = subprocess.Popen(
            [*command, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, env=_environment(),
        )  # fmt: skip
        threading.Thread(target=self._listen, daemon=True).start()

    def view(self) -> dict[str, Any]:
        """As JSON, without the pictures."""
        state = "failed" if self.problem else "ready" if self.facts else "starting"
        return {
            "slug": self.slug, "run": self.run, "state": state, "kept": NOTE, "facts": self.facts,
            "problem": self.problem, "steps": list(self._steps),
        }  # fmt: skip

    def begin(self) -> None:
        """Wait for the first line: what can be drawn; raises Refusal where nothing can be."""
        with self._busy:
            first = self._next()
        if not isinstance(first.get("ready"), dict):
            self.problem = _said(first)
            raise Refusal(409, "session", **self.problem)
        self.facts = first["ready"]

    def step(self, wanted: Wanted) -> dict[str, Any]:
        """Draw the next sample of a class and a seed; the place is the count of those before it."""
        if not self._busy.acquire(blocking=False):
            raise Refusal(409, "session", found="a step under way", expected="one at a time")
        try:
            if self.problem is not None:
                raise Refusal(409, "session", **self.problem)
            if len(self._steps) >= MOST_STEPS:
                raise Refusal(
                    409, "session", found=f"{MOST_STEPS} steps", expected="fewer",
                    remedy="delete it and open another",
                )  # fmt: skip
            asked = wanted.model_dump(by_alias=True)
            asked["index"] = sum(
                (one["class"], one["seed"]) == (asked["class"], asked["seed"])
                for one in self._steps
            )
            return self._keep(asked, self._ask(asked))
        finally:
            self._busy.release()

    def picture(self, number: str) -> bytes:
        """The PNG of a step, counted from 0."""
        if number.isascii() and number.isdigit() and len(number) < 6:
            with suppress(IndexError):
                return self._pictures[int(number)]
        raise absent("step", number)

    def close(self) -> None:
        """End the process; what it had drawn is gone."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with suppress(OSError):
                    stream.close()

    def _ask(self, asked: dict[str, Any]) -> dict[str, Any]:
        try:
            assert self._process.stdin is not None
            self._process.stdin.write(json.dumps(asked).encode() + b"\n")
            self._process.stdin.flush()
        except (OSError, ValueError):
            self.problem = _ended()
            raise Refusal(409, "session", **self.problem) from None
        answer = self._next()
        if "png" not in answer:
            raise Refusal(409 if self.problem else 400, "step", **_said(answer))
        return answer

    def _keep(self, asked: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
        try:
            png = base64.b64decode(answer["png"], validate=True)
        except (TypeError, ValueError, binascii.Error):
            png = b""
        if not png.startswith(PNG):
            raise Refusal(502, "sampler", found="no PNG", expected="a picture in base64")
        step = {**asked, "number": len(self._steps), "sha256": str(answer.get("sha256", ""))}
        self._pictures.append(png)
        self._steps.append(step)
        return step

    def _next(self) -> dict[str, Any]:
        try:
            line = self._lines.get(timeout=ANSWER_S)
        except queue.Empty:
            self.close()
            self.problem = {"found": "no answer in time", "expected": "a line"}
            return {"error": self.problem}
        try:
            found = json.loads(line)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            self.close()  # what answers no JSON is no sampler, or is gone
            self.problem = _ended()
            return {"error": self.problem}
        return found

    def _listen(self) -> None:
        """All lines of the process; an empty one at its end."""
        assert self._process.stdout is not None
        with suppress(OSError, ValueError):
            while line := self._process.stdout.readline(LONGEST_LINE):
                self._lines.put(line)
        self._lines.put(b"")


class Sessions:
    """The open sessions of a server."""

    def __init__(self, find: Callable[[], Sequence[str] | None] = sampler) -> None:
        self._find = find
        self._open: dict[str, Session] = {}
        self._lock = threading.Lock()

    def all(self) -> list[Session]:
        """In the order in which they were opened."""
        with self._lock:
            return list(self._open.values())

    def one(self, slug: str) -> Session:
        """The session of this name, or Refusal."""
        with self._lock:
            if slug not in self._open:
                raise absent("session", slug)
            return self._open[slug]

    def open(self, run: str, folder: Path) -> Session:
        """A new session, when its process has said that it is ready."""
        command = self._find()
        if command is None:
            raise Refusal(
                409, "session", found=f"no entry point {GROUP}", expected="a package that samples",
                remedy="install one where the server runs: pip install 'drift-verify[train]'",
            )  # fmt: skip
        with self._lock:
            if len(self._open) >= MOST_SESSIONS:
                raise Refusal(
                    409, "session", found=f"{MOST_SESSIONS} open", expected="fewer",
                    remedy="delete one",
                )  # fmt: skip
            found = Session(run, command, folder)
            self._open[found.slug] = found
        try:
            found.begin()
        except Refusal:
            self.delete(found.slug)
            raise
        return found

    def delete(self, slug: str) -> None:
        """End one; what it drew is gone."""
        found = self.one(slug)
        with self._lock:
            self._open.pop(slug, None)
        found.close()

    def close(self) -> None:
        """End all."""
        for one in self.all():
            with suppress(Refusal):
                self.delete(one.slug)


def _environment() -> dict[str, str]:
    """What a process of the sampler gets: where programs, caches and temporary files are."""
    names = ("PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "VIRTUAL_ENV", "OMP_NUM_THREADS")
    known = {name: os.environ[name] for name in names if name in os.environ}
    return {**known, "HF_HUB_OFFLINE": "1"}


def _said(answer: dict[str, Any]) -> dict[str, str]:
    error = answer.get("error")
    parts = error if isinstance(error, dict) else _ended()
    return {name: str(parts.get(name, ""))[:300] for name in ("found", "expected", "remedy")}


def _ended() -> dict[str, str]:
    return {"found": "a process that has ended", "expected": "an answer", "remedy": "open another"}
