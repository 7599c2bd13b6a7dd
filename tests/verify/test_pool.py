"""The pool of workers: what goes wrong before a check runs, and what a worker may see."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from verify.outcome import Outcome, Reason
from verify.report.model import ClauseView
from verify.run.workers import forks, pool, processes

from .conftest import Finished, MiniPack, clause, run_pack


def only(finished: Finished) -> ClauseView:
    (found,) = finished.report.clauses
    return found


def test_bindings_that_cannot_be_imported(mini: MiniPack, tmp_path: Path) -> None:
    mini.write("contracts/bindings/__init__.py", "1 / 0\n")
    found = only(run_pack(mini, tmp_path))
    assert (found.outcome, found.cause) == (Outcome.ERROR, Reason.CHECK_RAISED)
    assert "ZeroDivisionError at contracts/bindings/__init__.py:1" in found.reason


def test_a_subject_that_cannot_be_made(mini: MiniPack, tmp_path: Path) -> None:
    mini.edit("contracts/bindings/thing.py", "def thing():", "def thing():\n    1 / 0")
    assert "the check raised ZeroDivisionError" in only(run_pack(mini, tmp_path)).reason


def test_a_mutant_of_something_that_does_not_exist_is_an_error(
    mini: MiniPack, tmp_path: Path
) -> None:
    mini.edit("contracts/bindings/thing.py", 'subject.values["one"] += by', "subject.wrong += by")
    (falsifier,) = run_pack(mini, tmp_path).report.falsifiers
    assert falsifier.outcome is Outcome.ERROR
    assert not falsifier.killed


def test_an_import_that_never_ends_has_a_limit_of_its_own(
    mini: MiniPack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "IMPORT_LIMIT_S", 1.0)
    monkeypatch.setattr(forks, "LIMIT_S", 1.0)
    mini.edit("contracts/bindings/thing.py", "VALUES =", "import time; time.sleep(60)\nVALUES =")
    found = only(run_pack(mini, tmp_path))
    assert found.outcome is Outcome.TIMEOUT
    assert found.reason == "importing what the check needs took longer than 1 s"


def test_an_answer_beyond_all_bounds_ends_the_worker(
    mini: MiniPack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "ANSWER_LIMIT", 100)
    found = only(run_pack(mini, tmp_path))
    assert found.outcome is Outcome.ERROR
    assert found.reason == "the worker sent an answer of more than 100 bytes"


@pytest.mark.parametrize(
    ("boot", "reason"),
    [
        ("print('hello', flush=True); import time; time.sleep(60)",
         "the worker sent an answer that is not JSON"),
        ("import sys; print('no luck', file=sys.stderr); sys.exit(7)",
         "the worker process died (exit status 7): no luck"),
        ("import os, time; os.close(1); time.sleep(60)",
         "the worker process died (it closed its pipe)"),
    ],
)  # fmt: skip
def test_a_worker_that_does_not_keep_the_protocol(
    mini: MiniPack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, boot: str, reason: str
) -> None:
    monkeypatch.setattr(pool.Worker, "boot", boot)
    monkeypatch.setattr(forks.ForkServer, "fork", lambda *given: None)
    found = only(run_pack(mini, tmp_path))
    assert (found.outcome, found.cause) == (Outcome.ERROR, Reason.WORKER_DIED)
    assert found.reason == reason


def test_a_worker_sees_neither_the_working_directory_nor_its_own_sources_first(
    mini: MiniPack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file json.py beside a user's pack, or a folder verify/, breaks nothing."""
    (tmp_path / "json.py").write_text("raise ImportError('shadowed')")
    (tmp_path / "verify").mkdir()
    (tmp_path / "verify/__init__.py").write_text("raise ImportError('shadowed')")
    monkeypatch.chdir(tmp_path)
    assert only(run_pack(mini, tmp_path / "reports")).outcome is Outcome.PASS


def test_workers_get_their_share_of_threads_and_a_fixed_hash_seed(
    mini: MiniPack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OMP_NUM_THREADS", "PYTHONHASHSEED"):
        monkeypatch.delenv(name, raising=False)
    mini.write(
        "contracts/bindings/env.py",
        """
        import os
        from verify.api import check

        @check("env.tell")
        def tell(ctx):
            names = ("OMP_NUM_THREADS", "PYTHONHASHSEED")
            return ctx.decide(True, "told", details={n: os.environ.get(n) for n in names})
        """,
    )
    mini.clauses = [clause(check="env.tell")]
    found: dict[str, Any] = only(run_pack(mini.save(), tmp_path, jobs=64, falsify=False)).details
    assert found == {"OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "0"}


def test_a_process_that_ends_while_it_is_looked_at_has_no_descendants(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its folder goes between two looks: a run once ended there with an internal error."""

    def gone(self: Path, pattern: str) -> list[Path]:
        raise FileNotFoundError(2, "No such file or directory", str(self))

    monkeypatch.setattr(Path, "glob", gone)
    assert list(processes.descendants(1)) == []
