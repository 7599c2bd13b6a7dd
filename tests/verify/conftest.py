"""Small packs made for one test, and the command line as a function."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

import verify
from verify.cli import main
from verify.problems import PackError, Problem
from verify.report.bundle import EVIDENCE, latest, open_partial, seal
from verify.report.model import Report
from verify.run.engine import Event, Options, RunFinished, run
from verify.run.evidence import EvidenceWriter
from verify.run.spread import Stop
from verify.scope import Evidence
from verify.spec.digests import digests
from verify.spec.lint import lint
from verify.spec.pack import LoadedPack, load

SCAFFOLD = Path(verify.__file__).parent / "scaffold"
WHO = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false")
PATIENCE_S = 600  # until a process counts as hung; no measure of the machine

SUBJECT = """
    from __future__ import annotations

    from contextlib import contextmanager
    from types import SimpleNamespace

    from verify.api import CheckContext, Measurement, Outcome, Reason, check, mutant, subject

    VALUES = {"one": 1.0}

    @subject("thing")
    def thing():
        return SimpleNamespace(name="thing", capabilities=frozenset({"one"}), values=VALUES)

    @check("thing.one", needs=("one",))
    def one(ctx):
        off = abs(ctx.subject.values["one"] - ctx.fact("book:thing.one"))
        return ctx.judge(off, f"one: found {ctx.subject.values['one']}", unit="units")

    @mutant("thing.two_for_one")
    @contextmanager
    def two_for_one(subject, by=1.0):
        subject.values["one"] += by
        try:
            yield
        finally:
            subject.values["one"] -= by
"""


@dataclass(frozen=True)
class Result:
    """What a call of the command line left behind."""

    code: int
    out: str
    err: str


@dataclass
class MiniPack:
    """A pack of one contract around the subject `thing`; tests change what they are about."""

    root: Path
    clauses: list[dict[str, Any]] = field(default_factory=list)
    claims: list[dict[str, Any]] = field(default_factory=list)

    def write(self, relative: str, text: str) -> Path:
        """A file of the pack, dedented."""
        path = self.root / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text).lstrip("\n"), encoding="utf-8")
        return path

    def data(self, relative: str, value: Any) -> Path:
        """A YAML file of the pack."""
        return self.write(relative, yaml.safe_dump(value, sort_keys=False, allow_unicode=True))

    def edit(self, relative: str, old: str, new: str) -> None:
        """Replace a text that is there."""
        path = self.root / relative
        text = path.read_text(encoding="utf-8")
        assert old in text, f"{relative} holds no {old!r}"
        path.write_text(text.replace(old, new), encoding="utf-8")

    def save(self) -> MiniPack:
        """Write contract and claims."""
        contract = {"schema": "verify/contract/2", "contract": "THING", "title": "A thing"}
        self.data("contracts/thing.yaml", {**contract, "clauses": self.clauses})
        if self.claims:
            self.data("contracts/claims.yaml", {"schema": "verify/claims/1", "claims": self.claims})
        return self

    def load(self) -> LoadedPack:
        """Read it; raises PackError where it is wrong."""
        return load(self.root)

    def problems(self) -> tuple[Problem, ...]:
        """All that reading or linting says."""
        try:
            return lint(self.load())
        except PackError as error:
            return error.problems


def clause(number: int = 1, **changes: Any) -> dict[str, Any]:
    """A clause that passes and that its falsifier turns red; None removes a key."""
    whole = {
        "id": f"THING-{number:03d}",
        "statement": "One is one.",
        "kind": "golden",
        "check": "thing.one",
        "sources": ["book:thing.one"],
        "tolerance": {"value": 0.5, "unit": "units", "basis": "halfway to two"},
        "severity": "major",
        "falsifiers": ["thing.two_for_one"],
        "remedy": "Count again.",
        **changes,
    }
    return {name: value for name, value in whole.items() if value is not None}


def config(number: int = 1, **changes: Any) -> dict[str, Any]:
    """A config clause: a field against the fact `book:thing.one`; None removes a key."""
    without = {"kind": None, "check": None, "sources": None, "falsifiers": None}
    return clause(number, **without, **{"field": "one", "fact": "book:thing.one", **changes})


def claim(name: str = "CLAIM-THING", **needs: Any) -> dict[str, Any]:
    """A claim on all clauses."""
    sentence = "The {subject} is right: {passed} of {needed}, worst {worst}."
    needs = {"clauses": ["THING-*"], **needs}
    return {"id": name, "title": "Right", "sentence": sentence, "needs": needs}


def git(root: Path, *words: str) -> str:
    """What git says to somebody who may commit."""
    done = subprocess.run(["git", *WHO, *words], cwd=root, check=True, capture_output=True)
    return done.stdout.decode()


def newest(reports: Path) -> Path:
    """The bundle that began last, by its evidence; two of one second are not in order by name."""
    found = latest(reports)
    assert found is not None
    return found


def gone(pid: int) -> bool:
    """Whether a process is dead; a zombie that nobody collects is."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return True
    return state in "ZX"


def eventually_gone(pids: list[int]) -> bool:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if all(map(gone, pids)):
            return True
        time.sleep(0.02)
    return False


def decision(name: str = "DEC-0001", **front: Any) -> str:
    """A decision record with all its sections."""
    fields = {"id": name, "title": "T", "status": "accepted", "date": "2026-01-01", **front}
    head = yaml.safe_dump(fields, sort_keys=False)
    titles = ("Context", "Options", "Decision", "Rationale", "Evidence", "Residual risk")
    body = "".join(f"\n## {title}\n\nText.\n" for title in (*titles, "Follow-up"))
    return f"---\n{head}---\n{body}"


@pytest.fixture
def mini(tmp_path: Path) -> MiniPack:
    """A sound pack of one clause and one claim."""
    return new_pack(tmp_path / "pack")


def new_pack(root: Path) -> MiniPack:
    """See `mini`; for fixtures of a wider scope."""
    pack = MiniPack(root, [clause()], [claim()])
    manifest = {"schema": "verify/pack/1", "pack": "mini", "title": "Mini", "subject": "thing"}
    pack.data("contracts/pack.yaml", manifest)
    pack.data(
        "specs/authorities.yaml",
        {
            "schema": "verify/authorities/1",
            "authorities": [
                {"id": name, "title": name, "identifier": "1", "role": role, "licence": "public"}
                for name, role in (("book", "source"), ("talk", "source"), ("blog", "cautionary"))
            ],
        },
    )
    topic = {"title": "one", "facts": {"book": {"value": 1.0, "at": "p. 1"}}}
    pack.data(
        "specs/facts/thing.yaml", {"schema": "verify/facts/1", "topics": {"thing.one": topic}}
    )
    pack.write("contracts/bindings/__init__.py", "")
    pack.write("contracts/bindings/thing.py", SUBJECT)
    return pack.save()


@pytest.fixture
def scaffold(tmp_path: Path) -> MiniPack:
    """A copy of what `verify init` writes."""
    root = tmp_path / "scaffold"
    shutil.copytree(SCAFFOLD, root, ignore=shutil.ignore_patterns("__pycache__"))
    return MiniPack(root)


@pytest.fixture
def cli(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Callable[..., Result]:
    """`verify ARGS` in this process, from an empty working directory."""
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    return in_process(monkeypatch, capsys)


def in_process(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Result]:
    """`verify ARGS` in this process, from wherever it is."""

    def call(*args: object) -> Result:
        monkeypatch.setattr(sys, "argv", ["verify", *map(str, args)])
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return Result(ended.value.code, captured.out, captured.err)

    return call


@dataclass(frozen=True)
class Finished:
    """A run in this process: evidence, events, and the sealed bundle."""

    evidence: Evidence
    events: tuple[Event, ...]
    bundle: Path
    report: Report

    @property
    def claims(self) -> dict[str, Any]:
        """Claim verdicts by id."""
        ended = self.events[-1]
        assert isinstance(ended, RunFinished)
        return {item.claim: item for item in ended.claims}


def run_pack(
    pack: MiniPack,
    reports: Path,
    *,
    stop_after: int | None = None,
    only: Sequence[str] = (),
    **options: Any,
) -> Finished:
    """Run a pack with the engine itself; `stop_after` asks for an end after so many events."""
    loaded, events, stop = pack.load(), [], Stop()
    assert lint(loaded) == ()
    chosen = Options(**{"subject": "thing", "jobs": 1, **options})
    partial = open_partial(reports)
    about = {
        "verify": verify.__version__,
        "pack": "mini",
        "subject": chosen.subject,
        "seed": chosen.seed,
        "profile": chosen.profile,
        "selectors": list(only),
        "falsify": chosen.falsify,
        "python": "3",
        "digests": digests(loaded),
    }
    clauses = tuple(c for c in loaded.pack.clauses if not only or c.id in only)
    with contextlib.closing(EvidenceWriter(partial / EVIDENCE, loaded, about)) as writer:

        def emit(event: Event) -> None:
            events.append(event)
            writer(event)
            stop.requested = stop_after is not None and len(events) >= stop_after

        evidence = run(loaded, clauses, chosen, emit, stop=stop)
    bundle, report = seal(partial)
    return Finished(evidence, tuple(events), bundle, report)


@pytest.fixture(scope="session")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """One bundle that holds every outcome a worker can answer; tests copy it before they edit."""
    folder = tmp_path_factory.mktemp("sealed")
    pack = new_pack(folder / "pack")
    pack.write(
        "contracts/bindings/odd.py",
        """
        from verify.api import check

        @check("odd.wrong")
        def wrong(ctx):
            return ctx.judge(7.0, "a < b & c > d | e", files={"got.txt": b"seven"})

        @check("odd.missing")
        def missing(ctx):
            return ctx.missing("no <weights> here")

        @check("odd.raises")
        def raises(ctx):
            raise RuntimeError("boom]]>")
        """,
    )
    pack.clauses += [
        clause(2, check="odd.wrong", statement="Some <b>statement</b> | with bars & signs."),
        clause(3, check="odd.missing", required=False),
        clause(4, check="odd.raises", severity="minor"),
        clause(5, statement="Nothing catches it.", falsifiers=[
            {"thing.two_for_one": {"by": 0.1}}]),
        clause(6, check="odd.wrong", statement="It is known to be wrong."),
    ]  # fmt: skip
    waiver = {"clause": "THING-006", "owner": "owner", "reason": "known", "expires": "2999-01-01"}
    pack.data("contracts/waivers.yaml", {"schema": "verify/waivers/1", "waivers": [waiver]})
    pack.save()
    return run_pack(pack, folder / "reports")
