"""`verify bundle check`: what was recorded is told again, and what does not follow is refused.

Whoever edits here can compute digests: chain, renderings, manifest and name are made anew, so only
what does not follow from the records is left to be found.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from verify.report.bundle import EVIDENCE, MANIFEST, RENDERED, RENDERERS, _manifest, check, name_of
from verify.report.model import from_evidence

from .conftest import Finished, Result
from .test_cache import chained

Cli = Callable[..., Result]
Lines = list[dict[str, Any]]


@pytest.fixture
def copy(sealed: Finished, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sealed.bundle, tmp_path / sealed.bundle.name))


def seal_anew(bundle: Path) -> Path:
    """Everything that can be computed from the evidence, as its writer would."""
    report = from_evidence(bundle / EVIDENCE)
    for name, kind in RENDERED.items():
        (bundle / name).write_text(RENDERERS[kind](report), encoding="utf-8")
    (bundle / MANIFEST).write_text(_manifest(bundle))
    return bundle.rename(bundle.with_name(name_of(report)))


def of(lines: Lines, kind: str, **where: Any) -> dict[str, Any]:
    """The first record of a kind with these values."""
    return next(
        line["data"] for line in lines
        if line["kind"] == kind and where.items() <= line["data"].items()
    )  # fmt: skip


def doubled(lines: Lines) -> None:
    at = next(n for n, line in enumerate(lines) if line["kind"] == "clause")
    lines.insert(at, json.loads(json.dumps(lines[at])))


def twice(lines: Lines) -> None:
    at = next(n for n, line in enumerate(lines) if line["kind"] == "falsifier")
    lines.insert(at, json.loads(json.dumps(lines[at])))


def without(kind: str) -> Callable[[Lines], None]:
    def remove(lines: Lines) -> None:
        lines.pop(next(n for n, line in enumerate(lines) if line["kind"] == kind))

    return remove


def claimed(lines: Lines) -> None:
    claim = of(lines, "claims")["claims"][0]
    claim.update(scope="allowed", tier="A", axis="paper-eval", reasons=[], unlock=None)


def stranger(lines: Lines) -> None:
    of(lines, "falsifier")["clause"] = "THING-999"


def easier(lines: Lines) -> None:
    of(lines, "run")["clauses"][0]["tolerance"]["value"] = 50.0


def quoted(lines: Lines) -> None:
    of(lines, "run")["clauses"][0]["sources"][0]["value"] = 7.0


def late(lines: Lines, started: str = "2026-07-01T00:00:00.000Z") -> None:
    """A waiver that ended the day before, beside those that hold."""
    head = of(lines, "run")
    head["started"] = started
    head["declared"]["waivers"].append(
        {"clause": "THING-002", "owner": "somebody", "reason": "known", "expires": "2026-06-30"}
    )
    of(lines, "clause", id="THING-002").update(outcome="waived", cause="waiver")


EDITS: list[tuple[str, Callable[[Lines], Any], str]] = [
    ("a claim at tier A", claimed, "found the claim CLAIM-THING allowed, tier A"),
    ("no claims", lambda lines: of(lines, "claims").update(claims=[]), "0 claims, and 1 follow"),
    ("a clause twice", doubled, "found 2 judgements of THING-001"),
    ("a falsifier twice", twice, "2 times"),
    ("a falsifier missing", without("falsifier"), "falsifiers, due"),
    ("no count of falsifiers", without("falsifiers_due"), "falsifiers, due"),
    ("no list of files", without("touched"), "where a run begins and ends"),
    ("a falsifier of no clause", stranger, "of THING-999, which did not pass"),
    ("an undeclared falsifier",
     lambda lines: of(lines, "falsifier").update(label="thing.other"), "does not declare it"),
    ("killed by a pass", lambda lines: of(lines, "falsifier", killed=True).update(outcome="pass"),
     "killed by a pass"),
    ("surviving by a fail", lambda lines: of(lines, "falsifier", killed=True).update(killed=False),
     "surviving by a fail"),
    ("waived by nobody", lambda lines: of(lines, "clause", id="THING-002").update(
        outcome="waived", cause="waiver"), "no waiver of it in the pack"),
    ("waived a day late", late, "found THING-002 waived, and no waiver of it in the pack"),
    ("waived without a waiver's cause",
     lambda lines: of(lines, "clause", id="THING-002").update(outcome="waived"),
     "waived by judged"),
    ("an easier tolerance", easier, "found another tolerance of THING-001"),
    ("another value of a source", quoted, "found another sources of THING-001"),
    ("a pass past its tolerance",
     lambda lines: of(lines, "clause", id="THING-001").update(measured=0.75),
     "found THING-001 passed with 0.75, and 0.5 is allowed"),
    ("a pass without a finite number",
     lambda lines: of(lines, "clause", id="THING-001").update(measured="nan"),
     "found THING-001 passed with the number nan"),
    ("a pass with an excuse",
     lambda lines: of(lines, "clause", id="THING-001").update(cause="no_column"),
     "found THING-001 passed by no_column"),
    ("a clause left out", lambda lines: of(lines, "run")["clauses"].pop(),
     "5 clauses of a whole pack of 6"),
    ("another kind of record",
     lambda lines: lines.insert(1, {"kind": "note", "data": {}}), "the kind 'note'"),
    ("another pack's text",
     lambda lines: of(lines, "run")["declared"]["claims"].pop(), "claims, and 0 follow"),
    ("a pack that is none",
     lambda lines: of(lines, "run")["declared"].update(claims=5), "do not fit"),
]  # fmt: skip


def rechained(bundle: Path, edit: Callable[[Lines], Any]) -> None:
    """Change the records of a bundle, and chain them as if they had always been so."""
    path = bundle / EVIDENCE
    lines: Lines = [json.loads(line) for line in path.read_text().splitlines()]
    edit(lines)
    chained(path, [json.dumps(line) for line in lines])


@pytest.mark.parametrize(("edit", "said"), [row[1:] for row in EDITS], ids=[r[0] for r in EDITS])
def test_what_does_not_follow_from_the_records_is_refused(
    copy: Path, cli: Cli, edit: Callable[[Lines], Any], said: str
) -> None:
    rechained(copy, edit)
    result = cli("bundle", "check", seal_anew(copy))
    assert (result.code, said in result.err) == (4, True), result.err


def set_at(*path: str | int, to: Any) -> Callable[[Lines], None]:
    """A value of the records in another form; `path` begins with the kind of a record."""

    def change(lines: Lines) -> None:
        place: Any = of(lines, str(path[0]))
        for step in path[1:-1]:
            place = place[step]
        place[path[-1]] = to

    return change


NONSENSE: list[tuple[str, Callable[[Lines], Any]]] = [
    ("no name of the pack", set_at("run", "pack", to=None)),
    ("digests that are a list", set_at("run", "digests", to=[])),
    ("a digest that is none", set_at("run", "digests", "code", to=None)),
    ("a beginning at no time", set_at("run", "started", to="2026-13-45")),
    ("a beginning in another folder", set_at("run", "started", to="../../elsewhere")),
    ("an end at no time", set_at("end", "finished", to=5)),
    ("an end that is half", set_at("end", "interrupted", to="no")),
    ("selectors that are one", set_at("run", "selectors", to=True)),
    ("a tolerance in words", set_at("run", "clauses", 0, "tolerance", "value", to="little")),
    ("a tolerance that is none", set_at("run", "clauses", 0, "tolerance", to={})),
    ("files in a list", set_at("clause", "files", to=["got.txt"])),
    ("reads that are a number", set_at("clause", "reads", to=1.0e308)),
    ("reads of a falsifier in a text", set_at("falsifier", "reads", to="all")),
    ("imports in a list", set_at("touched", "imports", to=[])),
    ("less than no falsifiers", set_at("falsifiers_due", "count", to=-1)),
    ("a detection of nothing", set_at("run", "detection", to={"contracts": 5})),
    ("an audit of nothing", set_at("run", "audit", to={"domain": 5})),
    ("a shard of nothing", set_at("run", "shard", to={"index": "1", "count": [], "selectors": 5})),
    ("a kind that is a mapping", lambda lines: lines[1].update(kind={"a": 1})),
    ("data that is a list", lambda lines: lines[1].update(data=[])),
]


@pytest.mark.parametrize("spoil", [row[1] for row in NONSENSE], ids=[r[0] for r in NONSENSE])
@pytest.mark.parametrize("words", ["bundle check", "score", "merge"])
def test_records_that_are_nonsense_are_no_defect_of_ours(
    copy: Path, cli: Cli, spoil: Callable[[Lines], Any], words: str
) -> None:
    """Well chained and stated, they once ended in a traceback and exit code 5."""
    rechained(copy, spoil)
    (copy / MANIFEST).write_text(_manifest(copy))
    result = cli(*words.split(), copy)
    assert (result.code, "Traceback" in result.err) == (4, False), result.err
    assert EVIDENCE in result.err


def test_on_its_last_day_a_waiver_is_not_late(copy: Path, cli: Cli) -> None:
    rechained(copy, lambda lines: late(lines, "2026-06-30T23:59:59.999Z"))
    result = cli("bundle", "check", seal_anew(copy))
    assert "no waiver of it" not in result.err  # what else the edit did is said instead


def test_made_anew_without_an_edit_it_is_intact(copy: Path) -> None:
    check(seal_anew(copy))


def crlf(bundle: Path) -> None:
    place = bundle / MANIFEST
    place.write_bytes(place.read_bytes().replace(b"\n", b"\r\n"))


def fifo(bundle: Path) -> None:
    os.mkfifo(bundle / "pipe")


def link_out(bundle: Path) -> None:
    outside = bundle.parent / "outside.md"
    shutil.move(bundle / "report.md", outside)
    (bundle / "report.md").symlink_to(outside)


def folder_out(bundle: Path) -> None:
    outside = bundle.parent / "outside"
    shutil.move(bundle / "mismatches", outside)
    (bundle / "mismatches").symlink_to(outside)


def hidden_manifest(bundle: Path) -> None:
    (bundle / "sub").mkdir()
    (bundle / "sub" / MANIFEST).write_text("anything")


def resealed(change: Callable[[Path], Any]) -> Callable[[Path], None]:
    def both(bundle: Path) -> None:
        change(bundle)
        (bundle / MANIFEST).write_text(_manifest(bundle))

    return both


STRUCTURE: list[tuple[str, Callable[[Path], Any]]] = [
    ("a pipe", fifo),
    ("a link out", link_out),
    ("a linked folder", folder_out),
    ("a dangling link", lambda b: (b / "x").symlink_to("nowhere")),
    ("a manifest below", hidden_manifest),
    ("a manifest below, stated", resealed(hidden_manifest)),
    ("an empty folder", lambda b: (b / "empty").mkdir()),
    ("a line end in a name", lambda b: (b / "a\nb").touch()),
    ("a line end in a name, stated", resealed(lambda b: (b / "a\nb").touch())),
    ("other line ends in the manifest", crlf),
    ("an extra file, stated", resealed(lambda b: (b / "extra.txt").touch())),
    ("a mismatch edited, stated",
     resealed(lambda b: (b / "mismatches/THING-002/got.txt").write_bytes(b"eight"))),
    ("a mismatch of nobody, stated",
     resealed(lambda b: (b / "mismatches/THING-002/more.txt").write_bytes(b"eight"))),
    ("another environment, stated", resealed(lambda b: (b / "env.json").write_text("{}"))),
    ("another command, stated",
     resealed(lambda b: (b / "commands.txt").write_text("verify run --all\n"))),
    ("a report missing, stated", resealed(lambda b: (b / "report.json").unlink())),
    ("line ends, stated", resealed(lambda b: (b / "report.md").write_bytes(
        (b / "report.md").read_bytes().replace(b"\n", b"\r\n")))),
    ("another name", lambda b: b.rename(b.with_name("99990101T000000Z-0123456789"))),
]  # fmt: skip


@pytest.mark.parametrize("spoil", [row[1] for row in STRUCTURE], ids=[r[0] for r in STRUCTURE])
def test_a_folder_that_holds_something_else_is_refused(
    copy: Path, cli: Cli, spoil: Callable[[Path], Any]
) -> None:
    spoil(copy)
    (folder,) = (path.parent for path in copy.parent.glob(f"*/{MANIFEST}"))
    assert cli("bundle", "check", folder).code == 4
