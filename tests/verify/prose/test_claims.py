"""`verify claims` on real bundles: exit codes, places, JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.verify.conftest import Finished, MiniPack, Result, claim, clause, new_pack, run_pack

Cli = Callable[..., Result]

CHECK = """
    from verify.api import check

    @check("thing.fid", needs=("one",))
    def fid(ctx):
        value = 6.31 * ctx.subject.values["one"]
        return ctx.judge(value, f"FID {value}", unit="FID", axis="proxy")
"""


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[MiniPack, Finished]:
    """A pack with an allowed claim, a denied one and a figure on the proxy axis; and its bundle."""
    folder = tmp_path_factory.mktemp("measured")
    pack = new_pack(folder / "pack")
    pack.write("contracts/bindings/fid.py", CHECK)
    tolerance = {"value": 7.0, "unit": "FID", "basis": "a test"}
    pack.clauses += [
        clause(2, check="thing.fid", kind="metric", axis="proxy", tolerance=tolerance,
               statement="FID of the thing stays below 7."),
        clause(3, statement="The thing is right in its third way.", falsifiers=[
            {"thing.two_for_one": {"by": 0.1}}]),
    ]  # fmt: skip
    pack.claims = [claim(clauses=["THING-001"]), claim("CLAIM-THIRD", clauses=["THING-003"])]
    pack.claims[1]["sentence"] = "The third way of {subject} is proven right."
    facts = {"title": "FID of the thing", "facts": {"book": {"value": 1.54, "at": "p. 7"}}}
    pack.data("specs/facts/fid.yaml", {"schema": "verify/facts/1", "topics": {"thing.fid": facts}})
    return pack.save(), run_pack(pack, folder / "reports")


@pytest.fixture
def say(cli: Cli, measured: tuple[MiniPack, Finished], tmp_path: Path) -> Callable[..., Result]:
    """`verify claims` on a text, with the pack and its bundle."""
    pack, finished = measured

    def call(text: str, *options: object, name: str = "a.md") -> Result:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        reports = finished.bundle.parent
        return cli("claims", path, "--pack", pack.root, "--reports", reports, *options)

    return call


def test_an_allowed_sentence_passes_and_a_denied_one_does_not(say: Callable[..., Result]) -> None:
    good = say("The thing is right: 1 of 1, worst 0.\n", "--all")
    assert good.code == 0, good.out
    assert "backed" in good.out
    assert "CLAIM-THING allows it" in good.out
    bad = say("# Title\n\nThe third way of thing is proven right.\n")
    assert bad.code == 1
    assert "a.md:3:1: overclaim: " in bad.out
    assert "CLAIM-THIRD is denied: THING-003 stayed pass under its falsifier" in bad.out
    assert "instead: Not shown: " in bad.out
    assert "(CLAIM-THIRD, denied)" in bad.out


def test_figures_are_held_against_claims_and_facts(say: Callable[..., Result]) -> None:
    assert say("On the proxy axis the thing has FID 6.31.\n").code == 1  # a clause is no claim
    assert say("The book reports FID 1.54.\n").code == 0
    quoted = say("A model of this kind has FID 1.54.\n")
    assert quoted.code == 1
    assert 'needs attribution: "A model of this kind has FID 1.54."' in quoted.out
    assert "instead: The book reports FID 1.54 (p. 7)." in quoted.out


def test_markers_are_listed_and_a_denied_one_fails(say: Callable[..., Result]) -> None:
    excused = say("<!-- no claim: a made-up example -->\nWe reach FID 1.2.\n")
    assert excused.code == 0
    assert "a.md:1: note: a marker, no claim: a made-up example, 1 found" in excused.out
    tied = say("<!-- claim: CLAIM-THING -->\nThe thing is right, worst 0.\n")
    assert tied.code == 0, tied.out
    assert "a marker, claim: CLAIM-THING" in tied.out
    denied = say("<!-- claim: CLAIM-THIRD -->\nIt rains.\n")
    assert denied.code == 1
    assert "CLAIM-THIRD is denied" in denied.out


def test_how_well_it_tells_and_what_it_cannot_read_is_said(say: Callable[..., Result]) -> None:
    out = say("It rains.\n").out
    assert "of this lint: recall " in out
    assert "flagged of each kind: " in out
    assert "it cannot read: " in out


def test_the_last_line_is_the_verdict_with_its_denominators(
    say: Callable[..., Result], measured: tuple[MiniPack, Finished]
) -> None:
    result = say("We reach FID 1.2. The book reports FID 1.54. It rains.\n")
    assert result.out.splitlines()[-1] == (
        "NO-GO: 1 overclaims, 0 need attribution, 0 waived, 0 backed, 1 attributed, "
        "0 marked as no claim: 2 assertions "
        f"in 3 sentences of 1 files; evidence: {measured[1].bundle.name}"
    )


def test_findings_as_data(say: Callable[..., Result], tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    result = say("| model | FID |\n|---|---|\n| ours | 1.2 |\n", "--output", f"json={path}")
    data = json.loads(path.read_text(encoding="utf-8"))
    assert data["schema"] == "verify/prose/1"
    assert data["verdict"] == {"line": result.out.splitlines()[-1], "exit_code": 1}
    (found,) = data["findings"]
    assert data["markers"] == []
    assert 0 < data["accuracy"]["recall"] <= 1
    assert (found["line"], found["column"], found["form"]) == (3, 10, "cell")
    assert (found["ruling"], found["act"], found["waiver"]) == ("overclaim", "figure", None)
    assert found["reason"]
    assert found["instead"]


def test_the_same_text_gives_the_same_answer(say: Callable[..., Result]) -> None:
    text = "We match the book. Our FID is 1.2.\n"
    assert say(text).out == say(text).out


def test_no_bundle_and_a_claim_is_incomplete(cli: Cli, mini: MiniPack, tmp_path: Path) -> None:
    path = tmp_path / "a.md"
    path.write_text("We match the book.\n", encoding="utf-8")
    result = cli("claims", path, "--pack", mini.root)
    assert result.code == 3
    assert "there is no evidence" in result.out
    assert "found no sealed bundle in reports" in result.err
    path.write_text("It rains.\n", encoding="utf-8")
    assert cli("claims", path, "--pack", mini.root).code == 0


def test_usage_errors(cli: Cli, mini: MiniPack, say: Callable[..., Result]) -> None:
    assert cli("claims").code == 2
    missing = cli("claims", "none.md", "--pack", mini.root)
    assert missing.code == 2
    assert "none.md: found a file that cannot be read" in missing.err
    assert say("Text.\n", "--output", "html=a.html").code == 2
    assert say("Text.\n", "--output", "json=no/such/folder.json").code == 2
    broken = say("<!-- verify: waive -->\nText.\n")
    assert broken.code == 2
    assert "a waiver without owner" in broken.err


def test_a_bundle_that_was_edited_is_no_evidence(cli: Cli, mini: MiniPack, tmp_path: Path) -> None:
    bundle = run_pack(mini, tmp_path / "reports", falsify=False).bundle
    report = bundle / "report.json"
    report.write_text(report.read_text(encoding="utf-8").replace("denied", "allowed"), "utf-8")
    path = tmp_path / "a.md"
    path.write_text("Text.\n", encoding="utf-8")
    result = cli("claims", path, "--pack", mini.root, "--reports", tmp_path / "reports")
    assert result.code == 4


def test_evidence_that_is_older_than_the_pack_is_said_to_be(
    cli: Cli, mini: MiniPack, tmp_path: Path
) -> None:
    run_pack(mini, tmp_path / "reports", falsify=False)
    path = tmp_path / "a.md"
    path.write_text("Text.\n", encoding="utf-8")
    call = ("claims", path, "--pack", mini.root, "--reports", tmp_path / "reports")
    assert "older" not in cli(*call).err
    mini.edit("contracts/thing.yaml", "Count again.", "Count once more.")
    assert " is older than the pack, and counts for nothing" in cli(*call).err
