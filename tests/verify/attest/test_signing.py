"""Keys, signatures and what they carry: from a typed record that backs nothing to tier A."""

from __future__ import annotations

import base64
import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.verify.signing import key, signer
from verify.attest.backing import beside
from verify.attest.envelope import PAYLOAD_TYPE, sealed
from verify.attest.statement import TYPE

from .conftest import Signing


def claims(signing: Signing) -> dict[str, tuple[str, str, str]]:
    """Scope, tier and reasons of each claim, of a run."""
    report = json.loads((signing.bundle / "report.json").read_text(encoding="utf-8"))
    return {c["claim"]: (c["scope"], c["tier"], " ".join(c["reasons"])) for c in report["claims"]}


def payload(target: Path) -> dict[str, Any]:
    envelope = json.loads(beside(target).read_text(encoding="utf-8"))
    assert envelope["payloadType"] == PAYLOAD_TYPE
    found: dict[str, Any] = json.loads(base64.b64decode(envelope["payload"]))
    return found


def test_a_figure_that_nobody_signed_backs_nothing_above_tier_c(signing: Signing) -> None:
    assert signing.run().code == 0
    found = claims(signing)
    scope, tier, why = found["CLAIM-THING"]
    assert (scope, tier) == ("denied", "none")
    assert "measured on paper-eval and counts as proxy: one.json: unsigned" in why
    scope, tier, why = found["CLAIM-LESS"]
    assert (scope, tier) == ("allowed", "C")
    assert "counts as proxy: one.json: unsigned" in why
    for name in ("report.md", "report.html"):
        text = (signing.bundle / name).read_text(encoding="utf-8")
        assert "1.54 FID [proxy, measured on paper-eval, unsigned]" in text
    explained = signing("explain", "THING-002", "--reports", signing.reports, "--evidence",
                        signing.evaluations).out  # fmt: skip
    assert "  rests on  one.json: unsigned (no signature)" in explained


def test_signed_by_a_key_of_the_pack_it_carries_to_tier_a(signing: Signing) -> None:
    assert signing.init().code == 0
    result = signing.sign(signing.record)
    assert result.code == 0, result.err
    assert "1 figures computed again, 0 not; signed by" in result.out
    assert signing.run().code == 0
    assert claims(signing)["CLAIM-THING"][:2] == ("allowed", "A")
    assert "1.54 FID [paper-eval]" in (signing.bundle / "report.md").read_text(encoding="utf-8")
    assert signing("bundle", "check", signing.bundle).code == 0
    said = payload(signing.record)
    assert (said["_type"], [one["name"] for one in said["subject"]]) == (
        TYPE, ["one.json", "one.components.txt"],
    )  # fmt: skip
    assert said["predicate"]["recomputed"]["fid"]["again"] == pytest.approx(1.54)
    assert said["predicate"]["rests_on"]["checkpoint_sha256"] == "c" * 64


@pytest.mark.parametrize("kind", ["edited record", "revoked key", "key for bundles", "stranger"])
def test_a_signature_that_does_not_hold_raises_no_claim_above_c(
    signing: Signing, kind: str
) -> None:
    signing.init(*(["bundles"] if kind == "key for bundles" else []))
    if kind in ("key for bundles", "stranger"):
        said = {"_type": TYPE, "predicateType": "urn:drift-verify:evaluation-record:1"}
        number = signer(1)
        beside(signing.record).write_text(sealed(said, number), encoding="utf-8")
    else:
        assert signing.sign(signing.record).code == 0
    if kind == "edited record":
        signing.make(1.53)
    if kind == "revoked key":
        name = signing("keys", "list").out[:12]
        assert signing("keys", "revoke", name, "--reason", "lost").code == 0
    signing.run()
    found = claims(signing)
    assert found["CLAIM-THING"][:2] == ("denied", "none")
    assert found["CLAIM-LESS"][:2] == ("allowed", "C")


def test_a_bundle_whose_evidence_says_signed_without_an_envelope_is_refused(
    signing: Signing,
) -> None:
    """Whoever writes the chain anew cannot write the signature that a tier rests on."""
    from tests.verify.test_bundle_check import seal_anew
    from tests.verify.test_cache import chained

    signing.init()
    signing.sign(signing.record)
    signing.run()
    path = signing.bundle / "evidence.jsonl"
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    figure = next(one["data"] for one in lines if one["data"].get("id") == "THING-002")
    figure["backing"][0]["sha256"] = "0" * 64
    chained(path, [json.dumps(line) for line in lines])
    result = signing.cli("bundle", "check", seal_anew(signing.bundle), "--pack", signing.pack.root)
    assert result.code == 4
    assert "allowed, tier A, and it follows denied, tier none" in result.err


def test_the_private_half_is_outside_every_repository_and_its_owners_alone(
    signing: Signing, tmp_path: Path
) -> None:
    inside = signing.pack.root / "key.pem"
    result = signing.init(key=inside)
    assert (result.code, inside.exists()) == (2, False)
    assert "outside every repository" in result.err
    (tmp_path / "repo" / ".git").mkdir(parents=True)
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "repo")
    assert signing.init(key=link / "key.pem").code == 2
    assert signing.init().code == 0
    assert stat.S_IMODE(signing.key.stat().st_mode) == 0o600
    assert signing.init().code == 2  # it is never replaced
    text = (signing.pack.root / "contracts/policy/keys.yaml").read_text(encoding="utf-8")
    assert "PRIVATE" not in text
    signing.key.chmod(0o640)
    result = signing.sign(signing.record)
    assert result.code == 4
    assert "mode 640" in result.err


def test_keys_are_listed_with_roles_and_revoked_with_a_date(signing: Signing) -> None:
    signing.init("records")
    name = signing("keys", "list").out.split()[0]
    result = signing("keys", "revoke", name[:8], "--reason", "it lay about", "--date", "2026-01-02")
    assert result.code == 0, result.err
    assert "revoked 2026-01-02: it lay about" in signing("keys", "list").out
    assert signing("keys", "list").out.endswith("1 keys, 0 of them hold\n")
    assert signing("keys", "revoke", name[:8], "--reason", "again").code == 2
    assert signing("keys", "revoke", "ffff", "--reason", "none").code == 2
    assert signing("keys", "revoke", name, "--reason", "x", "--date", "2026-02-30").code == 2
    result = signing.sign(signing.record)
    assert (result.code, "revoked key" in result.err) == (4, True)


def test_a_key_whose_id_is_not_that_of_its_bytes_is_no_key(signing: Signing) -> None:
    one = key(0).model_dump(mode="json", exclude_none=True)
    signing.pack.data("contracts/policy/keys.yaml", {
        "schema": "verify/keys/1", "keys": [{**one, "public": "0" * 64}]})  # fmt: skip
    result = signing("lint")
    assert result.code == 2
    assert "which its public half has" in result.err
    signing.pack.data("contracts/policy/keys.yaml", {"schema": "verify/keys/1", "keys": [one, one]})
    assert "a second time" in signing("lint").err


# -- what is signed is computed again first -------------------------------------------------------


def test_a_figure_that_does_not_follow_is_not_signed(signing: Signing) -> None:
    signing.init()
    signing.make(1.53)
    result = signing.sign(signing.record)
    assert (result.code, beside(signing.record).exists()) == (4, False)
    assert "fid: recorded 1.53, again 1.54, DIFFERS" in result.err


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"metrics": {"kid": {"value": 1.0}}}, "no figure that can be computed again"),
        ({"metrics": {}}, "no figure that can be computed again"),
        ({"schema": "other/1"}, "no function for records of the schema other/1"),
        ({"components": {"file": "gone.txt"}}, "FileNotFoundError"),
    ],
    ids=["nothing kept", "no figures", "another schema", "components gone"],
)
def test_what_cannot_be_computed_again_is_not_signed(
    signing: Signing, change: dict[str, Any], said: str
) -> None:
    signing.init()
    signing.make(**change)
    result = signing.sign(signing.record)
    assert (result.code, beside(signing.record).exists()) == (4, False)
    assert "not recomputed" in result.err
    assert said in result.err


@pytest.mark.parametrize(
    ("value", "more", "code", "said"),
    [
        (1.54, {}, 0, "fid: recorded 1.54, again 1.54, agrees"),
        (1.53, {}, 4, "DIFFERS"),
        (1.54, {"metrics": {"fid": {"value": 1.54}, "kid": {"value": 2.0}}}, 3,
         "kid: recorded 2.0, not computed again: nothing is kept of it"),
        (1.54, {"schema": "other/1"}, 3, "0 of 0 figures come out again"),
        (1.54, {"metrics": {}}, 3, "0 of 0 figures come out again"),
    ],
    ids=["all", "one differs", "one is left", "no function", "nothing"],
)  # fmt: skip
def test_recompute_prints_both_values_and_its_exit_code_tells(
    signing: Signing, value: float, more: dict[str, Any], code: int, said: str
) -> None:
    signing.make(value, **more)
    result = signing("recompute", signing.record)
    assert result.code == code, result.err
    assert said in result.out


def test_recompute_of_what_is_no_record_is_a_matter_of_usage(signing: Signing) -> None:
    assert signing("recompute", signing.evaluations / "none.json").code == 2
    assert signing("recompute", signing.evaluations / "one.components.txt").code == 3


# -- each with its own words ----------------------------------------------------------------------


def edited(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[:9] + bytes([data[9] ^ 1]) + data[10:])


def swapped(path: Path) -> None:
    one, two, *rest = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([two, one, *rest]))


def test_each_way_to_spoil_a_signed_bundle_has_its_words_and_exit_code_4(signing: Signing) -> None:
    signing.init()
    keys = signing.pack.root / "contracts/policy/keys.yaml"
    signing.run()
    bundle, thing = signing.bundle, signing.pack.root / "contracts/bindings/thing.py"
    assert signing.sign(bundle).code == 0
    name = signing("keys", "list").out[:9]
    strange = [key(3).model_dump(mode="json", exclude_none=True)]
    spoiled: dict[str, tuple[Callable[[], object], Path]] = {
        "key missing": (keys.unlink, keys),
        "wrong key": (lambda: signing.pack.data(
            "contracts/policy/keys.yaml", {"schema": "verify/keys/1", "keys": strange}), keys),
        "revoked key": (lambda: signing("keys", "revoke", name, "--reason", "lost"), keys),
        "changed": (lambda: edited(bundle / "report.md"), bundle / "report.md"),
        "lines reordered": (
            lambda: swapped(bundle / "evidence.jsonl"), bundle / "evidence.jsonl"),
        "file missing": ((bundle / "junit.xml").unlink, bundle / "junit.xml"),
        "no envelope": (lambda: beside(bundle).write_text("{}"), beside(bundle)),
        "replayed": (lambda: thing.write_text(thing.read_text() + "\nX = 1\n"), thing),
    }  # fmt: skip
    for words, (spoil, path) in spoiled.items():
        before = path.read_bytes()
        spoil()
        results = [signing("check-signature", bundle), signing("bundle", "check", bundle)]
        path.write_bytes(before)
        assert [one.code for one in results] == [4, 4], words
        assert [f": {words}: found " in one.err for one in results] == [True, True], words
    assert signing("check-signature", bundle).code == 0
    beside(bundle).unlink()
    result = signing("check-signature", bundle)
    assert (result.code, ": unsigned: found no signature" in result.err) == (4, True)


def test_without_a_private_key_nothing_is_signed(signing: Signing, tmp_path: Path) -> None:
    signing.init()
    result = signing.sign(signing.record, key=tmp_path / "none.pem")
    assert (result.code, "key missing: found no private key" in result.err) == (4, True)
    (tmp_path / "text.pem").write_text("no key")
    (tmp_path / "text.pem").chmod(0o600)
    result = signing.sign(signing.record, key=tmp_path / "text.pem")
    assert (result.code, "key missing: found no ed25519 key" in result.err) == (4, True)
    signing.key.rename(tmp_path / "first.pem")
    (signing.pack.root / "contracts/policy/keys.yaml").unlink()
    signing.init()
    result = signing.sign(signing.record, key=tmp_path / "first.pem")
    assert (result.code, "wrong key: found the key" in result.err) == (4, True)
