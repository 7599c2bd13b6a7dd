"""A staged repository in which every gate of this repository's own list is open to a pass.

The gates are those of contracts/policy/release.yaml, with the places and selectors of the staged
one; the checks are the pack's own, called in this process and remembered by the digest of their
artefact.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from contracts.artifact import cases as artifact_cases
from contracts.policy import artefact as release
from contracts.policy import card, speed
from drift.artifacts.store import save_artifact
from drift.generator import Generator
from tests.verify.conftest import MiniPack, clause, decision, new_pack, run_pack
from tests.verify.guard.conftest import Repository
from verify import clock
from verify.api import CheckContext, registered
from verify.card.compare import hands
from verify.card.gate import source_of
from verify.card.render import card as rendered
from verify.guard.protect import approve, digest_of, guard_of
from verify.release.decide import Decision, decide
from verify.release.records import make
from verify.release.signing import sign
from verify.release.situation import Situation, artefact_of, gather
from verify.run.answers import decode, encode
from verify.run.results import Verdict
from verify.spec.model import Budget

REPOSITORY = Path(__file__).parents[3]
TODAY = date(2026, 11, 21)
ROOMS = (
    "policy/__init__.py", "policy/artefact.py", "policy/card.py", "policy/card.yaml",
    "policy/speed.py", "common/__init__.py", "common/plain.py",
)  # fmt: skip
FIELDS = {
    **artifact_cases.FIELDS,
    "source_sha256": "ab" * 32,
    "template": "digits@" + "cd" * 32,
    "data": "digits, manifest " + "ef" * 32,
    "evaluation": '{"axis": "repo-eval", "metric": "fid", "samples": 5000, "value": 9.0}',
    "tier": "B",
}

WEATHER = """
    from __future__ import annotations

    from verify.api import check

    @check("weather.fine", needs=("one",))
    def fine(ctx):
        off = abs(ctx.subject.values["one"] - 1.0)
        here = (ctx.evidence_dir / ctx.params["file"]).is_file()
        return ctx.judge(off if here else 9.0, f"{ctx.params['file']} is there: {here}")
"""


class Direct:
    """Checks in this process; a question about the same bytes is asked once."""

    def __init__(self) -> None:
        modules = (release, card, speed)
        members = [value for module in modules for value in vars(module).values()]
        self.checks = {entry.name: value for value in members for entry in registered(value)}
        self.memory: dict[str, Verdict] = {}
        self.remembers = True

    def __call__(self, gate: str, check: str, params: Mapping[str, Any], budget: Budget) -> Verdict:
        rest = {name: value for name, value in params.items() if name != "artefact"}
        file = digest_of(Path(params["artefact"])) if "artefact" in params else ""
        key = f"{check} {rest} {file}"
        if not self.remembers:
            return self.ask(gate, check, params)
        if key not in self.memory:
            self.memory[key] = self.ask(gate, check, params)
        return self.memory[key]

    def ask(self, gate: str, check: str, params: Mapping[str, Any]) -> Verdict:
        context = CheckContext(gate, None, params, None, {}, Path())
        answer = encode(self.checks[check](context))
        return decode({"provenance": {}, **answer, "elapsed_s": 0.0, "peak_mb": 0.0})


RUN = Direct()


@pytest.fixture(autouse=True)
def stands_still(monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands' date is that of the stage, whatever the machine's."""
    monkeypatch.setattr(clock, "today", lambda: TODAY)


@dataclass
class Stage:
    """The staged repository and what is released from it."""

    pack: MiniPack
    artefacts: tuple[str, ...] = ("model.safetensors",)

    @property
    def root(self) -> Path:
        return self.pack.root

    @property
    def reports(self) -> Path:
        return self.root / "reports"

    def situation(self) -> Situation:
        paths = tuple(self.root / name for name in self.artefacts)
        return gather(self.pack.load(), self.reports, paths, TODAY)

    def decide(self) -> Decision:
        return decide(self.situation(), RUN)

    def seal(self, *evidence: str) -> None:
        """A new bundle, the only one; the clauses whose evidence is named find it."""
        for old in self.reports.glob("[0-9]*"):
            shutil.rmtree(old) if old.is_dir() else old.unlink()
        folder = self.reports / "evaluations"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for name in evidence:
            (folder / name).touch()
        run_pack(self.pack, self.reports, evidence_dir=folder)

    def write_card(self, name: str = "model.safetensors") -> None:
        now = self.situation()
        assert now.bundle is not None
        path = self.root / f"{Path(name).stem}.card.md"
        kept = hands(path.read_text()) if path.exists() else {}
        source = source_of(now.loaded, now.bundle, artefact_of(self.root / name), RUN)
        path.write_text(rendered(source, kept), encoding="utf-8")

    def save(self, model: Generator | None = None, **fields: str) -> None:
        """Another artefact, with its card."""
        model = model or artifact_cases.generator()
        save_artifact(self.root / "model.safetensors", model, {**FIELDS, **fields}, overwrite=True)
        self.write_card()

    def record(self, *gates: str) -> None:
        now = self.situation()
        for gate in now.release.gates:
            if gate.id in gates:
                make(gate, now, RUN)

    def sign(self, *gates: str) -> None:
        for gate in gates:
            sign(self.situation(), gate, name="Nobody", role="tester", what="looked at it")


def gates() -> dict[str, Any]:
    """This repository's own gates, at the places of the staged one."""
    whole = yaml.safe_load(
        (REPOSITORY / "contracts" / "policy" / "release.yaml").read_text(encoding="utf-8")
    )
    whole["version"] = "thing/__init__.py"
    here: dict[str, dict[str, Any]] = {
        "parity": {"clauses": ["THING-001"]},
        "tests": {
            "covers": ["tests", "thing"],
            "command": ["{python}", "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests",
                        "--junitxml={junit}"],
            "least": 1,
        },
        "version": {"files": ["thing/__init__.py", "pyproject.toml", "CHANGELOG.md"]},
        "speed-loss": {
            "covers": ["thing"], "floor": {"value": 1.0e-6, "basis": "any"}, "max_spread": 1.0e6,
            "params": {"groups": 1, "generated": 4, "positives": 4, "negatives": 2, "features": 4,
                       "calls": 1, "pairs": 15},
        },
        "speed-queue": {
            "covers": ["thing"], "floor": {"value": 1.0e-6, "basis": "any"}, "max_spread": 1.0e6,
            "params": {"classes": 2, "capacity": 4, "features": 2, "pushed": 2, "labels": 2,
                       "drawn": 2, "calls": 1, "pairs": 15},
        },
    }  # fmt: skip
    for gate in whole["gates"]:
        gate["by"].update(here.get(gate["id"], {}))
    return dict(whole)


def build(root: Path) -> Stage:
    """Everything GO."""
    pack = new_pack(root)
    shutil.copy(REPOSITORY / "contracts" / "__init__.py", root / "contracts")
    for name in ROOMS:
        target = root / "contracts" / name
        target.parent.mkdir(exist_ok=True)
        shutil.copy(REPOSITORY / "contracts" / name, target)
    pack.write("contracts/bindings/weather.py", WEATHER)
    pack.clauses = [
        clause(1, check="weather.fine", params={"file": "one"}),
        clause(2, check="weather.fine", params={"file": "two"}),
    ]
    waiver = {"clause": "THING-001", "owner": "owner", "reason": "known", "expires": "2999-01-01"}
    pack.data("contracts/waivers.yaml", {"schema": "verify/waivers/1", "waivers": [waiver]})
    pack.data("contracts/policy/release.yaml", gates())
    pack.save()
    pack.write("specs/decisions/DEC-0001.md", decision(governs=["frozen/**"]))
    pack.write("README.md", "# A thing\n\nIt is a thing.\n")
    pack.write("thing/__init__.py", '__version__ = "0.1.0"\n')
    pack.write("tests/test_thing.py", "def test_one_is_one():\n    assert 1 == 1\n")
    pack.write("frozen/one.txt", "one\n")
    asset = {"glob": "frozen/**", "reason": "recorded"}
    pack.data(
        "contracts/policy/protected.yaml", {"schema": "verify/protected/1", "assets": [asset]}
    )
    pack.write("LICENSE", "Apache License\nVersion 2.0, January 2004\n")
    pack.write("CHANGELOG.md", "# Changelog\n\n## [0.1.0] - 2026-11-21\n\nThe first.\n")
    pack.write("pyproject.toml", PROJECT)
    commit(root)
    stage = Stage(pack)
    approve(guard_of(pack.load()), ["frozen/**"], "DEC-0001")
    stage.seal("one", "two")
    stage.save()
    stage.record("tests", "speed-loss", "speed-queue")
    stage.sign("legal-review", "independent-user", "publish-tag", "upload-weights")
    return stage


def commit(root: Path) -> None:
    """Two commits, so that there is a change to judge."""
    repository = Repository(root)
    repository.write("contracts/policy/frontier.yaml", FRONTIER)
    repository.git("init", "-q")
    repository.commit()
    repository.write("notes/one.txt", "one\n")
    repository.commit()


FRONTIER = """\
schema: verify/frontier/1
allow: ["**"]
deny:
  - {glob: notes/closed/**, reason: closed}
"""
PROJECT = """
    [project]
    name = "thing"
    version = "0.1.0"
    license = "Apache-2.0"
    license-files = ["LICENSE"]
"""


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    """The staged repository; tests copy it before they change it."""
    torch.set_num_threads(1)
    return build(tmp_path_factory.mktemp("stage") / "repository")


@pytest.fixture
def stage(whole: Stage, tmp_path: Path) -> Stage:
    root = tmp_path / "repository"
    shutil.copytree(whole.root, root, symlinks=True)
    return replace(whole, pack=replace(whole.pack, root=root))


Flip = Callable[[Stage], None]
