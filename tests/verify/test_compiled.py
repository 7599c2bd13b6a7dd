"""A compiled file that is not of its text judges nothing: evidence names texts."""

from __future__ import annotations

import importlib
import importlib.util
import os
import py_compile
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from verify import gate
from verify.audit.host import Limits, hosted
from verify.audit.remote import RemoteSubject
from verify.audit.subject import foreign_subject
from verify.gate import standing
from verify.outcome import Outcome

from .conftest import MiniPack, Result, run_pack

MODES = {"never looked at": py_compile.PycInvalidationMode.UNCHECKED_HASH,
         "of the same second and size": py_compile.PycInvalidationMode.TIMESTAMP}  # fmt: skip


def compiled_otherwise(path: Path, text: str, compiled: str, mode: str) -> None:
    """A text, and beside it the compiled file of another, which Python takes for it."""
    path.write_text(compiled, encoding="utf-8")
    os.utime(path, (1_700_000_000, 1_700_000_000))
    py_compile.compile(
        str(path), importlib.util.cache_from_source(str(path)), doraise=True,
        invalidation_mode=MODES[mode],
    )  # fmt: skip
    assert len(text) == len(compiled)
    path.write_text(text, encoding="utf-8")
    os.utime(path, (1_700_000_000, 1_700_000_000))


modes = pytest.mark.parametrize("mode", MODES)
WRONG, RIGHT = '"one": 2.0', '"one": 1.0'
THREAD = "import threading; threading.Thread(target=threading.Event().wait, daemon=True).start()\n"


@modes
@pytest.mark.parametrize("body", ["", THREAD], ids=["forked", "started"])
def test_a_run_judges_the_text(mini: MiniPack, tmp_path: Path, mode: str, body: str) -> None:
    path = mini.root / "contracts" / "bindings" / "thing.py"
    text = path.read_text(encoding="utf-8") + body
    compiled_otherwise(path, text.replace(RIGHT, WRONG), text, mode)
    (found,) = run_pack(mini, tmp_path / "reports", falsify=False).report.clauses
    assert found.outcome is Outcome.FAIL, found.reason


@modes
def test_a_clause_that_is_replayed_is_that_of_the_text(
    mini: MiniPack, cli: Callable[..., Result], mode: str
) -> None:
    path = mini.root / "contracts" / "bindings" / "thing.py"
    text = path.read_text(encoding="utf-8")
    compiled_otherwise(path, text.replace(RIGHT, WRONG), text, mode)
    assert cli("replay", "THING-001", "--pack", str(mini.root)).code == 1


@modes
@pytest.mark.parametrize("which", ["subject", "beside"])
def test_a_stranger_is_its_texts(tmp_path: Path, which: str, mode: str) -> None:
    lines = {"beside": "FACTOR = {}\n", "subject": "import beside\ndef uncond_weight(alpha):\n"
             "    return alpha * 0 + beside.FACTOR + {}\n"}  # fmt: skip
    for name, text in lines.items():
        path = tmp_path / f"{name}.py"
        compiled_otherwise(path, text.format(3), text.format(1 if name == which else 3), mode)
    subject = foreign_subject(str(tmp_path / "subject.py"), None)
    assert subject is not None
    with hosted(subject, ("uncond_weight",), Limits(call_s=60.0, load_s=60.0)) as host:
        hello = host.start()
        about = {"name": subject.name, "door": host.door, "domain": hello.domain,
                 "capabilities": hello.capabilities}  # fmt: skip
        answer = RemoteSubject(about).uncond_weight(alpha=np.zeros(2, np.float32))
    assert list(answer) == [6.0, 6.0]


@modes
def test_a_program_that_runs_a_compiled_file_of_another_text_is_told_no(
    mini: MiniPack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    engine = mini.write("engine/__init__.py", "ONE = 1\n")
    with (mini.root / "contracts/pack.yaml").open("a") as file:
        file.write("code: [engine]\n")
    run_pack(mini, tmp_path / "reports")
    monkeypatch.syspath_prepend(mini.root)

    def asked() -> tuple[str, ...]:
        importlib.import_module("engine")
        try:
            return standing(
                ["THING-001"], reports=tmp_path / "reports", pack=mini.root, running=engine.parent
            ).obstacles
        finally:
            del sys.modules["engine"]

    assert asked() == ()
    compiled_otherwise(engine, "ONE = 1\n", "ONE = 2\n", mode)
    assert [one for one in asked() if "is of another text" in one]


def test_no_compiled_file_but_those_of_the_package_that_asks_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not the same file of a folder of that name elsewhere, and no library of machine code."""
    engine, other = tmp_path / "engine", tmp_path / "other/engine"
    for folder in (engine, other):
        folder.mkdir(parents=True)
        compiled_otherwise(folder / "one.py", "ONE = 1\n", "ONE = 2\n", "never looked at")
    (engine / "two.so").write_bytes(b"\x7fELF")
    for number, path in enumerate((other / "one.py", engine / "two.so", engine / "one.py")):
        module = ModuleType(f"stand_in_{number}")
        module.__file__ = str(path)
        monkeypatch.setitem(sys.modules, module.__name__, module)
    assert list(gate._compiled_otherwise(None)) == []
    assert list(gate._compiled_otherwise(engine)) == [
        "the compiled file of one.py in __pycache__ is of another text: remove it"
    ]
