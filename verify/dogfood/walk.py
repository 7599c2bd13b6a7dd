"""Walking the path: a copy of what is under version control, an environment without ours.

A step that fails is a fail. Where the network refuses, where nobody waited long enough, and for all
that comes after such a step, the outcome is unknown, and never a pass.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from verify.dogfood.model import DogfoodFile, Step
from verify.outcome import Outcome
from verify.problems import UsageError

GO, WARN, NO_GO = "GO", "WARN", "NO-GO"
KEPT = re.compile(r"PIP_\w+|SSL_CERT_(FILE|DIR)|REQUESTS_CA_BUNDLE|\w*_proxy", re.IGNORECASE)
REFUSED = re.compile(
    r"NewConnectionError|NameResolutionError|name resolution|Connection (refused|reset)|timed out|"
    r"ProxyError|SSLError|Network is unreachable|Max retries exceeded",
    re.IGNORECASE,
)
LEFT_OUT = shutil.ignore_patterns(".git", ".venv", "__pycache__", "reports", "runs", ".*_cache")
TAIL = 2_000


@dataclass(frozen=True)
class Walked:
    """What became of one step; `tail` is the end of what it said."""

    name: str
    run: str
    outcome: Outcome
    because: str
    seconds: float = 0.0
    tail: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON."""
        return {**asdict(self), "outcome": self.outcome.value}


def walk(path: DogfoodFile, root: Path, place: Path) -> Iterator[Walked]:
    """Every step in its order, in a copy of `root` under `place`; an early end leaves the rest
    unknown."""
    page = _text(root / path.page)
    copy = place / "copy"
    delivered(root, copy)
    environment = clean(place / "home", copy)
    stopped = ""
    for step in path.steps:
        if step.run not in commands(page):
            one = Walked(step.name, step.run, Outcome.FAIL, f"{path.page} does not say this")
        elif stopped:
            one = Walked(step.name, step.run, Outcome.UNKNOWN, f"{stopped} came before")
        else:
            one = _step(step, copy, environment)
        if one.outcome is not Outcome.PASS:
            stopped = stopped or f"{step.name}, {one.outcome.value},"
        yield one


def verdict(steps: list[Walked]) -> str:
    """NO-GO where a step failed, WARN where one is unknown, else GO."""
    found = {one.outcome for one in steps}
    if Outcome.FAIL in found or not steps:
        return NO_GO
    return GO if found == {Outcome.PASS} else WARN


def commands(page: str) -> set[str]:
    """What a page gives to type: the parts of code lines around `&&`, and inline code."""
    blocks = re.findall(r"^```(?:sh|console|bash)\n(.*?)^```", page, re.M | re.S)
    lines = [line.removeprefix("$ ") for block in blocks for line in block.splitlines()]
    outside = re.sub(r"^```.*?^```", "", page, flags=re.M | re.S)
    inline = [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", outside)]
    parts = (part.partition("  #")[0].strip() for line in lines for part in line.split(" && "))
    return {*parts, *inline} - {""}


def delivered(root: Path, copy: Path) -> None:
    """What a first user has: the files under version control, or all but what programs left."""
    names = _versioned(root)
    if not names:
        shutil.copytree(root, copy, ignore=_left, symlinks=True)
        return
    for name in names:
        if (root / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, copy / name)


def _versioned(root: Path) -> list[str]:
    """What is under version control; nothing without a repository or without git."""
    command = ["git", "-C", str(root), "ls-files", "-z"]
    try:
        listed = subprocess.run(command, capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return []
    return [os.fsdecode(name) for name in listed.stdout.split(b"\0") if name]


def _left(folder: str, names: list[str]) -> set[str]:
    """What programs left there, environments of Python under any name among it."""
    marks = ("pyvenv.cfg", "conda-meta")
    return LEFT_OUT(folder, names) | {
        name for name in names if any(Path(folder, name, mark).exists() for mark in marks)
    }


def clean(home: Path, copy: Path) -> dict[str, str]:
    """An environment without ours: an empty home, no environment variables but those that say how
    packages are fetched, no environment of Python but the one that the path makes."""
    home.mkdir(parents=True)
    kept = {name: value for name, value in os.environ.items() if KEPT.fullmatch(name)}
    ours = Path(sys.prefix) if sys.prefix != sys.base_prefix else None
    ways = [way for way in os.environ.get("PATH", os.defpath).split(os.pathsep)
            if ours is None or not Path(way).is_relative_to(ours)]  # fmt: skip
    way = os.pathsep.join([str(copy / ".venv/bin"), *ways])
    return {**kept, "PATH": way, "HOME": str(home), "LANG": "C.UTF-8"}


def _step(step: Step, copy: Path, environment: Mapping[str, str]) -> Walked:
    begun = time.monotonic()
    code, said = _carried_out(step, copy, environment)
    seconds = round(time.monotonic() - begun, 1)
    outcome, because = _judged(step, code, said)
    return Walked(step.name, step.run, outcome, because, seconds, said[-TAIL:])


def _judged(step: Step, code: int | None, said: str) -> tuple[Outcome, str]:
    if code is None:
        return Outcome.UNKNOWN, f"not at its end after {step.minutes:g} minutes"
    if code != step.exit:
        if step.network and REFUSED.search(said):
            return Outcome.UNKNOWN, "the network refuses what it fetches"
        return Outcome.FAIL, f"found exit code {code}, expected {step.exit}"
    if step.says is not None and not re.search(step.says, said, re.M):
        return Outcome.FAIL, f"found no {step.says!r} in what it said"
    return Outcome.PASS, ""


def _carried_out(step: Step, copy: Path, environment: Mapping[str, str]) -> tuple[int | None, str]:
    """(exit code, what it said); no code where it was not waited for: then it is ended, too."""
    with subprocess.Popen(
        ["bash", "-c", step.run], cwd=copy, env=dict(environment), stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
        start_new_session=True,
    ) as process:  # fmt: skip
        try:
            said, _ = process.communicate(timeout=60 * step.minutes)
            return process.returncode, said
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            said, _ = process.communicate()
            return None, said


def _text(page: Path) -> str:
    try:
        return page.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"{page}: found no page that can be read ({error}); expected the one that a first user "
            "reads; remedy: correct `page` in contracts/policy/dogfood.yaml"
        ) from None
