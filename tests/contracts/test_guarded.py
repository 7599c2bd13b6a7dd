"""This repository's own frontier, protection and gates."""

from __future__ import annotations

from pathlib import Path

import pytest

from verify.guard.decided import Decided
from verify.guard.frontier import Side, judge, read_frontier
from verify.guard.model import FRONTIER
from verify.guard.protect import State, check, guard_of
from verify.release.situation import release_of
from verify.spec.pack import LoadedPack, load
from verify.spec.strict_yaml import read

ROOT = Path(__file__).parents[2]
# A change without any decision, in which the digest of a contract went lost.
UNDECIDED = Decided({}, frozenset(), {"contracts/loss/contract.yaml": ("0" * 64, "DEC-0236")}, {})


@pytest.fixture(scope="module")
def loaded() -> LoadedPack:
    return load(ROOT)


@pytest.mark.parametrize(
    ("path", "side"),
    [
        ("drift/loss.py", Side.INSIDE),
        ("README.md", Side.INSIDE),
        ("specs/facts/loss.yaml", Side.DENIED),  # nothing decides here: see UNDECIDED
        ("contracts/loss/contract.yaml", Side.DENIED),
        ("drift/templates/latent-l2.yaml", Side.DENIED),
        ("specs/golden/manifest.sha256", Side.DENIED),
        ("specs/golden", Side.DENIED),
        ("contracts/policy/frontier.yaml", Side.DENIED),
        ("contracts/waivers.yaml", Side.DENIED),
        ("specs/protected.yaml", Side.DENIED),
        ("signoffs.yaml", Side.DENIED),
        (".ci/run", Side.OUTSIDE),
        ("reports/20261121T000000Z-0123456789/report.json", Side.OUTSIDE),
        (".git/hooks/pre-commit", Side.OUTSIDE),
    ],
)
def test_a_change_may_touch_what_it_should(path: str, side: Side) -> None:
    assert judge(path, read_frontier(read(ROOT / FRONTIER)), UNDECIDED, gone=False)[0] is side


def test_the_recordings_are_as_their_own_list_says_and_stand_in_no_other(
    loaded: LoadedPack,
) -> None:
    guard = guard_of(loaded)
    found = {one.path: one.state for one in check(guard)}
    recordings = [path for path in found if path.endswith((".json", ".safetensors"))]
    assert len(recordings) == len(guard.listed) >= 80
    assert {found[path] for path in recordings} == {State.AS_APPROVED}
    assert State.TWICE not in found.values()


def test_protection_covers_what_decides_what_may_be_said(loaded: LoadedPack) -> None:
    found = {one.path for one in check(guard_of(loaded))}
    assert {"contracts/claims.yaml", "specs/facts/loss.yaml", "specs/golden/README.md"} <= found
    assert set(loaded.pack.manifest.templates.values()) <= found


def test_every_condition_of_a_release_has_its_gate(loaded: LoadedPack) -> None:
    release = release_of(loaded)
    kinds = {gate.by.kind for gate in release.gates}
    assert kinds == {
        "benchmark", "bundle", "card", "changelog", "check", "clauses", "decisions",
        "frontier", "licence", "prose", "protected", "signature", "tests", "version",
    }  # fmt: skip
    maintained = {gate.id for gate in release.gates if gate.kind == "maintainer"}
    assert {"legal-review", "publish-tag", "upload-weights"} <= maintained
