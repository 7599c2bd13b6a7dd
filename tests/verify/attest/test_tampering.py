"""Signed bundles and records spoiled at random: each way is noticed, and called by its name."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.verify.conftest import run_pack
from tests.verify.signing import key, sign_record, signer
from verify.attest import bundle as bundles
from verify.attest import record as records
from verify.attest.backing import beside
from verify.attest.envelope import Kind, SignatureError, sealed
from verify.attest.model import Key, Revoked, Role
from verify.attest.statement import RECORD, statement
from verify.spec.pack import LoadedPack, load

from .conftest import with_figure

FEW, MANY = 100, 1000


@dataclass(frozen=True)
class Signed:
    """A signed bundle and a signed record in a folder, and the pack as a reader has it."""

    folder: Path
    loaded: LoadedPack

    @property
    def bundle(self) -> Path:
        (found,) = (path for path in self.folder.iterdir() if path.name.startswith("2") and
                    path.is_dir())  # fmt: skip
        return found

    @property
    def record(self) -> Path:
        return self.folder / "one.json"

    def check(self, target: Path, keys: tuple[Key, ...] | None = None) -> None:
        """Hold one of them against the keys of the pack."""
        held = (key(0), key(1, roles=(Role.RECORDS,))) if keys is None else keys
        loaded = replace(self.loaded, pack=self.loaded.pack.model_copy(update={"keys": held}))
        (bundles if target == self.bundle else records).check(loaded, target)


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory) -> Signed:
    folder = tmp_path_factory.mktemp("signed")
    pack = with_figure(folder / "pack")
    kept = folder / "kept"
    finished = run_pack(pack, kept, evidence_dir=folder / "none")
    loaded = load(pack.root)
    said = bundles.describe(loaded, finished.bundle)
    beside(finished.bundle).write_text(sealed(said, signer(0)), encoding="utf-8")
    (kept / "parts.bin").write_bytes(random.Random(0).randbytes(4000))
    parts = {"file": "parts.bin"}
    data = {"schema": "thing-record/1", "metrics": {"fid": {"value": 1.54}}, "components": parts}
    (kept / "one.json").write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    again = {"fid": {"recorded": 1.54, "again": 1.54}}
    predicate = {"pack": "mini", "recomputed": again}
    told = statement(RECORD, kept, ["one.json", "parts.bin"], predicate)
    beside(kept / "one.json").write_text(sealed(told, signer(0)), encoding="utf-8")
    return Signed(kept, loaded)


@pytest.fixture
def signed(original: Signed, tmp_path: Path) -> Signed:
    return replace(original, folder=Path(shutil.copytree(original.folder, tmp_path / "copy")))


Tamper = Callable[[Signed, Path, random.Random], tuple[Kind, ...]]


def files_of(target: Path) -> list[Path]:
    if target.is_dir():
        return sorted(path for path in target.rglob("*") if path.is_file())
    return [target, target.with_name("parts.bin")]


def a_byte(signed: Signed, target: Path, dice: random.Random) -> tuple[Kind, ...]:
    path = dice.choice(files_of(target))
    data = bytearray(path.read_bytes())
    data[dice.randrange(len(data))] ^= dice.randrange(1, 256)
    path.write_bytes(bytes(data))
    return (Kind.CHANGED,)


def cut(signed: Signed, target: Path, dice: random.Random) -> tuple[Kind, ...]:
    path = dice.choice(files_of(target))
    data = path.read_bytes()
    path.write_bytes(data[: dice.randrange(len(data))])
    return (Kind.CHANGED,)


def grown(signed: Signed, target: Path, dice: random.Random) -> tuple[Kind, ...]:
    path = dice.choice(files_of(target))
    path.write_bytes(path.read_bytes() + dice.randbytes(dice.randrange(1, 9)))
    return (Kind.CHANGED,)


def reordered(signed: Signed, target: Path, dice: random.Random) -> tuple[Kind, ...]:
    path = dice.choice([one for one in files_of(target) if one.suffix != ".bin" and
                        len(set(one.read_bytes().split(b"\n"))) > 2])  # fmt: skip
    lines = path.read_bytes().split(b"\n")
    while True:
        one, other = dice.sample(range(len(lines)), 2)
        if lines[one] != lines[other]:
            break
    lines[one], lines[other] = lines[other], lines[one]
    path.write_bytes(b"\n".join(lines))
    return (Kind.REORDERED,)


def gone(signed: Signed, target: Path, dice: random.Random) -> tuple[Kind, ...]:
    dice.choice(files_of(target)).unlink()
    return (Kind.ABSENT, Kind.UNSIGNED)


def linked(signed: Signed, target: Path, dice: random.Random) -> tuple[Kind, ...]:
    path = dice.choice(files_of(target))
    elsewhere = path.rename(signed.folder / "elsewhere")
    path.symlink_to(elsewhere)
    return (Kind.ABSENT,)


def added(signed: Signed, target: Path, dice: random.Random) -> tuple[Kind, ...]:
    (signed.bundle / f"more-{dice.randrange(99)}.txt").write_bytes(dice.randbytes(5))
    return (Kind.ADDED,)


def byte_of_the_envelope(signed: Signed, target: Path, dice: random.Random) -> tuple[Kind, ...]:
    path = beside(target)
    data = bytearray(path.read_bytes())
    data[dice.randrange(len(data))] ^= dice.randrange(1, 256)
    path.write_bytes(bytes(data))
    return (Kind.MALFORMED, Kind.FORGED, Kind.WRONG_KEY)


def character_of_a_field(signed: Signed, target: Path, dice: random.Random) -> tuple[Kind, ...]:
    """Another letter in payload, type, key id or signature, in an envelope written as it should."""
    envelope = json.loads(beside(target).read_text(encoding="utf-8"))
    holder, name = dice.choice([(envelope, "payload"), (envelope, "payloadType"),
                                (envelope["signatures"][0], "keyid"),
                                (envelope["signatures"][0], "sig")])  # fmt: skip
    text = holder[name]
    at = dice.randrange(len(text))
    letter = dice.choice([one for one in "0123456789abcdefABC+/" if one != text[at]])
    holder[name] = text[:at] + letter + text[at + 1 :]
    beside(target).write_text(json.dumps(envelope, indent=1, sort_keys=True) + "\n")
    return (Kind.MALFORMED, Kind.FORGED, Kind.WRONG_KEY)


def unsigned(signed: Signed, target: Path, dice: random.Random) -> tuple[Kind, ...]:
    beside(target).unlink()
    return (Kind.UNSIGNED,)


def by_a_stranger(signed: Signed, target: Path, dice: random.Random) -> tuple[Kind, ...]:
    resign(target, 2)
    return (Kind.WRONG_KEY,)


def by_a_stranger_under_a_name(
    signed: Signed, target: Path, dice: random.Random
) -> tuple[Kind, ...]:
    resign(target, 2)
    envelope = json.loads(beside(target).read_text(encoding="utf-8"))
    envelope["signatures"][0]["keyid"] = key(0).id
    beside(target).write_text(json.dumps(envelope, indent=1, sort_keys=True) + "\n")
    return (Kind.FORGED,)


def of_another_record(signed: Signed, target: Path, dice: random.Random) -> tuple[Kind, ...]:
    other = signed.folder / f"other-{dice.randrange(9)}.json"
    other.write_text("{}\n", encoding="utf-8")
    sign_record(other, "fid", pack="mini")
    shutil.copyfile(beside(other), beside(target))
    return (Kind.REPLAYED,)


def resign(target: Path, number: int) -> None:
    from .test_signing import payload

    beside(target).write_text(sealed(payload(target), signer(number)), encoding="utf-8")


TAMPERS: tuple[Tamper, ...] = (
    a_byte, a_byte, a_byte, cut, grown, reordered, reordered, gone, linked, byte_of_the_envelope,
    byte_of_the_envelope, character_of_a_field, character_of_a_field, unsigned, by_a_stranger,
    by_a_stranger_under_a_name, of_another_record,
)  # fmt: skip


def spoil(signed: Signed, number: int) -> str:
    """One way to spoil one of the two -> what is wrong with how it was noticed."""
    dice = random.Random(number)
    target = dice.choice([signed.bundle, signed.record])
    tamper = dice.choice(TAMPERS if target == signed.record else (*TAMPERS, added))
    expected = tamper(signed, target, dice)
    try:
        signed.check(target)
    except SignatureError as error:
        good = error.kind in expected
        return "" if good else f"{number} {tamper.__name__}: {error}, not {', '.join(expected)}"
    return f"{number} {tamper.__name__} of {target.name} was not noticed"


def spoiled(original: Signed, tmp_path: Path, numbers: range) -> Iterator[str]:
    for number in numbers:
        copy = tmp_path / str(number)
        shutil.copytree(original.folder, copy)
        yield spoil(replace(original, folder=copy), number)
        shutil.rmtree(copy)


def test_what_is_as_it_was_signed_holds(signed: Signed) -> None:
    signed.check(signed.bundle)
    signed.check(signed.record)


def test_a_hundred_ways_to_spoil_them_are_noticed_each_by_its_name(
    original: Signed, tmp_path: Path
) -> None:
    assert [said for said in spoiled(original, tmp_path, range(FEW)) if said] == []


@pytest.mark.nightly
def test_a_thousand_ways_to_spoil_them_are_noticed_each_by_its_name(
    original: Signed, tmp_path: Path
) -> None:
    assert [said for said in spoiled(original, tmp_path, range(FEW, FEW + MANY)) if said] == []


# -- whose signature it is ------------------------------------------------------------------------

GONE = Revoked(date="2026-01-01", reason="lost")


@pytest.mark.parametrize(
    ("keys", "kind", "said"),
    [
        ((), Kind.KEY_MISSING, "no key in the pack"),
        ((key(1),), Kind.WRONG_KEY, "which is no key of the pack"),
        ((key(0, revoked=GONE),), Kind.REVOKED, "revoked on 2026-01-01: lost"),
        ((key(0, revoked=GONE), key(1)), Kind.REVOKED, "revoked on 2026-01-01: lost"),
    ],
    ids=["no key", "another key", "revoked", "revoked beside one that holds"],
)
@pytest.mark.parametrize("which", ["bundle", "record"])
def test_a_key_that_does_not_count_is_said(
    signed: Signed, which: str, keys: tuple[Key, ...], kind: Kind, said: str
) -> None:
    with pytest.raises(SignatureError, match=kind) as raised:
        signed.check(getattr(signed, which), keys)
    assert raised.value.kind is kind
    assert said in str(raised.value)


@pytest.mark.parametrize(("which", "other"), [("bundle", "records"), ("record", "bundles")])
def test_a_key_signs_what_its_role_says_and_nothing_else(
    signed: Signed, which: str, other: str
) -> None:
    with pytest.raises(SignatureError) as raised:
        signed.check(getattr(signed, which), (key(0, roles=(Role(other),)),))
    assert raised.value.kind is Kind.ROLE


@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        ("contracts/bindings/thing.py", '"one": 1.0', '"one": 1.0  '),
        ("contracts/thing.yaml", "One is one.", "One is 1."),
        ("specs/facts/thing.yaml", "p. 1", "p. 2"),
    ],
    ids=["code", "rules", "facts"],
)
def test_a_bundle_of_another_commit_is_replayed(
    signed: Signed, tmp_path: Path, path: str, old: str, new: str
) -> None:
    root = Path(shutil.copytree(signed.loaded.root, tmp_path / "later"))
    text = (root / path).read_text(encoding="utf-8")
    assert old in text
    (root / path).write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(SignatureError, match="a bundle of another commit") as raised:
        replace(signed, loaded=load(root)).check(signed.bundle)
    assert raised.value.kind is Kind.REPLAYED


@pytest.mark.parametrize("name", ["pack", "subject"])
def test_a_bundle_about_another_pack_or_subject_is_replayed(signed: Signed, name: str) -> None:
    pack = signed.loaded.pack
    manifest = pack.manifest.model_copy(update={name: "other"})
    loaded = replace(signed.loaded, pack=pack.model_copy(update={"manifest": manifest}))
    with pytest.raises(SignatureError, match=f"a bundle about the {name}") as raised:
        replace(signed, loaded=loaded).check(signed.bundle)
    assert raised.value.kind is Kind.REPLAYED


def test_a_record_for_another_pack_is_replayed(signed: Signed) -> None:
    sign_record(signed.record, "fid", pack="other")
    with pytest.raises(SignatureError) as raised:
        signed.check(signed.record)
    assert raised.value.kind is Kind.REPLAYED
