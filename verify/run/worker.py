"""A worker process: reads tasks as JSON lines, runs one check or mutant at a time, answers.

Run as `python -m verify.run.worker ROOT`. Standard output belongs to the protocol; whatever a check
prints goes to standard error. Only the module that defines a wanted name is imported.
"""

from __future__ import annotations

import base64
import importlib
import importlib.util
import json
import math
import os
import resource
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, TextIO

from verify.api import CheckContext, Measurement, registered
from verify.outcome import Outcome, Reason

PACKAGE = "verify_pack_bindings"
_OUT_OF_MEMORY = ("can't allocate memory", "cannot allocate memory", "not enough memory")


def main() -> None:
    """Serve tasks until standard input ends."""
    root = Path(sys.argv[1])
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    sys.path.insert(0, str(root))
    _mount(root / "contracts" / "bindings")
    for line in sys.stdin:
        serve(json.loads(line), root, answers)


def serve(task: dict[str, Any], root: Path, answers: TextIO) -> None:
    """Run one task and write its answer; a broken check never ends the worker.

    A line `{"loaded": true}` comes first, when imports are done: the time budget starts there.
    """
    started = time.monotonic()
    try:
        loaded = _load(task)
        _write(answers, {"loaded": True})
        _limit_memory(int(task["memory_mb"]))
        started = time.monotonic()
        answer = _run(task, loaded, root)
    except MemoryError:
        answer = _broken(Reason.MEMORY_BUDGET, _over_budget(task))
    except ModuleNotFoundError as error:
        answer = _dependency(error)
    except Exception as error:
        if any(sign in str(error).lower() for sign in _OUT_OF_MEMORY):
            answer = _broken(Reason.MEMORY_BUDGET, _over_budget(task))
        else:
            answer = _broken(Reason.CHECK_RAISED, _describe(error))
    finally:
        _limit_memory(None)
    answer["elapsed_s"] = time.monotonic() - started
    answer["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    _write(answers, answer)


def _write(answers: TextIO, answer: dict[str, Any]) -> None:
    answers.write(json.dumps(answer) + "\n")
    answers.flush()


@dataclass(frozen=True)
class _Loaded:
    """What a task names, imported."""

    subject: Any
    function: Callable[[CheckContext], Measurement]
    needs: tuple[str, ...]
    mutate: Callable[..., AbstractContextManager[object]] | None


def _load(task: dict[str, Any]) -> _Loaded:
    function = _member(task["check"])
    entry = next(e for e in registered(function) if e.name == task["check"]["name"])
    return _Loaded(
        subject=_member(task["subject"])() if task["subject"] else None,
        function=function,
        needs=entry.needs,
        mutate=_member(task["mutant"]) if task["mutant"] else None,
    )


def _run(task: dict[str, Any], loaded: _Loaded, root: Path) -> dict[str, Any]:
    missing = sorted(set(loaded.needs) - set(getattr(loaded.subject, "capabilities", ())))
    if missing:
        name = getattr(loaded.subject, "name", None)
        text = f"subject {name} lacks {', '.join(missing)}"
        return _answer(Measurement(Outcome.UNKNOWN, text, cause=Reason.CAPABILITY_MISSING))
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
    return _answer(measurement)


def _member(binding: dict[str, Any]) -> Any:
    """The object that carries a registered name; the module is imported on first use."""
    module = importlib.import_module(f"{PACKAGE}.{binding['module']}")
    for value in vars(module).values():
        for entry in registered(value):
            if entry.role == binding["role"] and entry.name == binding["name"]:
                return value
    raise LookupError(f"{binding['module']}: no {binding['role']} named {binding['name']}")


def _mount(folder: Path) -> None:
    """Make the pack's bindings importable under a name no installed package has."""
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
    spec.loader.exec_module(module)


def _limit_memory(budget_mb: int | None) -> None:
    """Allow private memory to grow by the budget from here (Linux: RLIMIT_DATA covers mmap)."""
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    soft = hard if budget_mb is None else _data_bytes() + (budget_mb << 20)
    if hard != resource.RLIM_INFINITY and soft != resource.RLIM_INFINITY:
        soft = min(soft, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def _data_bytes() -> int:
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        return 0
    line = next(line for line in status.splitlines() if line.startswith("VmData:"))
    return int(line.split()[1]) * 1024


def _answer(measurement: Measurement) -> dict[str, Any]:
    return {
        "outcome": measurement.outcome,
        "reason": measurement.reason,
        "cause": measurement.cause,
        "measured": _plain(measurement.measured),
        "unit": measurement.unit,
        "axis": measurement.axis,
        "details": _plain(dict(measurement.details)),
        "files": {
            name: base64.b64encode(data).decode("ascii") for name, data in measurement.files.items()
        },
    }


def _plain(value: Any) -> Any:
    """JSON values only; what JSON cannot say (nan, infinities) becomes text."""
    if hasattr(value, "item") and not isinstance(value, (str, bytes)):
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(item) for item in value]
    return value if value is None or isinstance(value, (str, int, bool)) else str(value)


def _broken(cause: Reason, text: str) -> dict[str, Any]:
    return _answer(Measurement(Outcome.ERROR, text, cause=cause))


def _dependency(error: ModuleNotFoundError) -> dict[str, Any]:
    text = f"the module {error.name} is not installed; remedy: install what the pack's checks need"
    return _answer(Measurement(Outcome.UNKNOWN, text, cause=Reason.DEPENDENCY_MISSING))


def _over_budget(task: dict[str, Any]) -> str:
    return (
        f"the check needs more than its budget of {task['memory_mb']} MB; remedy: use less, or "
        "raise budget.memory_mb of the clause"
    )


def _describe(error: Exception) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "?"
    first = str(error).strip().splitlines()
    traceback.print_exc()
    return f"the check raised {type(error).__name__} at {place}: {first[0] if first else ''}"


if __name__ == "__main__":
    main()
