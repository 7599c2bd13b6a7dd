"""Signatures tried on the miniature pack: what counts, and each way in which one must not.

Keys are made for the occasion and put into the pack as it is read. A figure on paper-eval is held
against the claim that needs it; a bundle against the pack, the subject and the code that are here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import cache, lru_cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

from securesystemslib.signer import CryptoSigner

from verify.api import Backing, CheckContext, Measurement, check, mutant
from verify.attest import bundle, envelope, record, standing
from verify.attest.backing import SUFFIX, beside
from verify.attest.envelope import SignatureError, sealed
from verify.attest.model import Key, Revoked, Role, Trust, id_of
from verify.attest.recompute import Figure, Recomputed
from verify.attest.statement import RECORD, statement
from verify.figures.evaluation import EvaluationRecord
from verify.outcome import Axis, Outcome
from verify.report.bundle import EVIDENCE
from verify.run.results import Verdict
from verify.scope import Evidence
from verify.scope import evidence as scope_evidence
from verify.spec.pack import LoadedPack, load

from .laws import OPEN, Case, told
from .miniature import SOUND, Miniature, miniature

Patched = AbstractContextManager[object]
FIGURE, ENGINE = "figure.json", "engine/__init__.py"
TRUSTED, OTHER, REVOKED, STRANGER = range(4)
ROLES = {TRUSTED: (Role.RECORDS, Role.BUNDLES), OTHER: (Role.RECORDS,), REVOKED: tuple(Role)}


@cache
def _signer(number: int) -> CryptoSigner:
    made = CryptoSigner.generate_ed25519()
    made.public_key.keyid = id_of(made.public_key.keyval["public"])
    return made


@cache
def _keys() -> tuple[Key, ...]:
    """Those of the pack: one that may sign anything, one for records, one that is revoked."""
    gone = Revoked(date="2026-01-01", reason="lost")
    return tuple(
        Key(
            id=_signer(number).public_key.keyid, roles=roles, holder="a check", since="2026-01-01",
            public=_signer(number).public_key.keyval["public"],
            revoked=gone if number == REVOKED else None,
        )
        for number, roles in ROLES.items()
    )  # fmt: skip


@check("gates.signatures")
def signatures(ctx: CheckContext) -> Measurement:
    """Signed bundles and records, sound and spoiled."""
    envelope.opened.cache_clear()  # what another way of looking at it found is not asked
    with miniature() as pack:
        return told(ctx, SIGNED, pack)


@lru_cache(maxsize=1)
def _read(root: Path) -> LoadedPack:
    return load(root)


def _loaded(pack: Miniature, keys: tuple[Key, ...] | None = None) -> LoadedPack:
    loaded = _read(pack.root)
    held = _keys() if keys is None else keys
    return replace(loaded, pack=loaded.pack.model_copy(update={"keys": held}))


# -- bundles --------------------------------------------------------------------------------------


def _bundle(
    spoil: Callable[[Path, Miniature], None] = lambda bundle, pack: None,
    *, kind: str = "whole", number: int = TRUSTED, name: int | None = None,
    keys: tuple[Key, ...] | None = None,
) -> Callable[[Miniature], str]:  # fmt: skip
    """Sign a bundle, spoil something, and say what a reader hears of it."""

    def act(pack: Miniature) -> str:
        (folder,) = pack.reports(kind).iterdir()
        loaded = _loaded(pack)
        with patch.object(bundle, "_require_here", lambda *given: None):  # sign what one likes
            said = bundle.describe(loaded, folder)
        text = json.loads(sealed(said, _signer(number)))
        if name is not None:
            text["signatures"][0]["keyid"] = _signer(name).public_key.keyid
        before = {path: path.read_bytes() for path in (*folder.iterdir(), pack.root / ENGINE)}
        beside(folder).write_text(json.dumps(text, indent=1, sort_keys=True) + "\n")
        try:
            spoil(folder, pack)
            bundle.check(_loaded(pack, keys), folder)
            return OPEN
        except SignatureError as error:
            return str(error.kind)
        finally:
            for path in (*(set(folder.iterdir()) - set(before)), beside(folder)):
                path.unlink(missing_ok=True)
            for path, data in before.items():
                if not path.exists() or path.read_bytes() != data:
                    path.write_bytes(data)

    return act


def _edited(name: str) -> Callable[[Path, Miniature], None]:
    def spoil(folder: Path, pack: Miniature) -> None:
        data = bytearray((folder / name).read_bytes())
        data[len(data) // 2] ^= 1
        (folder / name).write_bytes(bytes(data))

    return spoil


def _reordered(folder: Path, pack: Miniature) -> None:
    path = folder / EVIDENCE
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join([lines[1], lines[0], *lines[2:]]), encoding="utf-8")


def _unsigned(folder: Path, pack: Miniature) -> None:
    beside(folder).unlink()


def _torn(folder: Path, pack: Miniature) -> None:
    text = json.loads(beside(folder).read_text(encoding="utf-8"))
    text["payload"] = text["payload"][:40] + "AAAA" + text["payload"][44:]
    beside(folder).write_text(json.dumps(text, indent=1, sort_keys=True) + "\n")


def _of_another(folder: Path, pack: Miniature) -> None:
    """The envelope of another bundle in the place of this one's."""
    (other,) = pack.reports("real").iterdir()
    said = bundle.describe(_loaded(pack), other)
    beside(folder).write_text(sealed(said, _signer(TRUSTED)), encoding="utf-8")


def _added(folder: Path, pack: Miniature) -> None:
    (folder / "more.txt").write_text("more\n", encoding="utf-8")


def _gone(folder: Path, pack: Miniature) -> None:
    (folder / "report.html").unlink()


# -- records and the claims on them ---------------------------------------------------------------


def _claim(
    signed: bool = True, *, number: int = TRUSTED, figures: tuple[str, ...] = ("fid",),
    name: str = FIGURE, pack: str = "miniature", edited: bool = False,
) -> Callable[[Miniature], str]:  # fmt: skip
    """A claim that needs a figure on paper-eval: open where it reaches tier A."""

    def act(mini: Miniature) -> str:
        path = mini.root.parent / name
        path.write_text('{"fid": 1.54}\n', encoding="utf-8")
        again = {figure: {"recorded": 1.54, "again": 1.54} for figure in figures}
        said = statement(RECORD, path.parent, [name], {"pack": pack, "recomputed": again})
        text = sealed(said, _signer(number)) if signed else None
        digest = "0" * 64 if edited else said["subject"][0]["digest"]["sha256"]
        backed = Backing(FIGURE, digest, ("fid",), text)
        return _axis(_loaded(mini), backed)

    return act


def _axis(loaded: LoadedPack, backed: Backing) -> str:
    """Where a passing figure on paper-eval counts; empty where it counts there."""
    clause = next(one for one in loaded.pack.clauses if one.id == SOUND)
    metric = clause.model_copy(update={"axis": Axis.PAPER_EVAL})
    found = Verdict(Outcome.PASS, "", measured=1.54, axis=Axis.PAPER_EVAL, backing=(backed,))
    evidence = Evidence((metric,), {SOUND: found}, (), "thing", loaded.pack.trust)
    return OPEN if evidence.axis(metric) is Axis.PAPER_EVAL else evidence.unsigned(metric)


def _no_record(pack: Miniature) -> str:
    """A figure that names nothing that it comes from."""
    return standing.shortfall((), _loaded(pack).pack.trust)


def _recomputed(*figures: Figure, problem: str = "") -> Callable[[Miniature], str]:
    """What `verify sign` does with a record of which this came out."""

    def act(pack: Miniature) -> str:
        data = {"metrics": {one.name: {"value": one.recorded} for one in figures}}
        read = EvaluationRecord(Path(FIGURE), "0" * 64, data)
        try:
            record.require(Recomputed(read, figures, problem, possible=True))
            return OPEN
        except SignatureError as error:
            return str(error.kind)

    return act


GOOD, BAD = (Figure("fid", 1.54, again, 0.001, "its components") for again in (1.5405, 9.0))
LEFT = Figure("kid", 1.0, None, 0.0, "nothing")
SIGNED: Mapping[str, Case] = {
    "a bundle signed by a key of the pack": (_bundle(), OPEN),
    "a bundle that nobody signed": (_bundle(_unsigned), "unsigned"),
    "a bundle where the pack has no keys": (_bundle(keys=()), "key missing"),
    "a bundle signed by a stranger": (_bundle(number=STRANGER), "wrong key"),
    "a bundle signed by a stranger in another's name": (
        _bundle(number=STRANGER, name=TRUSTED), "broken signature"),
    "a bundle signed by one key in the name of another": (
        _bundle(number=OTHER, name=TRUSTED), "wrong key"),
    "a bundle signed by a revoked key": (_bundle(number=REVOKED), "revoked key"),
    "a bundle signed by a key for records": (_bundle(number=OTHER), "key without the role"),
    "a statement that was edited": (_bundle(_torn), "broken signature"),
    "a report that was edited": (_bundle(_edited("report.md")), "changed"),
    "evidence in another order": (_bundle(_reordered), "lines reordered"),
    "a file that was added": (_bundle(_added), "file added"),
    "a file that is gone": (_bundle(_gone), "file missing"),
    "the statement about another bundle": (_bundle(_of_another), "replayed"),
    "a bundle of an earlier commit": (
        _bundle(lambda folder, pack: pack.append(ENGINE)), "replayed"),
    "a bundle about another subject": (_bundle(kind="foreign"), "replayed"),
    "a figure signed by a key for records": (_claim(number=OTHER), OPEN),
    "a figure that nobody signed": (_claim(signed=False), "unsigned"),
    "a figure signed by a stranger": (_claim(number=STRANGER), "wrong key"),
    "a figure signed by a revoked key": (_claim(number=REVOKED), "revoked key"),
    "a figure that was not computed again": (_claim(figures=("kid",)), "not recomputed"),
    "a figure of another record": (_claim(edited=True), "changed"),
    "the signature of another record": (_claim(name="other.json"), "replayed"),
    "the signature for another pack": (_claim(pack="other"), "replayed"),
    "a figure that names no record": (_no_record, "names no record"),
    "signing what came out again": (_recomputed(GOOD, LEFT), OPEN),
    "signing what came out otherwise": (_recomputed(GOOD, BAD), "changed"),
    "signing what nothing gives again": (_recomputed(LEFT), "not recomputed"),
    "signing what is not its components'": (_recomputed(GOOD, problem="an interval"),
                                           "not recomputed"),
}  # fmt: skip


# -- forced open ----------------------------------------------------------------------------------


@mutant("gates.any_signature")
def any_signature(subject: object) -> Patched:
    """Whatever is signed in a key's name is taken as signed by it."""
    named = lambda keyid, envelope, keys: iter([k for k in keys if k.id == keyid])  # noqa: E731
    return patch.object(envelope, "_fitting", named)


@mutant("gates.any_key")
def any_key(subject: object) -> Patched:
    """Whoever signed is one of the pack's."""
    real = envelope._holder

    def holder(keyid: str, found: Any, trust: Trust, place: str) -> Key:
        try:
            return real(keyid, found, trust, place)
        except SignatureError:
            return _keys()[TRUSTED]

    return patch.object(envelope, "_holder", holder)


ANYTHING_SIGNED = (
    # A key of the pack may sign anything, though it be revoked.
    mutant("gates.any_role", envelope, _require_entitled=lambda key, role, place: None),
    # The files are not held against what was signed.
    mutant("gates.any_files", bundle, hold=lambda said, files, folder: None),
    # What a signed bundle is about is not asked.
    mutant("gates.any_commit", bundle, _require_here=lambda predicate, loaded, folder: None),
)


@mutant("gates.any_statement")
def any_statement(subject: object, kind: str) -> Patched:
    """One thing that a statement about a record fails to say is not asked."""
    real = standing._wrong

    def wrong(*given: Any) -> Any:
        return (one for one in real(*given) if one[0] != kind)

    return patch.object(standing, "_wrong", wrong)


UNSIGNED = (
    # A figure counts whoever stands for it.
    mutant("gates.unsigned_counts", scope_evidence, shortfall=lambda backed, trust: ""),
    # Records are signed as they are.
    mutant("gates.signed_unseen", record, require=lambda found: None),
    # Of no bundle is a signature ever found.
    mutant("gates.envelope_anywhere", bundle, text_of=lambda target: None if SUFFIX else ""),
)
