"""One claim in fifteen stages of a repository, each run, sealed and read back from its bundle.

From a repository in which nothing was measured to one with paper-eval at 50,000 samples and three
seeds: the tier, the form and the very sentence that each may publish, and how it gets further.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from verify.report.bundle import check
from verify.report.console import summary
from verify.report.model import Report
from verify.scope import ClaimVerdict, Form, Scope, Tier

from .conftest import Finished, MiniPack, run_pack
from .signing import key, sign_record

PACK = Path(__file__).parent / "stages" / "pack"
DIGEST = "a" * 64
PAPER = {"value": 1.5, "axis": "paper-eval", "samples": 50_000, "seeds": 3,
         "extractor_sha256": DIGEST}  # fmt: skip
STRICT = "thing reaches the book's figure on 50,000 samples of 3 seeds (paper-eval)."
BOUNDED = "On repo-eval only, thing measures 1.5 FID on {} samples."
MEASURE = "measure --count 5000; verify sign RECORD; verify run STAGE-FID"
MEASURE_MORE = "measure --count 50000 --seeds 3; verify sign RECORD; verify run STAGE-FID"
SIGN = "verify sign figure.json; verify run STAGE-FID"
WAIVER = {"clause": "STAGE-001", "owner": "the owner", "reason": "known", "expires": "2999-01-01"}
Change = Callable[[MiniPack], None]


def broken(pack: MiniPack) -> None:
    pack.edit("contracts/bindings/stage.py", '"one": 1.0', '"one": 2.0')


def waived(expires: str) -> Change:
    def change(pack: MiniPack) -> None:
        broken(pack)
        waivers = [{**WAIVER, "expires": expires}]
        pack.data("contracts/waivers.yaml", {"schema": "verify/waivers/1", "waivers": waivers})

    return change


def unseen_mistake(pack: MiniPack) -> None:
    old = "- stage.worse"
    pack.edit("contracts/stage.yaml", old, f"{old}\n      - stage.nothing")


def undecided(pack: MiniPack) -> None:
    deferred = "status: deferred\nimpact: It cannot be said.\ncaps: [CLAIM-STAGE]"
    pack.edit("specs/decisions/DEC-0001.md", "status: accepted", deferred)


@dataclass(frozen=True)
class Stage:
    """A state of the repository and what it supports; `record` is its one measured figure."""

    tier: Tier
    form: Form
    sentence: str
    because: str
    unlock: tuple[str, ...]
    record: dict[str, Any] = field(default_factory=lambda: dict(PAPER))
    change: Change = lambda pack: None
    signed: bool = True
    only: tuple[str, ...] = ()

    @property
    def scope(self) -> Scope:
        """Denied without a tier; the only condition staged is a waiver."""
        if self.tier is Tier.NONE:
            return Scope.DENIED
        return Scope.CONDITIONAL if "waived" in self.because else Scope.ALLOWED


def denied(because: str, *unlock: str, **more: Any) -> Stage:
    return Stage(Tier.NONE, Form.STRICT, "", because, unlock, **more)


STAGES = {
    "nothing measured": denied(
        "STAGE-001 was not selected in this run", "verify run STAGE-001", MEASURE,
        only=("STAGE-002",)),
    "failing clause": denied(
        "STAGE-001 fail: one: found 2.0", "verify run STAGE-001", change=broken),
    "survivor": denied(
        "STAGE-FID stayed pass under its falsifier stage.nothing", "verify run STAGE-FID",
        change=unseen_mistake),
    "unknown": denied(
        "STAGE-FID unknown: no figure was measured", MEASURE, record={}),
    "open decision": denied(
        "DEC-0001 (Which figure is meant) is deferred",
        "settle specs/decisions/DEC-0001.md with its evidence; verify decisions lint",
        change=undecided),
    "waiver": Stage(
        Tier.B, Form.STRICT, STRICT,
        "STAGE-001 is waived by the owner until 2999-01-01: known (was: one: found 2.0)",
        ("remove it from contracts/waivers.yaml; verify run STAGE-001",),
        change=waived("2999-01-01")),
    "expired waiver": denied(
        "STAGE-001 fail: one: found 2.0 (its waiver by the owner expired 2020-01-01)",
        "verify run STAGE-001", change=waived("2020-01-01")),
    "proxy only": denied(
        "STAGE-FID is stated for paper-eval and measured on proxy, not on paper-eval", MEASURE,
        record={**PAPER, "axis": "proxy"}),
    "repo-eval short of its floor": denied(
        "bounded form: STAGE-FID: samples 1,000, at least 5,000 needed", MEASURE,
        record={**PAPER, "axis": "repo-eval", "samples": 1000}),
    "repo-eval": Stage(
        Tier.B, Form.BOUNDED, BOUNDED.format("5,000"),
        "strict form: STAGE-FID is stated for paper-eval and measured on repo-eval, not on "
        "paper-eval", (MEASURE_MORE,),
        record={**PAPER, "axis": "repo-eval", "samples": 5000, "seeds": 1}),
    "paper-eval with another extractor": denied(
        "STAGE-FID: extractor sha256 bbbbbbbbbbbb..., aaaaaaaaaaaa... needed", MEASURE,
        record={**PAPER, "extractor_sha256": "b" * 64}),
    "paper-eval at 10,000 samples": Stage(
        Tier.B, Form.BOUNDED, BOUNDED.format("10,000"),
        "strict form: STAGE-FID: samples 10,000, at least 50,000 needed", (MEASURE_MORE,),
        record={**PAPER, "samples": 10_000}),
    "paper-eval with one seed": Stage(
        Tier.B, Form.BOUNDED, BOUNDED.format("50,000"),
        "strict form: STAGE-FID: seeds 1, at least 3 needed", (MEASURE_MORE,),
        record={**PAPER, "seeds": 1}),
    "paper-eval that nobody signed": denied(
        "STAGE-FID is measured on paper-eval and counts as proxy: figure.json: unsigned "
        "(no signature)", SIGN, signed=False),
    "paper-eval at 50,000 with three seeds": Stage(Tier.A, Form.STRICT, STRICT, "", ()),
}  # fmt: skip


@pytest.fixture(scope="module", params=STAGES)
def staged(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Stage, Finished]:
    """The stage, run with the engine into a sealed bundle."""
    stage, folder = STAGES[request.param], tmp_path_factory.mktemp("stage")
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(PACK, folder / "pack", ignore=ignored)
    pack = MiniPack(folder / "pack")
    stage.change(pack)
    evaluations = folder / "evaluations"
    evaluations.mkdir()
    if stage.record:
        figure = evaluations / "figure.json"
        figure.write_text(json.dumps(stage.record), encoding="utf-8")
        if stage.signed:
            sign_record(figure, "figure", pack="stages")
    keys = [key().model_dump(mode="json", exclude_none=True)]
    pack.data("contracts/keys.yaml", {"schema": "verify/keys/1", "keys": keys})
    return stage, run_pack(pack, folder / "reports", only=stage.only, evidence_dir=evaluations)


def claim_of(report: Report) -> ClaimVerdict:
    (found,) = report.claims
    return found


def test_each_stage_gives_its_tier_and_its_sentence(staged: tuple[Stage, Finished]) -> None:
    stage, finished = staged
    claim = claim_of(check(finished.bundle))
    assert (claim.tier, claim.scope, claim.form) == (stage.tier, stage.scope, stage.form)
    assert claim.sentence == stage.sentence
    assert (claim.subject, claim.semantics) == ("thing", "reference")
    assert stage.because in (*claim.reasons, "")


def test_each_stage_names_the_commands_of_the_next(staged: tuple[Stage, Finished]) -> None:
    stage, finished = staged
    claim = claim_of(finished.report)
    leaves = claim.unlock.leaves if claim.unlock else []
    assert tuple(leaf.command for leaf in leaves) == stage.unlock
    assert bool(claim.capped) is not bool(leaves)


def test_each_stage_is_told_alike_in_every_report(staged: tuple[Stage, Finished]) -> None:
    """In report.md, report.html and on the console: sentence, tier, form, waiver, way up."""
    stage, finished = staged
    markdown = (finished.bundle / "report.md").read_text(encoding="utf-8")
    html = (finished.bundle / "report.html").read_text(encoding="utf-8")
    console = summary(finished.report, bundle=None)
    claim = claim_of(finished.report)
    for text in (markdown, html):
        plain = text.replace("&#39;", "'")
        assert stage.sentence in plain
        assert str(stage.scope) in plain
        assert f"{claim.form} form, subject thing, reference semantics" in plain
        assert all(command in plain for command in stage.unlock)
        assert ("waiver of STAGE-001 by the owner until 2999-01-01: known" in plain) is bool(
            claim.waivers
        )
    assert stage.sentence in console
    assert ("waiver of STAGE-001 by the owner until 2999-01-01: known" in console) is bool(
        claim.waivers
    )
    if stage.unlock:
        steps = "1 step" if len(stage.unlock) == 1 else f"{len(stage.unlock)} steps"
        assert f"{steps} to " in console
        assert stage.unlock[0] in console


def test_a_stage_is_staged_for_each_verdict() -> None:
    reached = {(stage.tier, stage.form) for stage in STAGES.values()}
    assert reached == {
        (Tier.NONE, Form.STRICT), (Tier.B, Form.STRICT), (Tier.B, Form.BOUNDED),
        (Tier.A, Form.STRICT),
    }  # fmt: skip
