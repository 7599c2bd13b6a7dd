"""The worked audit that needs no environment of its own, and hostile subjects, by command.

The other two audits run in `.ci/nightly`, which makes their environments.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
AUDITS = ROOT / "examples" / "audits"


@dataclass(frozen=True)
class Audited:
    """What the command left behind."""

    code: int
    out: str
    err: str
    report: dict[str, Any]

    @property
    def outcomes(self) -> dict[str, str]:
        return {clause["id"]: clause["outcome"] for clause in self.report["clauses"]}


def audit(folder: Path, subject: Path, *options: str) -> Audited:
    kept = folder / "report.json"
    to = ["--reports", str(folder / "reports"), "--output", f"json={kept}"]
    audited = ["audit", str(subject), "--pack", str(ROOT), *to, *options]
    command = [sys.executable, "-m", "verify", *audited]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=folder, env={**os.environ, "PYTHONPATH": ""}
    )
    report = json.loads(kept.read_text(encoding="utf-8")) if kept.is_file() else {}
    return Audited(done.returncode, done.stdout, done.stderr, report)


@pytest.mark.nightly
def test_the_transcription_agrees_by_command(tmp_path: Path) -> None:
    found = audit(tmp_path, AUDITS / "textbook_numpy.py")
    assert found.code == 0, found.out + found.err
    assert found.out.splitlines()[-1].startswith("AGREES: 14 of 65 clauses judged, 14 agree, 0 ")
    assert "GO:" not in found.out
    assert set(found.outcomes.values()) == {"pass"}
    told = found.report["about"]["audit"]
    assert len(told["trusted"]) == 14
    assert told["provenance"]["subject_file"] == "textbook_numpy.py"
    sealed = [path for path in (tmp_path / "reports").iterdir() if path.name.startswith("2")]
    assert len(sealed) == 2
    for bundle in sealed:
        checked = subprocess.run(
            [sys.executable, "-m", "verify", "bundle", "check", str(bundle)], capture_output=True
        )
        assert checked.returncode == 0, checked.stderr


ONE = ("--clause", "AUDIT-001", "--clause", "AUDIT-012")


def written(folder: Path, body: str) -> Path:
    path = folder / "mine.py"
    path.write_text("import numpy as np\n" + textwrap.dedent(body), encoding="utf-8")
    return path


HOSTILE = {
    "NaN": ("return gen[:, 0, 0] * np.nan, gen", "DEPARTS", 1, "not finite"),
    "a wrong shape": ("return gen, gen", "DEPARTS", 1, "the loss has the shape"),
    "text": ("return 'loss', gen", "DEPARTS", 1, "no array of numbers"),
    "one array": ("return gen", "DEPARTS", 1, "expected a pair"),
    "an exception": ("raise ZeroDivisionError('x')", "DEPARTS", 1, "ZeroDivisionError: x"),
    "an exit": ("import os; os._exit(0)", "DEPARTS", 1, "exit status 0"),
    "a hang": ("while True: pass", "INCOMPLETE", 3, "no answer within its budget"),
    "no bound": ("x = []\n    while True: x.append(np.ones(4_000_000))", "INCOMPLETE", 3, "emory"),
}


FIRST = ("NaN",)  # the others nightly; tests/verify/audit/test_host.py has each way of ending


@pytest.mark.parametrize(
    "kind",
    [pytest.param(k, marks=() if k in FIRST else pytest.mark.nightly) for k in HOSTILE],
)
def test_hostile_answers_have_a_clear_outcome(tmp_path: Path, kind: str) -> None:
    body, word, code, said = HOSTILE[kind]
    seconds = "1" if kind == "a hang" else "60"
    path = written(tmp_path, f"def drift_loss_and_gradient(gen, pos, temperatures):\n    {body}\n")
    found = audit(tmp_path, path, *ONE, "--call-seconds", seconds, "--memory-mb", "900")
    assert found.code == code, found.out + found.err
    assert found.out.splitlines()[-1].startswith(f"{word}: ")
    assert said in found.out


@pytest.mark.nightly
def test_a_subject_that_looks_for_the_test_finds_nothing(tmp_path: Path) -> None:
    body = """
    import os
    SEEN = [name for name in os.environ if "VERIFY" in name or "PYTEST" in name or name == "CI"]
    def drift_loss_and_gradient(gen, pos, temperatures):
        if SEEN:
            raise KeyError(SEEN)
        return gen.mean((1, 2)), gen
    """
    found = audit(tmp_path, written(tmp_path, body), *ONE)
    assert found.report["verdict"]["word"] == "DEPARTS"
    assert "KeyError" not in found.out


@pytest.mark.nightly
def test_a_subject_that_replays_a_recording_is_found_out(tmp_path: Path) -> None:
    body = f"""
    from pathlib import Path
    import json
    def drift_loss_and_gradient(gen, pos, temperatures):
        return np.ones(len(gen), np.float32), np.ones_like(gen)
    KEPT = {str(ROOT / "specs" / "golden")!r}
    """
    found = audit(tmp_path, written(tmp_path, body), "--clause", "AUDIT-012")
    assert found.outcomes["AUDIT-012"] == "fail"
    assert "the answer is the same" in found.out


def test_init_writes_a_stub_that_a_first_audit_reads(tmp_path: Path) -> None:
    stub = tmp_path / "mine.py"
    made = subprocess.run(
        [sys.executable, "-m", "verify", "audit", "init", str(stub), "--pack", str(ROOT)],
        capture_output=True,
        text=True,
    )
    assert made.returncode == 0, made.stderr
    found = audit(tmp_path, stub)
    assert found.code == 3
    assert found.out.splitlines()[-1].startswith("INCOMPLETE: 0 of 65 clauses judged")
    again = subprocess.run(
        [sys.executable, "-m", "verify", "audit", "init", str(stub), "--pack", str(ROOT)],
        capture_output=True,
    )
    assert again.returncode == 2


def test_without_falsifiers_nothing_counts(tmp_path: Path) -> None:
    found = audit(tmp_path, AUDITS / "textbook_numpy.py", *ONE, "--no-falsify")
    assert found.code == 3
    assert "INCOMPLETE: 0 of 2 clauses judged" in found.out


@pytest.mark.nightly
def test_run_takes_a_file_for_a_subject(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "verify", "run", "AUDIT-00[12]", "--subject",
               str(AUDITS / "textbook_numpy.py"), "--reports", str(tmp_path)]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].startswith("AGREES: 2 of 2 clauses judged, 2 agree")


def test_run_asks_a_file_nothing_about_the_pack(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "verify", "run", "T8-*", "--subject",
               str(AUDITS / "textbook_numpy.py"), "--reports", str(tmp_path)]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 3
    assert "nothing selected that can be asked of textbook_numpy.py" in done.stderr


@pytest.mark.nightly
def test_diff_of_two_audits_says_what_was_mended_and_which_code_it_was(tmp_path: Path) -> None:
    path = tmp_path / "textbook.py"
    text = (AUDITS / "textbook_numpy.py").read_text(encoding="utf-8")
    text = text.replace("affinity * w[", "affinity * np.sqrt(w)[")
    bundles = []
    for floor in ("1e-12", "1e-6"):
        path.write_text(text.replace("1e-6)", f"{floor})"), encoding="utf-8")
        found = audit(tmp_path, path, "--clause", "AUDIT-001", "--clause", "AUDIT-020")
        bundles.append(found.out.splitlines()[-2].removeprefix("bundle "))
    done = differs(*bundles)
    assert done.returncode == 1
    lines = [line.split("\t") for line in done.stdout.splitlines()]
    assert ["mistake", "affinity floor 1e-12", "made", "-> not made", "mended"] in lines
    assert [line[-1] for line in lines if line[:2] == ["clause", "AUDIT-001"]] == ["mended"]
    assert "square root of the weight" not in done.stdout
    assert "audited subject_sha256" in done.stdout
    assert "2 mended, 0 broken" in done.stdout
    rows = json.loads(differs("--json", *reversed(bundles)).stdout)
    assert {row["name"] for row in rows if row["word"] == "broken"} == {
        "AUDIT-001",
        "affinity floor 1e-12",
    }
    assert differs(bundles[0], bundles[0]).returncode == 0


def differs(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "verify", "diff", *words]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.mark.nightly
def test_a_loss_of_torch_in_a_module_agrees(tmp_path: Path) -> None:
    """This engine through the door for strangers: `module:name`, differentiated for it."""
    found = audit(tmp_path, Path("drift.loss:drift_loss"))
    assert found.code == 0, found.out + found.err
    assert found.out.splitlines()[-1].startswith("AGREES: 14 of 65 clauses judged, 14 agree")
