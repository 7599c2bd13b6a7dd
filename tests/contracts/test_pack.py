"""The pack as its users run it: one `verify run`, and what it has to say about this engine."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from contracts.subjects.community import DEPARTURES
from verify.api import registered
from verify.card.model import CardFile
from verify.outcome import Outcome
from verify.release.model import ByBenchmark, ByCheck, ReleaseFile
from verify.report.bundle import check
from verify.report.derive import _described
from verify.report.model import Report
from verify.run.evidence import describe
from verify.scope import Form, Scope, Tier
from verify.spec.digests import digests, evaluations_digest
from verify.spec.model import Pack
from verify.spec.pack import load

ROOT = Path(__file__).parents[2]

# A mistake that has been made, or nearly, and the mutants that make it here.
PLANTED = {
    "repulsion dropped": ("loss.drop_repulsion", "field.drop_repulsion"),
    "softmax axes swapped": ("loss.swap_softmax_axes", "field.swap_softmax_axis"),
    "softmax over one axis": ("loss.softmax_one_axis", "field.one_axis"),
    "weight as its root": ("loss.sqrt_weight",),
    "log-weight in the logits": ("loss.log_weight",),
    "scale per class": ("loss.scale_per_group", "loss.force_norm_per_group"),
    "self-mask missing": ("loss.no_self_mask",),
    "affinity floor 1e-12": ("loss.affinity_floor(value=1e-12)",),
    "temperatures 0.02, 0.05, 0.1": ("loss.temperatures(values=[0.02, 0.05, 0.1])",),
    "one loss per temperature": ("loss.one_loss_per_temperature",),
    "cosine schedule": ("schedule.cosine_for_constant",),
    "power 2 instead of 3": ("cfg.power_two_for_three",),
    "sampling with replacement": ("queue.with_replacement",),
    "relabelled samples": ("queue.relabelled",),
    "norm without affine": ("generator.norm_without_affine",),
    "norm eps 1e-8": ("generator.norm_eps(eps=1e-08)",),
    "L2 QK-norm": ("generator.l2_qk_norm",),
    "2-D RoPE": ("generator.rope_2d",),
    "RoPE before QK-norm": ("generator.rope_before_qk_norm",),
    "no positional embedding": ("generator.no_positions",),
    "one shared style table": ("generator.one_style_table",),
    "style index always 0": ("generator.style_index_zero",),
    "FFN 2184": ("generator.wider_ffn",),
    "missing final adaLN": ("generator.no_final_adaln",),
    "GroupNorm with 8 groups": ("encoder.eight_groups",),
    "missing stage norm": ("encoder.no_stage_norm",),
    "std without eps": ("encoder.std_without_eps",),
    "mean and std in one key": ("encoder.mean_and_std_in_one_key",),
    "sum over locations": ("features.summed_locations",),
    "missing conv1 key": ("encoder.missing_conv1",),
    "missing norm_x key": ("encoder.missing_norm_x",),
    "channel-averaged reconstruction loss": ("encoder.channel_averaged_loss",),
}

# What the evidence of this repository supports, and why not more.
DENIED = {
    "CLAIM-PIXEL-MODEL-PARITY": "DEC-0122",
    "CLAIM-FID-L2": "EVAL-FID-L2",
    "CLAIM-FID-B2": "EVAL-FID-B2",
    "CLAIM-FID-L16": "DEC-0122",
    "CLAIM-FID-B16": "DEC-0122",
}


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """The last whole `verify run` if it is about the files as they are, else a new one.

    Either way the bundle is verified again here.
    """
    loaded = load(ROOT)
    records = evaluations_digest(ROOT / "reports" / "evaluations")
    wanted = {
        "digests": digests(loaded) | {"evaluations": records},
        "subject": loaded.pack.manifest.subject,
        "selectors": [],
        "falsify": True,
        "interrupted": False,
    }
    for bundle in sorted((ROOT / "reports").glob("[0-9]*"), reverse=True):
        found = check(bundle)
        if {name: found.about[name] for name in wanted} == wanted:
            return found
    folder = tmp_path_factory.mktemp("run")
    command = [sys.executable, "-m", "verify", "run", "--pack", str(ROOT), "--jobs", "2"]
    command += ["--evidence", str(ROOT / "reports" / "evaluations")]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    (bundle,) = (folder / "reports").glob("[0-9]*")
    found = check(bundle)
    assert done.returncode == found.verdict.exit_code, done.stderr
    assert done.stdout.rstrip().endswith(found.verdict.line)
    return found


@pytest.mark.whole
def test_everything_required_passes_and_every_falsifier_kills(report: Report) -> None:
    troubled = [f"{c.id} {c.outcome}: {c.reason}" for c in report.clauses if c.required
                and c.outcome is not Outcome.PASS]  # fmt: skip
    assert troubled == []
    assert [f"{run.clause} {run.label}: {run.reason}" for run in report.survivors] == []
    assert report.verdict.falsifiers_killed == report.verdict.falsifiers_due
    assert report.verdict.word == "GO"


@pytest.mark.parametrize("mistake", PLANTED)
@pytest.mark.whole
def test_a_planted_mistake_is_caught_by_a_named_clause(mistake: str, report: Report) -> None:
    for mutant in PLANTED[mistake]:
        tried = [run for run in report.falsifiers if run.label == mutant or run.label.startswith(
            f"{mutant}(")]  # fmt: skip
        assert tried, f"no clause has the falsifier {mutant}"
        assert all(run.killed for run in tried)


@pytest.mark.whole
def test_every_field_of_every_column_is_changed_once_and_caught(report: Report) -> None:
    fields = {clause.id for clause in report.clauses if clause.kind == "config"}
    columns = load(ROOT).pack.manifest.columns
    killed = {(run.clause, run.label) for run in report.falsifiers if run.killed}
    missing = [
        (clause, column)
        for clause in fields
        for column in columns
        if (clause, f"config.changed[{column}]") not in killed
    ]
    assert len(fields) > 100
    assert missing == []


def _function(made: Any) -> object:
    """A departure without the arguments that it is made with."""
    return made if registered(made) else getattr(made, "func", made)


def test_every_mutant_and_check_is_used() -> None:
    loaded = load(ROOT)
    clauses = loaded.pack.clauses
    asked = {gate.by.check for _, release in loaded.of(ReleaseFile) for gate in release.gates
             if isinstance(gate.by, ByCheck | ByBenchmark)}  # fmt: skip
    asked |= {card.describe for _, card in loaded.of(CardFile) if card.describe}
    used = {
        "check": {clause.check for clause in clauses} | asked,
        "mutant": {falsifier.mutant for clause in clauses for falsifier in clause.falsifiers}
        | {entry.name for made in DEPARTURES.values() for entry in registered(_function(made))},
    }
    idle = {role: set(loaded.bindings.by_role[role]) - names for role, names in used.items()}
    assert idle == {"check": set(), "mutant": set()}


@pytest.mark.whole
def test_the_claims_are_exactly_those_the_evidence_carries(report: Report) -> None:
    for claim in report.claims:
        if claim.claim in DENIED:
            assert claim.scope is Scope.DENIED
            assert any(DENIED[claim.claim] in reason for reason in claim.reasons)
            assert claim.unlock
        else:
            assert claim.scope is Scope.ALLOWED, (claim.claim, claim.reasons)
            assert (claim.tier, claim.form) == (Tier.C, Form.STRICT)
    assert set(DENIED) <= {claim.claim for claim in report.claims}


@pytest.mark.whole
def test_fid_1_54_is_denied_with_what_is_missing(report: Report) -> None:
    claim = next(claim for claim in report.claims if claim.claim == "CLAIM-FID-L2")
    clause = next(clause for clause in report.clauses if clause.id == "EVAL-FID-L2")
    assert claim.tier is Tier.NONE
    assert clause.outcome is Outcome.UNKNOWN
    assert "50000 samples of EMA weights" in clause.reason
    assert any("paper-eval" in reason for reason in claim.reasons)


def test_evidence_of_this_pack_is_told_again_as_it_was_written() -> None:
    """Its texts come back with their keys in order; every description has to come out the same."""
    loaded = load(ROOT)
    kept = json.dumps(loaded.pack.model_dump(mode="json", by_alias=True), sort_keys=True)
    head = {"clauses": list(describe(loaded)), "selectors": []}
    assert list(_described(head, Pack.model_validate_json(kept))) == []
