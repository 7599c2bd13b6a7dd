"""Hostile and damaged checkpoint files; `fuzz_artifacts.py --files 2000` is the long form."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).with_name("fuzz_artifacts.py")
# faults of a reader that the watcher has to notice, by the order in which they strike
PLANTED = """
CALLS = [0]


def parse(path: Path) -> None:
    CALLS[0] += 1
    if CALLS[0] == 3:
        raise KeyError("planted")
    if CALLS[0] == 4:
        held = bytearray(2 << 30)
    if CALLS[0] == 5 and not path.is_dir():
        os.abort()
    if CALLS[0] >= 5:
        time.sleep(3600)


def replaced("""


def module_of(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_no_hostile_file_crashes_hangs_or_takes_a_gigabyte(
    capsys: pytest.CaptureFixture[str],
) -> None:
    failures = module_of(SCRIPT).run(files=100, seed=20)
    out = capsys.readouterr().out
    assert failures == []
    assert out.count('"files": 100') == 2
    assert out.count('"read"') == 2  # some files are harmless: the readers do read


def test_the_watcher_notices_an_exception_a_lack_of_memory_a_death_and_a_silence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = SCRIPT.read_text()
    root = "ROOT = Path(__file__).resolve().parents[2]"
    for line in (root, "\ndef parse("):
        assert line in text
    text = text.replace(root, f"ROOT = Path({str(SCRIPT.parents[2])!r})")
    text = text.replace("\ndef parse(", PLANTED)
    copy = tmp_path / "fuzz_planted.py"
    copy.write_text(text)
    failures = module_of(copy).run(files=6, seed=0, modes=("parse",), hung_s=2)
    outcomes = {row["outcome"] for row in failures}
    details = " ".join(row["detail"] for row in failures)
    assert {"crash", "killed", "hang"} <= outcomes
    assert "KeyError: 'planted'" in details
    assert "MemoryError" in details
    assert "FAILURE" in capsys.readouterr().out


def test_file_n_of_a_seed_is_always_the_same(tmp_path: Path) -> None:
    fuzz = module_of(SCRIPT)
    fuzz.make_sources(tmp_path)
    for number in range(16):
        made = []
        for run in ("a", "b"):
            place = tmp_path / run
            place.mkdir(exist_ok=True)
            how, path = fuzz.write_case(tmp_path, 7, number, place)
            files = sorted(path.iterdir()) if path.is_dir() else [path]
            made.append((how, [file.read_bytes() for file in files]))
        assert made[0] == made[1]
