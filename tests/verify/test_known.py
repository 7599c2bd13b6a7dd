"""What is known now: the latest current judgement of each clause, over all bundles."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from verify.card.model import CARD
from verify.known import Known, known
from verify.outcome import Outcome
from verify.problems import IntegrityError
from verify.report.bundle import EVIDENCE, MANIFEST, newest_first
from verify.spec import digests

from .conftest import Finished, MiniPack, Result, claim, clause, run_pack

Cli = Callable[..., Result]

READER = """
    from verify.api import check

    @check("reader.asks", needs=("one",))
    def asks(ctx):
        off = abs(ctx.subject.values["one"] - 1.0)
        return ctx.judge(off if (ctx.evidence_dir / "fid.json").exists() else 9.0, "asked")

    @check("reader.opens", needs=("one",))
    def opens(ctx):
        off = abs(ctx.subject.values["one"] - float((ctx.specs_dir.parent / "x.txt").read_text()))
        return ctx.judge(off, "opened")
"""


@pytest.fixture
def pack(mini: MiniPack) -> MiniPack:
    """Two clauses; the second looks at the evaluation records."""
    mini.write("contracts/bindings/reader.py", READER)
    mini.clauses = [clause(1), clause(2, check="reader.asks")]
    return mini.save()


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    folder = tmp_path / "reports"
    (folder / "evaluations").mkdir(parents=True)
    (folder / "evaluations" / "fid.json").write_text("{}")
    return folder


def ran(pack: MiniPack, reports: Path, **options: object) -> Finished:
    return run_pack(pack, reports, evidence_dir=reports / "evaluations", **options)  # type: ignore[arg-type]


def asked(pack: MiniPack, reports: Path) -> Known:
    return known(pack.load(), reports)


def outcomes(now: Known) -> dict[str, Outcome]:
    assert now.report is not None
    return {view.id: view.outcome for view in now.report.clauses}


def test_one_whole_bundle_is_known_as_it_was_recorded(pack: MiniPack, reports: Path) -> None:
    found = ran(pack, reports)
    now = asked(pack, reports)
    assert now.report is not None
    assert now.report.clauses == found.report.clauses
    assert now.report.falsifiers == found.report.falsifiers
    assert now.report.claims == found.report.claims
    assert now.report.verdict == found.report.verdict
    assert now.report.score == found.report.score
    assert (now.name, now.notes) == (found.bundle.name, ())


def test_deleted_evaluation_records_take_the_clauses_that_asked_for_them(
    pack: MiniPack, reports: Path
) -> None:
    ran(pack, reports)
    (reports / "evaluations" / "fid.json").unlink()
    now = asked(pack, reports)
    assert outcomes(now) == {"THING-001": Outcome.PASS, "THING-002": Outcome.UNKNOWN}
    assert "judged on other evaluation records" in now.stale["THING-002"]
    assert now.report is not None
    assert now.report.verdict.word == "NO-GO"
    assert now.report.claims[0].scope == "denied"


def test_another_harness_makes_all_evidence_stale(
    pack: MiniPack, reports: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran(pack, reports)
    monkeypatch.setattr(digests, "harness_digest", lambda: "0" * 64)
    now = asked(pack, reports)
    assert now.report is None
    assert "older than the harness" in now.notes[0]


def test_a_file_that_a_check_read_takes_that_clause_alone(pack: MiniPack, reports: Path) -> None:
    pack.write("x.txt", "1\n")
    pack.clauses.append(clause(3, check="reader.opens"))
    ran(pack.save(), reports)
    assert set(outcomes(asked(pack, reports)).values()) == {Outcome.PASS}
    pack.write("x.txt", "1.1\n")
    now = asked(pack, reports)
    assert [name for name, found in outcomes(now).items() if found is not Outcome.PASS] == [
        "THING-003"
    ]
    assert "older than x.txt" in now.stale["THING-003"]


def test_code_that_was_really_imported_is_pinned_outside_of_the_pack_too(
    pack: MiniPack, reports: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = pack.root.parent / "foreign"
    folder.mkdir()
    module = folder / "foreign_values.py"
    module.write_text("ONE = 1.0\n")
    monkeypatch.setenv("PYTHONPATH", str(folder))
    pack.edit("contracts/bindings/thing.py", 'VALUES = {"one": 1.0}',
              'from foreign_values import ONE\n\nVALUES = {"one": ONE}')  # fmt: skip
    found = ran(pack, reports)
    assert asked(pack, reports).report is not None
    assert str(pack.root.parent) not in (found.bundle / EVIDENCE).read_text()
    module.write_text("ONE = 3.0\n")
    now = asked(pack, reports)
    assert now.report is None
    assert "foreign_values.py, and counts for nothing" in now.notes[0]
    module.unlink()
    assert asked(pack, reports).report is None


def test_a_partial_run_does_not_shadow_a_whole_one_and_each_clause_says_its_bundle(
    pack: MiniPack, reports: Path
) -> None:
    whole = ran(pack, reports)
    part = ran(pack, reports, only=["THING-002"])
    now = asked(pack, reports)
    assert now.sources == {"THING-001": whole.bundle.name, "THING-002": part.bundle.name}
    assert now.report is not None
    assert now.report.verdict.word == "GO"
    assert now.report.claims[0].scope == "allowed"
    assert any("judged in several bundles" in note for note in now.notes)


def failing_where(pack: MiniPack) -> Path:
    """A file outside of all pins, where THING-002 fails as long as it is there."""
    flag = pack.root.parent / "flag"
    bad = f"import os\nfrom verify.api import check\nBAD = os.path.exists({str(flag)!r})"
    pack.edit("contracts/bindings/reader.py", "from verify.api import check", bad)
    pack.edit("contracts/bindings/reader.py", '"fid.json").exists() else',
              '"fid.json").exists() and not BAD else')  # fmt: skip
    return flag


def test_the_latest_bad_news_counts_and_a_pass_of_less_does_not_undo_it(
    pack: MiniPack, reports: Path
) -> None:
    """The check's answer depends on something that no pin covers; both runs are current."""
    flag = failing_where(pack)
    ran(pack, reports)
    flag.touch()
    ran(pack, reports, only=["THING-002"])
    assert outcomes(asked(pack, reports))["THING-002"] is Outcome.FAIL
    flag.unlink()
    ran(pack, reports, falsify=False)
    ran(pack, reports, profile="quick")
    assert outcomes(asked(pack, reports))["THING-002"] is Outcome.FAIL
    ran(pack, reports)
    assert outcomes(asked(pack, reports))["THING-002"] is Outcome.PASS


def test_a_pass_under_another_seed_undoes_no_failure(pack: MiniPack, reports: Path) -> None:
    """Whoever went on drawing seeds until one passed was GO, and a counterexample was forgotten."""
    pack.edit("contracts/bindings/reader.py", '"fid.json").exists() else',
              '"fid.json").exists() and ctx.seed != 3 else')  # fmt: skip
    ran(pack, reports)
    failing = ran(pack, reports, seed=3)
    for seed in (0, 4, 5):
        ran(pack, reports, seed=seed)
    now = asked(pack, reports)
    assert outcomes(now) == {"THING-001": Outcome.PASS, "THING-002": Outcome.FAIL}
    assert now.sources["THING-002"] == failing.bundle.name


def test_a_failure_is_undone_under_its_own_seed_whatever_was_drawn_since(
    pack: MiniPack, reports: Path
) -> None:
    """The check's answer depends on something that no pin covers."""
    flag = failing_where(pack)
    flag.touch()
    ran(pack, reports, seed=3)
    flag.unlink()
    ran(pack, reports, seed=3, profile="quick")
    ran(pack, reports, seed=7)
    assert outcomes(asked(pack, reports))["THING-002"] is Outcome.FAIL
    ran(pack, reports, seed=3)
    ran(pack, reports, seed=7)
    assert outcomes(asked(pack, reports))["THING-002"] is Outcome.PASS


def test_a_falsifier_that_survived_under_another_seed_goes_on_surviving(
    pack: MiniPack, reports: Path
) -> None:
    pack.edit("contracts/bindings/thing.py", "off = abs(", "off = (ctx.seed != 3) * abs(")
    ran(pack, reports, seed=3)
    ran(pack, reports)
    now = asked(pack, reports)
    assert now.report is not None
    assert [run.clause for run in now.report.survivors] == ["THING-001"]


def test_a_pass_without_falsifiers_does_not_take_the_place_of_one_with(
    pack: MiniPack, reports: Path
) -> None:
    whole = ran(pack, reports)
    ran(pack, reports, falsify=False)
    ran(pack, reports, profile="quick")
    ran(pack, reports, stop_after=1)
    now = asked(pack, reports)
    assert set(now.sources.values()) == {whole.bundle.name}
    assert now.report is not None
    assert now.report.verdict.word == "GO"


def test_a_bundle_about_another_subject_or_pack_counts_for_nothing(
    pack: MiniPack, reports: Path
) -> None:
    other = '@subject("thing")\ndef thing():'
    pack.edit("contracts/bindings/thing.py", other,
              '@subject("other")\ndef other():\n    return thing()\n\n\n' + other)  # fmt: skip
    ran(pack, reports, subject="other")
    now = asked(pack, reports)
    assert now.report is None
    assert "about the subject other" in now.notes[0]
    ran(pack, reports)
    pack.edit("contracts/pack.yaml", "pack: mini", "pack: maxi")
    assert any("about the pack mini" in note for note in asked(pack, reports).notes)


def test_the_latest_is_found_by_the_evidence_and_a_renamed_bundle_is_damaged(
    pack: MiniPack, reports: Path
) -> None:
    first, second = ran(pack, reports), ran(pack, reports)
    assert newest_first(reports) == [second.bundle, first.bundle]
    renamed = first.bundle.rename(first.bundle.with_name("99990101T000000Z-0123456789"))
    assert newest_first(reports) == [second.bundle, renamed]
    now = asked(pack, reports)
    assert [one.name for one in now.damaged] == [renamed.name]
    with pytest.raises(IntegrityError, match="found a folder of this name"):
        now.intact()


def test_a_stale_bundle_may_be_damaged(pack: MiniPack, reports: Path) -> None:
    old = ran(pack, reports)
    (old.bundle / "report.md").write_text("GO")
    assert asked(pack, reports).damaged
    pack.edit("contracts/thing.yaml", "value: 0.5", "value: 0.4")
    found = ran(pack, reports)
    now = asked(pack, reports)
    assert (now.damaged, now.name) == ((), found.bundle.name)


# -- the commands ---------------------------------------------------------------------------------

SAID = "The thing is right: 1 of 1, worst 0.0 units on THING-001."


def test_an_edited_engine_leaves_nothing_backed(mini: MiniPack, cli: Cli) -> None:
    mini.claims = [{**claim(), "sentence": "The loss of {subject} is identical to the release."}]
    mini.save()
    assert cli("run", "--pack", mini.root).code == 0
    Path("text.md").write_text("The loss of thing is identical to the release.\n")
    ask = ("claims", "--all", "--pack", mini.root, "text.md")
    before = cli(*ask)
    mini.edit("contracts/bindings/thing.py", "VALUES = ", "# changed\nVALUES = ")
    after = cli(*ask)
    assert (before.code, ": backed:" in before.out) == (0, True)
    assert (after.code, ": backed:" in after.out) == (3, False)
    assert "1 backed" not in after.out
    assert "older than the code" in after.err
    for command in ("card", "score"):
        found = cli(command, "--pack", mini.root)
        assert (found.code, "GO" in found.out) == (3, False)
    told = cli("explain", "THING-001", "--pack", mini.root)
    assert "evidence    none that is current" in told.out
    assert "older than the code" in told.out


def test_explain_names_the_bundle_of_the_clause_and_not_the_last_one(
    mini: MiniPack, cli: Cli
) -> None:
    mini.clauses = [clause(1), clause(2)]
    mini.save()
    cli("run", "--pack", mini.root)
    (whole,) = (path for path in Path("reports").iterdir())
    cli("run", "THING-002", "--pack", mini.root)
    found = cli("explain", "THING-001", "--pack", mini.root).out
    assert f"evidence    {whole.name}, subject thing" in found
    assert whole.name not in cli("explain", "THING-002", "--pack", mini.root).out


def test_a_card_of_a_stale_bundle_is_refused(mini: MiniPack, cli: Cli) -> None:
    repository = Path(__file__).parents[2]
    (mini.root / CARD).parent.mkdir(exist_ok=True)
    shutil.copy(repository / CARD, mini.root / CARD)
    mini.edit(CARD, "describe:", "# describe:")
    cli("run", "--pack", mini.root)
    (bundle,) = Path("reports").iterdir()
    assert cli("card", bundle, "--pack", mini.root).code == 0
    mini.edit("contracts/bindings/thing.py", "VALUES = ", "# changed\nVALUES = ")
    for place in ((bundle,), ()):
        found = cli("card", *place, "--pack", mini.root)
        assert (found.code, found.out) == (3, "")
        assert "older than the code" in found.err


def test_the_gate_of_programs_goes_by_the_same_answer(pack: MiniPack, reports: Path) -> None:
    from verify.gate import standing

    whole = ran(pack, reports)
    part = ran(pack, reports, only=["THING-002"])
    now = standing([], reports=reports, pack=pack.root)
    assert now.green
    assert set(str(now.bundle).split(" and ")) == {whole.bundle.name, part.bundle.name}
    (reports / "evaluations" / "fid.json").write_text("other")
    assert standing(["THING-001"], reports=reports, pack=pack.root).green
    closed = standing([], reports=reports, pack=pack.root)
    assert not closed.green
    assert "judged on other evaluation records" in closed.obstacles[0]


def test_the_head_of_the_evidence_says_what_was_judged(pack: MiniPack, reports: Path) -> None:
    found = ran(pack, reports)
    lines = [json.loads(line) for line in (found.bundle / EVIDENCE).read_text().splitlines()]
    assert set(lines[0]["data"]["digests"]) >= {"pack", "code", "specs", "harness", "evaluations"}
    (touched,) = (line["data"] for line in lines if line["kind"] == "touched")
    assert "contracts/bindings/thing.py" in touched["imports"]
    asked_for = {line["data"]["id"]: line["data"]["evaluations"]
                 for line in lines if line["kind"] == "clause"}  # fmt: skip
    assert asked_for == {"THING-001": False, "THING-002": True}


@pytest.mark.parametrize(
    "head",
    [
        '{"data": {"pack": "mini", "subject": "thing", "digests": []}}',
        '{"data": {"pack": "mini", "subject": "thing", "digests": null, "clauses": 5}}',
        '{"data": {"pack": "other", "clauses": [{"id": []}, {"id": {}}, 5]}}',
        '{"data": {"pack": "mini", "pack": "other", "started": {}}}',
        "[" * 100_000,
        '{"data": 5}',
        "",
    ],
)
def test_a_bundle_whose_head_is_nonsense_hides_no_other(
    pack: MiniPack, reports: Path, head: str
) -> None:
    found = ran(pack, reports)
    odd = reports / "20270101T000000Z-0123456789"
    odd.mkdir()
    (odd / EVIDENCE).write_text(head + "\n")
    (odd / MANIFEST).write_text("")
    now = asked(pack, reports)
    assert now.report is not None
    assert now.report.clauses == found.report.clauses
    assert odd.name in " ".join(now.notes)


def test_a_pipe_in_place_of_evidence_is_not_waited_for(pack: MiniPack, reports: Path) -> None:
    found = ran(pack, reports)
    odd = reports / "20270101T000000Z-0123456789"
    odd.mkdir()
    os.mkfifo(odd / EVIDENCE)
    (odd / MANIFEST).write_text("")
    now = asked(pack, reports)
    assert now.report is not None
    assert now.report.clauses == found.report.clauses
