"""Work orders in their order, a ledger that cannot be edited, and status from evidence only."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from verify.cli import cli
from verify.harness import run
from verify.hunt.ledger import LEDGER
from verify.report.bundle import latest

TWINS = Path(__file__).parents[3] / "examples/twins"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The example with sealed bundles: of everything, of RANDOM alone, without falsifiers."""
    root = tmp_path_factory.mktemp("hunt") / "twins"
    shutil.copytree(TWINS, root, ignore=shutil.ignore_patterns("__pycache__"))
    found = {"root": root}
    for name, selectors, falsify in (
        ("bare", ["RANDOM-001"], False), ("random", ["RANDOM-001"], True),
        ("steps", ["STEPS-00?"], True), ("whole", [], True),
    ):  # fmt: skip
        run(root, selectors, reports=root / name, falsify=falsify)
        bundle = latest(root / name)
        assert bundle is not None
        found[name] = bundle
    return found


@pytest.fixture
def hunt(runs: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> Any:
    """Commands in the example, whose ledger is empty at first; evidence is the whole run."""
    root = runs["root"]
    (root / LEDGER).unlink(missing_ok=True)
    monkeypatch.chdir(root)

    def call(*words: object) -> tuple[int, str]:
        result = CliRunner().invoke(cli, [str(word) for word in words], standalone_mode=False)
        if result.exception is not None:
            return -1, f"{type(result.exception).__name__}: {result.exception}"
        return result.return_value or 0, result.output

    return call


def add(hunt: Any, order: str, bundle: Path, *words: str) -> tuple[int, str]:
    found: tuple[int, str] = hunt(
        "attempt", "add", order, "--bundle", bundle, "--reports", "whole", *words
    )
    return found


def stands(hunt: Any, reports: str = "whole") -> dict[str, str]:
    _, text = hunt("next", "--reports", reports)
    lines = [line.split() for line in text.splitlines() if not line.startswith(("    ", "note"))]
    return {line[1]: line[0] for line in lines}


def test_a_pack_that_was_named_is_named_in_what_comes_next(
    hunt: Any, runs: dict[str, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    reports = runs["root"] / "whole"
    assert "--pack" not in hunt("next", "--reports", reports)[1]
    monkeypatch.chdir(tmp_path)
    _, text = hunt("next", "--pack", runs["root"], "--reports", reports)
    assert f"    run: verify run --pack {runs['root']} '" in text
    assert f"    then: verify attempt add WO-0001 --bundle BUNDLE --pack {runs['root']}" in text


def test_orders_are_discharged_one_after_the_other(hunt: Any, runs: dict[str, Path]) -> None:
    assert stands(hunt) == {"WO-0001": "ready", "WO-0002": "waiting", "WO-0003": "waiting"}
    code, text = add(hunt, "WO-0001", runs["whole"], "--note", "as it is")
    assert code == 0, text
    assert "WO-0001 1/1 hold, bundle" in text
    assert stands(hunt) == {"WO-0001": "discharged", "WO-0002": "ready", "WO-0003": "waiting"}
    assert add(hunt, "WO-0002", runs["whole"])[0] == 0
    assert add(hunt, "WO-0003", runs["whole"])[0] == 0
    assert set(stands(hunt).values()) == {"discharged"}
    assert hunt("next", "--reports", "whole")[0] == 0


def test_out_of_order_is_refused(hunt: Any, runs: dict[str, Path]) -> None:
    _, text = add(hunt, "WO-0002", runs["whole"])
    assert "UsageError: WO-0002: found that it waits for WO-0001" in text
    assert not LEDGER.exists()


def test_without_the_control_an_attempt_is_refused(hunt: Any, runs: dict[str, Path]) -> None:
    add(hunt, "WO-0001", runs["whole"])
    _, text = add(hunt, "WO-0002", runs["steps"])
    assert "found no RANDOM-001 in bundle" in text
    assert "the control was not run again" in text


def test_a_run_without_falsifiers_discharges_nothing(hunt: Any, runs: dict[str, Path]) -> None:
    code, text = add(hunt, "WO-0001", runs["bare"])
    assert code == 1
    assert "0/1 hold" in text
    assert stands(hunt)["WO-0001"] == "ready"


def test_a_fallback_is_labelled_and_opens_nothing(hunt: Any, runs: dict[str, Path]) -> None:
    code, text = add(hunt, "WO-0001", runs["whole"], "--fallback", "no compiler there")
    assert code == 1
    assert "FALLBACK (no compiler there)" in text
    assert stands(hunt) == {"WO-0001": "ready", "WO-0002": "waiting", "WO-0003": "waiting"}


def test_what_held_and_does_not_hold_now_is_stale(hunt: Any, runs: dict[str, Path]) -> None:
    add(hunt, "WO-0001", runs["whole"])
    assert stands(hunt, "nothing")["WO-0001"] == "stale"
    assert stands(hunt, "nothing")["WO-0002"] == "waiting"


def test_one_bundle_is_one_attempt(hunt: Any, runs: dict[str, Path]) -> None:
    add(hunt, "WO-0001", runs["whole"])
    _, text = add(hunt, "WO-0001", runs["whole"])
    assert "found an attempt of bundle" in text
    assert len(LEDGER.read_text(encoding="utf-8").splitlines()) == 1


@pytest.mark.parametrize("edit", ["figure", "order", "dropped", "cut"])
def test_an_edited_ledger_is_refused(hunt: Any, runs: dict[str, Path], edit: str) -> None:
    add(hunt, "WO-0001", runs["bare"])
    add(hunt, "WO-0001", runs["random"])
    lines = LEDGER.read_text(encoding="utf-8").splitlines(keepends=True)
    edited = {
        "figure": [lines[0].replace('"killed":0', '"killed":2'), lines[1]],
        "order": lines[::-1],
        "dropped": lines[1:],
        "cut": [lines[0], lines[1][:-20]],
    }[edit]
    assert edited != lines
    LEDGER.write_text("".join(edited), encoding="utf-8")
    assert hunt("attempt", "list")[1].startswith("IntegrityError: ")
    assert hunt("next", "--reports", "whole")[1].startswith("IntegrityError: ")


def test_status_is_computed_and_a_pending_falsifier_caps_it(
    hunt: Any, runs: dict[str, Path]
) -> None:
    def status(reports: str) -> dict[str, str]:
        text = hunt("status", "--reports", reports, "--json")[1]
        rows = json.loads(text[text.index("{") :])["contracts"]
        return {row["contract"]: row["status"] for row in rows}

    assert status("nothing") == {"STEPS": "proposed", "RANDOM": "proposed"}
    assert status("bare") == {"STEPS": "proposed", "RANDOM": "partial"}
    assert status("steps") == {"STEPS": "partial", "RANDOM": "proposed"}
    assert status("whole") == {"STEPS": "discharged", "RANDOM": "discharged"}
    order = Path("specs/work-orders/0001-random.yaml")
    sound = order.read_text(encoding="utf-8")
    pending = "pending:\n- {clause: RANDOM-001, mistake: another seed, because: not written yet}\n"
    try:
        order.write_text(sound + pending, encoding="utf-8")
        assert status("whole") == {"STEPS": "discharged", "RANDOM": "functional"}
        assert (
            "RANDOM-001 has a falsifier pending: another seed"
            in hunt("status", "--reports", "whole")[1]
        )
    finally:
        order.write_text(sound, encoding="utf-8")


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("waits_for: [WO-0001]", "waits_for: [WO-0009]", "waits_for[0]: found WO-0009"),
        ("waits_for: [WO-0001]", "waits_for: [WO-0003]", "WO-0002 waits for itself"),
        ('clauses: ["STEPS-00?"]', "clauses: [STEP-1]", "STEP-1, which names no clause"),
        ("replay.py]", "absent.py]", "absent.py, which is not there"),
        ("id: WO-0002", "id: WO-0001", "WO-0001, which specs/work-orders/0001-random.yaml is too"),
        ("title:", "titel:", "titel"),
    ],
)
def test_lint_refuses_an_order_that_cannot_be_worked(
    hunt: Any, before: str, after: str, said: str
) -> None:
    order = Path("specs/work-orders/0002-steps.yaml")
    sound = order.read_text(encoding="utf-8")
    assert before in sound
    try:
        order.write_text(sound.replace(before, after), encoding="utf-8")
        text = hunt("lint")[1]
    finally:
        order.write_text(sound, encoding="utf-8")
    assert text.startswith("PackError")
    assert said in text
