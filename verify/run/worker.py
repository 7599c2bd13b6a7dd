"""A worker process: reads tasks as JSON lines, runs one check or mutant at a time, answers.

Standard output belongs to the protocol; whatever a check prints goes to standard error, and what it
reads from standard input is empty. Only the module that defines a wanted name is imported.
"""

from __future__ import annotations

import ctypes
import faulthandler
import importlib
import importlib.util
import json
import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, TextIO

from verify.api import CheckContext, Measurement, registered
from verify.outcome import Axis, Outcome, Reason
from verify.run.answers import broken, encode

PACKAGE = "verify_pack_bindings"
_OUT_OF_MEMORY = ("can't allocate memory", "cannot allocate memory", "not enough memory")
_FRAMES_KEPT = 8
_OWN_FOLDER = str(Path(__file__).parents[1])


def main() -> None:
    """Serve the pack at argv[1] until the tasks end."""
    root = Path(sys.argv[1])
    tasks = os.fdopen(os.dup(0), encoding="utf-8")
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    _die_with_parent()
    faulthandler.enable(file=2)
    _write(answers, {"ready": True})
    for line in tasks:
        serve(json.loads(line), root, answers)


def serve(task: dict[str, Any], root: Path, answers: TextIO) -> None:
    """Run one task and write its answer; a broken check never ends the worker.

    A line `{"loaded": true}` comes first, when imports are done: the time budget starts there.
    """
    owner, started = os.getpid(), time.monotonic()
    try:
        if PACKAGE not in sys.modules:
            mount(root)
        loaded = load(task)
        _write(answers, {"loaded": True})
        _reset_peak()
        _limit_memory(int(task["memory_mb"]))
        faulthandler.dump_traceback_later(task["seconds"], file=2)  # the parent reads it
        started = time.monotonic()
        answer = encode(execute(task, loaded, root))
    except BaseException as error:  # SystemExit and its like end neither worker nor run
        _limit_memory(None)
        answer = _explain(error, task, root)
    finally:
        if os.getpid() != owner:
            os._exit(1)  # a fork of the check came back to here: it has no say
        faulthandler.cancel_dump_traceback_later()
        _limit_memory(None)
        with suppress(Exception):
            sys.stdout.flush()
    answer["elapsed_s"] = time.monotonic() - started
    answer["peak_mb"] = _peak_mb()
    _write(answers, answer)


def _write(answers: TextIO, answer: dict[str, Any]) -> None:
    answers.write(json.dumps(answer) + "\n")
    answers.flush()


# -- one task -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Loaded:
    """What a task names, imported."""

    subject: Any
    function: Callable[[CheckContext], Measurement]
    needs: tuple[str, ...]
    mutate: Callable[..., AbstractContextManager[object]] | None


def load(task: dict[str, Any]) -> Loaded:
    """Import what a task names and make its subject."""
    function = _member(task["check"])
    entry = next(e for e in registered(function) if e.name == task["check"]["name"])
    return Loaded(
        subject=_member(task["subject"])() if task["subject"] else None,
        function=function,
        needs=entry.needs,
        mutate=_member(task["mutant"]) if task["mutant"] else None,
    )


def execute(task: dict[str, Any], loaded: Loaded, root: Path) -> Measurement:
    """Run the check, inside the mutant where there is one; raises what they raise."""
    missing = sorted(set(loaded.needs) - set(getattr(loaded.subject, "capabilities", ())))
    if missing:
        name = getattr(loaded.subject, "name", None)
        reason = f"subject {name} lacks {', '.join(missing)}"
        return Measurement(Outcome.UNKNOWN, reason, cause=Reason.CAPABILITY_MISSING)
    context = CheckContext(
        clause_id=task["clause"],
        subject=loaded.subject,
        params=task["params"],
        tolerance=task["tolerance"],
        facts=task["facts"],
        specs_dir=root / "specs",
        evidence_dir=Path(task["evidence_dir"]),
        seed=task["seed"],
        examples=task["examples"],
        falsifying=loaded.mutate is not None,
    )
    mutation: AbstractContextManager[object] = nullcontext()
    if loaded.mutate is not None:
        mutation = loaded.mutate(loaded.subject, **task["mutant"]["with"])
    with mutation:
        measurement = loaded.function(context)
    if not isinstance(measurement, Measurement):
        found = type(measurement).__name__
        raise TypeError(f"check {task['check']['name']} returned {found}, not Measurement")
    if task["axis"] and measurement.measured is not None:
        _require_axis(task["check"]["name"], measurement.axis)
    return measurement


def _require_axis(check: str, axis: str | None) -> None:
    """A metric clause's number is labelled; what an authority states is no measurement."""
    if axis is None or Axis(axis) is Axis.EXTERNAL:
        label = axis or "no axis"
        raise ValueError(f"check {check} measured a number on {label}, not on a measured axis")


def mount(root: Path) -> None:
    """Make the pack's code importable, its bindings under a name no installed package has."""
    for name in [name for name in sys.modules if name.partition(".")[0] == PACKAGE]:
        del sys.modules[name]  # of another pack
    if str(root) not in sys.path[:1]:
        sys.path.insert(0, str(root))
    folder = root / "contracts" / "bindings"
    init = folder / "__init__.py"
    if not init.is_file():
        package = ModuleType(PACKAGE)
        package.__path__ = [str(folder)]
        sys.modules[PACKAGE] = package
        return
    spec = importlib.util.spec_from_file_location(
        PACKAGE, init, submodule_search_locations=[str(folder)]
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[PACKAGE] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[PACKAGE]
        raise


def _member(binding: dict[str, Any]) -> Any:
    """The object that carries a registered name; the module is imported on first use."""
    module = importlib.import_module(f"{PACKAGE}.{binding['module']}".rstrip("."))
    for value in list(vars(module).values()):
        for entry in registered(value):
            if entry.role == binding["role"] and entry.name == binding["name"]:
                return value
    raise LookupError(f"{binding['module']}: no {binding['role']} named {binding['name']}")


# -- budgets --------------------------------------------------------------------------------------


def _die_with_parent() -> None:
    """A run that is killed leaves no hanging check behind (Linux; elsewhere nothing happens)."""
    with suppress(AttributeError, OSError):
        set_parent_death_signal = 1  # PR_SET_PDEATHSIG
        ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL)


def _limit_memory(budget_mb: int | None) -> None:
    """Allow private memory to grow by the budget from here (Linux: RLIMIT_DATA covers mmap)."""
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    soft = hard if budget_mb is None else _status_kb("VmData") * 1024 + (budget_mb << 20)
    if hard != resource.RLIM_INFINITY and soft != resource.RLIM_INFINITY:
        soft = min(soft, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def _reset_peak() -> None:
    """Start the peak of resident memory anew, where the system can."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def _peak_mb() -> float:
    peak_kb = _status_kb("VmHWM") or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak_kb / 1024


def _status_kb(name: str) -> int:
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1])
    return 0


# -- what went wrong ------------------------------------------------------------------------------


def _explain(error: BaseException, task: dict[str, Any], root: Path) -> dict[str, Any]:
    message = str(error)
    if isinstance(error, MemoryError) or any(sign in message.lower() for sign in _OUT_OF_MEMORY):
        budget = f"the check needs more than its budget of {task['memory_mb']} MB"
        remedy = "use less, or raise budget.memory_mb of the clause"
        return broken(Reason.MEMORY_BUDGET, f"{budget}; remedy: {remedy}")
    if isinstance(error, ModuleNotFoundError) and _not_installed(error.name):
        missing = f"the module {error.name} is not installed"
        remedy = "install what the pack's checks need"
        return broken(Reason.DEPENDENCY_MISSING, f"{missing}; remedy: {remedy}")
    with suppress(Exception):  # the check may have replaced sys.stderr
        traceback.print_exception(error)
    frames = traceback.extract_tb(error.__traceback__)
    theirs = [frame for frame in frames if not frame.filename.startswith(_OWN_FOLDER)]
    stack = [f"{_place(f.filename, root)}:{f.lineno} {f.name}" for f in theirs]
    in_pack = [f for f in theirs if Path(f.filename).is_relative_to(root)]
    at = f" at {_place(in_pack[-1].filename, root)}:{in_pack[-1].lineno}" if in_pack else ""
    first = (message.strip().splitlines() or [""])[0]
    reason = f"the check raised {type(error).__name__}{at}: {first}"
    return broken(Reason.CHECK_RAISED, reason, {"stack": stack[-_FRAMES_KEPT:]} if stack else {})


def _not_installed(name: str | None) -> bool:
    """Whether a module's package is missing; a missing part of a present one is a defect."""
    package = (name or "").partition(".")[0]
    if not package or package == PACKAGE:
        return False
    try:
        return importlib.util.find_spec(package) is None
    except (ImportError, ValueError):
        return True


def _place(filename: str, root: Path) -> str:
    """A file's path inside the pack, or its bare name: evidence names no folders of a machine."""
    path = Path(filename)
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name
