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
import shutil
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, TextIO

from verify.api import CheckContext, Measurement, SubjectError, held, registered
from verify.outcome import Outcome, Reason
from verify.run.answers import broken, encode, over_budget, subject_lost
from verify.run.workers.leavings import state
from verify.run.workers.memory import granted, lift, peak_mb
from verify.run.workers.processes import borrowed_kb, held_kb
from verify.run.workers.raised import by_the_code
from verify.run.workers.returned import held_to_clause
from verify.run.workers.source import compiled_from_source
from verify.run.workers.tampered import functions, put_back
from verify.run.workers.watch import Watch
from verify.spec.places import CONTRACTS
from verify.spec.sources import HARNESS, of_pack, shown

PACKAGE = "verify_pack"
_OUT_OF_MEMORY = ("can't allocate memory", "cannot allocate memory", "not enough memory")
_FRAMES_KEPT = 8
_OWN_FOLDER = f"{HARNESS}{os.sep}"


def main() -> None:
    """Serve the pack at argv[1] until the tasks end."""
    root = Path(sys.argv[1])
    with compiled_from_source(root):
        attend(root, Watch(root))


def attend(root: Path, watch: Watch) -> None:
    """Serve until the tasks end; what the process shares with others now is not the checks'."""
    tasks, answers = open_pipes()
    settle()
    faulthandler.enable(file=2)
    faulthandler.register(signal.SIGUSR1, file=2)  # the pool asks where a check is
    write(answers, {"ready": True, "borrowed_kb": borrowed_kb(os.getpid())})
    for line in tasks:
        serve(json.loads(line), root, answers, watch)


def open_pipes() -> tuple[TextIO, TextIO]:
    """Tasks and answers; what a check reads or prints goes elsewhere from here on."""
    tasks = os.fdopen(os.dup(0), encoding="utf-8")
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    return tasks, answers


def settle() -> None:
    """What a process that serves has to be told of itself; a fork has to be told again."""
    _die_with_parent()
    _adopt_orphans()


def serve(task: dict[str, Any], root: Path, answers: TextIO, watch: Watch) -> None:
    """Run one task and write its answer; a broken check never ends the worker.

    A line `{"loaded": true}` comes first, when imports are done: the time budget starts there. Each
    line carries the task's nonce, which no part of the pack is given: what else writes to the pipe
    is no answer.
    """
    owner, started = os.getpid(), time.monotonic()
    nonce, threads = task.pop("nonce"), set(threading.enumerate())
    before: dict[str, Any] | None = None  # what an import changes, every later task has as well
    watch.begin(Path(task["evidence_dir"]))
    try:
        if PACKAGE not in sys.modules:
            mount(root)
        loaded = load(task)
        before = state()
        allowed = granted(int(task["memory_mb"]))
        write(answers, {"loaded": True, "held_kb": held_kb(owner), "nonce": nonce})
        started = time.monotonic()
        answer = encode(execute(task, loaded, root, watch))
        if os.getpid() == owner:
            allowed.settle()
    except SubjectError as error:
        lift()
        answer = subject_lost(error.kind, str(error))
    except BaseException as error:  # SystemExit and its like end neither worker nor run
        lift()
        answer = _explain(error, task, root)
    finally:
        if os.getpid() != owner:
            os._exit(1)  # a fork of the check came back to here: it has no say
        lift()
        with suppress(Exception):
            sys.stdout.flush()
    changed = put_back(_SOUND)
    if changed:
        answer = broken(Reason.CHECK_RAISED, f"the check left {', '.join(changed[:3])} replaced")
    answer["elapsed_s"] = time.monotonic() - started
    answer["peak_mb"] = peak_mb()
    answer["touched"] = watch.answer()
    left = _left_behind(threads) or bool(changed) or before not in (None, state())
    write(answers, {**answer, "left_behind": left, "nonce": nonce})


def write(answers: TextIO, answer: dict[str, Any]) -> None:
    """One line of the protocol."""
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
    function = member(task["check"])
    entry = next(e for e in registered(function) if e.name == task["check"]["name"])
    return Loaded(
        subject=_subject(task["subject"]),
        function=function,
        needs=entry.needs,
        mutate=member(task["mutant"]) if task["mutant"] else None,
    )


def _subject(named: dict[str, Any] | None) -> Any:
    if named is None:
        return None
    if "door" in named:
        from verify.audit.remote import RemoteSubject  # needs NumPy, as checks of arrays do

        return RemoteSubject(named)
    return member(named)()


class _Context(CheckContext):
    """What a check is given; `watch` hears when it asks for the evaluation records."""

    watch: Watch | None = None

    def __getattribute__(self, name: str) -> Any:
        if name == "evidence_dir" and (watch := object.__getattribute__(self, "watch")):
            watch.asked = True
        return super().__getattribute__(name)


def execute(
    task: dict[str, Any],
    loaded: Loaded,
    root: Path,
    watch: Watch | None = None,
    *,
    shrink: bool = False,
) -> Measurement:
    """Run the check, inside the mutant where there is one; raises what they raise."""
    missing = sorted(set(loaded.needs) - set(getattr(loaded.subject, "capabilities", ())))
    if missing:
        name = getattr(loaded.subject, "name", None)
        reason = f"subject {name} lacks {', '.join(missing)}"
        return Measurement(Outcome.UNKNOWN, reason, cause=Reason.CAPABILITY_MISSING)
    context = _Context(
        clause_id=task["clause"],
        subject=loaded.subject,
        params=task["params"],
        tolerance=task["tolerance"],
        facts=task["facts"],
        specs_dir=root / "specs",
        evidence_dir=Path(task["evidence_dir"]),
        seed=task["seed"],
        examples=task["examples"],
        shrink=shrink,
        trust=task["trust"],
    )
    object.__setattr__(context, "watch", watch)  # frozen, and none of the check's business
    mutation: AbstractContextManager[object] = nullcontext()
    if loaded.mutate is not None:
        mutation = loaded.mutate(loaded.subject, **task["mutant"]["with"])
    with mutation:
        found = loaded.function(context)
    return held_to_clause(found, task)


def mount(root: Path) -> None:
    """Make the pack's code importable, under a name no installed package has."""
    for name in [name for name in sys.modules if name.partition(".")[0] == PACKAGE]:
        del sys.modules[name]  # of another pack
    if str(root) not in sys.path[:1]:
        sys.path.insert(0, str(root))
    folder = root / CONTRACTS
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


def module_of(binding: Mapping[str, Any]) -> str:
    """What defines a registered name, as it is imported."""
    return f"{PACKAGE}.{binding['module']}".rstrip(".")


def member(binding: Mapping[str, Any]) -> Any:
    """The object that carries a registered name; the module is imported on first use."""
    module = importlib.import_module(module_of(binding))
    for entry, value in held(module):
        if entry.role == binding["role"] and entry.name == binding["name"]:
            return value
    raise LookupError(f"{binding['module']}: no {binding['role']} named {binding['name']}")


# -- budgets --------------------------------------------------------------------------------------


def _die_with_parent() -> None:
    """A run that is killed leaves no hanging check behind (Linux; elsewhere nothing happens)."""
    with suppress(AttributeError, OSError):
        set_parent_death_signal = 1  # PR_SET_PDEATHSIG
        ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL)


def _adopt_orphans() -> None:
    """What a check's children leave behind comes to this process, so that it is seen (Linux)."""
    with suppress(AttributeError, OSError):
        set_child_subreaper = 36  # PR_SET_CHILD_SUBREAPER
        ctypes.CDLL(None).prctl(set_child_subreaper, 1)


def _left_behind(threads: set[threading.Thread]) -> bool:
    """Whether a child or a thread that the task began is still there; the dead are buried."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
        return True
    except OSError:  # no child at all
        return not threads.issuperset(threading.enumerate())


# -- what went wrong ------------------------------------------------------------------------------


def _explain(error: BaseException, task: dict[str, Any], root: Path) -> dict[str, Any]:
    message = str(error)
    if isinstance(error, MemoryError) or any(sign in message.lower() for sign in _OUT_OF_MEMORY):
        return broken(Reason.MEMORY_BUDGET, over_budget(task["memory_mb"]))
    if missing := _missing(error):
        remedy = "install what the pack's checks need"
        return broken(Reason.DEPENDENCY_MISSING, f"{missing}; remedy: {remedy}")
    if said := found_by(task, error, root):
        return subject_lost("raised", said)
    with suppress(Exception):  # the check may have replaced sys.stderr
        traceback.print_exception(error)
    frames = traceback.extract_tb(error.__traceback__)
    theirs = [frame for frame in frames if not frame.filename.startswith(_OWN_FOLDER)]
    stack = [f"{shown(f.filename, root)}:{f.lineno} {f.name}" for f in theirs]
    in_pack = [f for f in theirs if of_pack(f.filename, root)]
    at = f" at {shown(in_pack[-1].filename, root)}:{in_pack[-1].lineno}" if in_pack else ""
    first = (message.strip().splitlines() or [""])[0]
    reason = f"the check raised {type(error).__name__}{at}: {first}"
    return broken(Reason.CHECK_RAISED, reason, {"stack": stack[-_FRAMES_KEPT:]} if stack else {})


def found_by(task: dict[str, Any], error: BaseException, root: Path) -> str | None:
    """What the code under test raised; under a mutant a crash is no verdict, whoever raised it."""
    return by_the_code(error, task["code"], root) if task["mutant"] is None else None


def _missing(error: BaseException) -> str:
    """The module or the program that a check needs and that is not there; empty for none."""
    if isinstance(error, ModuleNotFoundError) and _not_installed(error.name):
        return f"the module {error.name} is not installed"
    if isinstance(error, FileNotFoundError) and isinstance(error.filename, str):
        last = traceback.extract_tb(error.__traceback__)[-1:]
        started = any(frame.name == "_execute_child" for frame in last)  # of subprocess
        if started and os.sep not in error.filename and shutil.which(error.filename) is None:
            return f"the program {error.filename} is not installed"
    return ""


def _not_installed(name: str | None) -> bool:
    """Whether a module's package is missing; a missing part of a present one is a defect."""
    package = (name or "").partition(".")[0]
    if not package or package == PACKAGE:
        return False
    try:
        return importlib.util.find_spec(package) is None
    except (ImportError, ValueError):
        return True


_SOUND = functions()  # last: this module's are among them
