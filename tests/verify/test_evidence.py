"""Evidence and bundles: hash-chained, sealed, never edited, never overwritten."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from verify.outcome import Outcome
from verify.problems import IntegrityError, UsageError
from verify.report import bundle
from verify.report.bundle import EVIDENCE, MANIFEST, RENDERED, RENDERERS, check, report_json
from verify.report.model import from_evidence
from verify.run.evidence import records
from verify.spec.digests import digests

from .conftest import Finished, MiniPack, Result, clause, decision, run_pack

Cli = Callable[..., Result]


@pytest.fixture
def copy(sealed: Finished, tmp_path: Path) -> Path:
    """A bundle to spoil."""
    return Path(shutil.copytree(sealed.bundle, tmp_path / sealed.bundle.name))


# -- the chain ------------------------------------------------------------------------------------


def test_every_record_carries_the_hash_of_the_one_before(sealed: Finished) -> None:
    lines = (sealed.bundle / EVIDENCE).read_text().splitlines()
    previous = "0" * 64
    for number, line in enumerate(lines):
        record = json.loads(line)
        stated = record.pop("hash")
        assert (record["seq"], record["prev"]) == (number, previous)
        text = json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        assert hashlib.sha256(text.encode()).hexdigest() == stated
        previous = stated
    assert sealed.report.evidence_head == previous
    kinds = [record.kind for record in records(sealed.bundle / EVIDENCE)]
    assert kinds[0] == "run"
    assert kinds[-2:] == ["claims", "end"]
    assert kinds.count("clause") == len(sealed.report.clauses)


def edit(line: str) -> str:
    return line.replace('"outcome":"fail"', '"outcome":"pass"')


@pytest.mark.parametrize(
    ("spoil", "line"),
    [
        (lambda lines: [edit(line) for line in lines], 3),
        (lambda lines: lines[:2] + lines[3:], 3),
        (lambda lines: [*lines[:2], lines[3], lines[2], *lines[4:]], 3),
        (lambda lines: [*lines[:3], lines[2], *lines[3:]], 4),
        (lambda lines: [lines[0].replace('"seed":0', '"seed":1'), *lines[1:]], 1),
        (lambda lines: [*lines[:1], "{}", *lines[1:]], 2),
        (lambda lines: [*lines[:1], "not json", *lines[1:]], 2),
        (lambda lines: [*lines, ""], None),
        (lambda lines: [], 1),
    ],
    ids=["edited", "removed", "swapped", "doubled", "first", "foreign", "text", "blank", "empty"],
)
def test_an_edited_evidence_file_is_refused(
    copy: Path, spoil: Callable[[list[str]], list[str]], line: int | None
) -> None:
    path = copy / EVIDENCE
    before = path.read_text().splitlines()
    after = spoil(before)
    assert after != before
    path.write_text("\n".join(after) + "\n")
    with pytest.raises(IntegrityError) as error:
        from_evidence(path)
    assert f"{path}:{line if line is not None else len(before) + 1}: " in str(error.value)


def test_a_file_cut_at_a_record_is_an_unfinished_run(copy: Path) -> None:
    path = copy / EVIDENCE
    path.write_text("\n".join(path.read_text().splitlines()[:-1]) + "\n")
    with pytest.raises(IntegrityError, match="found no end record"):
        from_evidence(path)


def forge(path: Path, written: list[dict[str, Any]]) -> None:
    """Write records with a chain of hashes that is whole again."""
    lines, previous = [], "0" * 64
    for record in written:
        bare = {k: v for k, v in record.items() if k != "hash"} | {"prev": previous}
        previous = hashlib.sha256(canonical(bare).encode()).hexdigest()
        lines.append(canonical(bare | {"hash": previous}))
    path.write_text("\n".join(lines) + "\n")


def canonical(record: dict[str, Any]) -> str:
    return json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def test_a_chain_forged_anew_does_not_match_the_bundle(copy: Path) -> None:
    """Whoever recomputes every hash still has to explain the manifest and the reports."""
    path = copy / EVIDENCE
    forge(path, [json.loads(edit(line)) for line in path.read_text().splitlines()])
    from_evidence(path)
    with pytest.raises(IntegrityError, match=r"evidence\.jsonl: found a file that is changed"):
        check(copy)
    (copy / MANIFEST).write_text(bundle._manifest(copy))
    with pytest.raises(IntegrityError, match="a report that its evidence does not render to"):
        check(copy)


# -- the bundle -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "spoil",
    [
        lambda kinds: kinds["run"].pop("clauses"),
        lambda kinds: kinds["run"].update(clauses=7),
        lambda kinds: kinds["run"].update(clauses=[None]),
        lambda kinds: kinds["claims"].update(claims=None),
        lambda kinds: kinds["clause"].pop("id"),
        lambda kinds: kinds["falsifier"].clear(),
    ],
    ids=["no clauses", "a number", "a null", "no claims", "no id", "an empty falsifier"],
)
def test_records_that_say_too_little_are_an_integrity_error_however_well_hashed(
    copy: Path, spoil: Callable[[dict[str, Any]], object]
) -> None:
    path = copy / EVIDENCE
    written = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    spoil({record["kind"]: record["data"] for record in reversed(written)})
    forge(path, written)
    with pytest.raises(IntegrityError, match="another version"):
        from_evidence(path)


def test_a_bundle_holds_what_it_should(sealed: Finished) -> None:
    found = {path.relative_to(sealed.bundle).as_posix() for path in sealed.bundle.rglob("*.*")}
    assert found == {
        "report.json", "report.md", "report.html", "junit.xml", "results.sarif", "evidence.jsonl",
        "commands.txt", "env.json", "manifest.sha256", "mismatches/THING-002/got.txt",
        "mismatches/THING-006/got.txt",
    }  # fmt: skip
    assert re.fullmatch(r"[0-9]{8}T[0-9]{6}Z-[0-9a-f]{10}", sealed.bundle.name)
    assert sealed.report.evidence_head.startswith(sealed.bundle.name.rpartition("-")[2])
    assert (sealed.bundle / "mismatches/THING-002/got.txt").read_bytes() == b"seven"
    environment = json.loads((sealed.bundle / "env.json").read_text())
    assert environment["packages"]["pydantic"]


def test_every_rendering_comes_from_the_evidence_alone(copy: Path) -> None:
    """From nothing but the evidence file, in another place, each output is the same to the byte."""
    alone = copy.parent / "alone"
    alone.mkdir()
    shutil.copy(copy / EVIDENCE, alone)
    report = from_evidence(alone / EVIDENCE)
    for name, kind in RENDERED.items():
        assert RENDERERS[kind](report) == (copy / name).read_text(encoding="utf-8"), name


def test_an_intact_bundle_is_said_to_be_intact(copy: Path, cli: Cli) -> None:
    result = cli("bundle", "check", copy)
    assert result.code == 0
    assert result.out.startswith("intact: NO-GO: ")


SPOILED: list[tuple[str, Callable[[Path], Any], str]] = [
    ("changed", lambda b: (b / "report.md").write_text("all is well"), "report.md: found a file"),
    ("missing", lambda b: (b / "env.json").unlink(), "env.json: found a file that is missing"),
    ("extra", lambda b: (b / "extra.txt").touch(), "extra.txt: found a file that is extra"),
    ("mismatch", lambda b: (b / "mismatches/THING-002/got.txt").write_bytes(b"eight"), "changed"),
    ("report", lambda b: (b / "report.json").write_text("{}"), "report.json: found a file"),
    ("manifest", lambda b: (b / MANIFEST).write_text("what?"), "not a list of digests"),
    ("binary", lambda b: (b / MANIFEST).write_bytes(b"\xff\xfe"), "not a list of digests"),
]


@pytest.mark.parametrize(
    ("spoil", "said"), [row[1:] for row in SPOILED], ids=[r[0] for r in SPOILED]
)
def test_a_spoiled_bundle_is_an_integrity_error(
    copy: Path, cli: Cli, spoil: Callable[[Path], Any], said: str
) -> None:
    spoil(copy)
    result = cli("bundle", "check", copy)
    assert result.code == 4
    assert said in result.err


@pytest.mark.parametrize("name", sorted(RENDERED))
def test_a_rendering_replaced_together_with_its_digest_is_found_out(copy: Path, name: str) -> None:
    path = copy / name
    path.write_text(path.read_text(encoding="utf-8").replace("NO-GO", "GO"), encoding="utf-8")
    (copy / MANIFEST).write_text(bundle._manifest(copy))
    if name == "junit.xml":
        path.write_text(path.read_text().replace("failure", "skipped"))
        (copy / MANIFEST).write_text(bundle._manifest(copy))
    with pytest.raises(IntegrityError, match=f"{name}: found a report that its evidence"):
        check(copy)


def test_a_bundle_of_another_version_says_so(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle, "__version__", "99.0")
    monkeypatch.setitem(RENDERERS, "md", lambda report: "rendered differently since")
    with pytest.raises(IntegrityError, match=r"verify [\d.]+, which wrote it; this is 99"):
        check(copy)


def test_what_is_no_bundle_is_a_usage_error(tmp_path: Path, cli: Cli) -> None:
    result = cli("bundle", "check", tmp_path)
    assert result.code == 2
    assert "found no manifest.sha256; expected a sealed bundle" in result.err


def test_a_bundle_is_never_overwritten(
    mini: MiniPack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even an empty folder that happens to have the name stops the rename."""
    partial = run_pack(mini, tmp_path / "reports").bundle
    name = partial.name
    taken = tmp_path / "again" / name
    taken.mkdir(parents=True)
    stamp = name.partition("Z-")[0]
    again = tmp_path / "again" / f".partial-{stamp}.000000Z-1"
    again.mkdir()
    for name in (EVIDENCE, bundle.COMMANDS, bundle.ENVIRONMENT):
        shutil.copy(partial / name, again)
    with pytest.raises(UsageError, match="bundles are never overwritten"):
        bundle.seal(again)
    assert list(taken.iterdir()) == []


def test_two_runs_leave_two_bundles_and_the_latest_is_found(mini: MiniPack, cli: Cli) -> None:
    first = cli("run", "--pack", mini.root)
    second = cli("run", "--pack", mini.root)
    assert (first.code, second.code) == (0, 0)
    names = sorted(path.name for path in Path("reports").iterdir())
    assert len(names) == 2
    (Path("reports") / ".partial-x").mkdir()
    newest = bundle.latest(Path("reports"))
    assert newest is not None
    assert newest.name in second.out or newest.name in first.out
    assert bundle.latest(Path("nowhere")) is None


DIGESTED = [
    ("code", "source/part.py", "2\n"),
    ("code", "setup.py", "2\n"),
    ("code", "contracts/bindings/thing.py", "# changed\n"),
    ("specs", "specs/golden/trace.bin", "2\n"),
    ("pack specs", "specs/decisions/DEC-0001.md", "Changed.\n"),
    ("pack specs", "specs/facts/thing.yaml", "# changed\n"),
    ("pack", "contracts/thing.yaml", "# changed\n"),
    ("", "README.md", "changed\n"),
    ("", "source/__pycache__/part.pyc", "2\n"),
]


@pytest.mark.parametrize(("changed", "path", "text"), DIGESTED, ids=[row[1] for row in DIGESTED])
def test_digests_follow_pack_code_and_recorded_data(
    mini: MiniPack, changed: str, path: str, text: str
) -> None:
    with (mini.root / "contracts/pack.yaml").open("a") as file:
        file.write("code: [source, setup.py]\n")
    for name in ("source/part.py", "setup.py", "specs/golden/trace.bin"):
        mini.write(name, "1\n")
    mini.write("specs/decisions/DEC-0001.md", decision())
    before = digests(mini.load())
    assert digests(mini.load()) == before
    (mini.root / path).parent.mkdir(exist_ok=True)
    with (mini.root / path).open("a") as file:
        file.write(text)
    after = digests(mini.load())
    assert {name for name in after if after[name] != before[name]} == set(changed.split())


def test_statements_with_any_character_survive_the_evidence_file(
    mini: MiniPack, tmp_path: Path
) -> None:
    """U+2028 ends a line for some readers, not for this one."""
    mini.clauses = [clause(statement="one \u2028 two \x85 three \u0007 \U0001f600")]
    report = run_pack(mini.save(), tmp_path).report
    assert report.clauses[0].statement == "one \u2028 two \x85 three \u0007 \U0001f600"
    assert report.clauses[0].outcome is Outcome.PASS


def test_report_json_is_versioned_and_complete(sealed: Finished) -> None:
    report = json.loads(report_json(sealed.report))
    assert report["schema"] == "verify/report/2"
    assert {c["id"]: c["outcome"] for c in report["clauses"]} == {
        "THING-001": "pass", "THING-002": "fail", "THING-003": "unknown", "THING-004": "error",
        "THING-005": "pass", "THING-006": "waived",
    }  # fmt: skip
    first = report["clauses"][0]
    assert first["sources"] == [{"id": "book:thing.one", "at": "p. 1", "value": 1.0, "says": ""}]
    assert (first["file"], first["line"]) == ("contracts/thing.yaml", 5)
