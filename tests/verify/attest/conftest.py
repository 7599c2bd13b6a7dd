"""A pack with a figure on paper-eval, a key, a record of that figure, and a run of all of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.verify.conftest import MiniPack, Result, claim, clause, new_pack

FIGURE = """
    from __future__ import annotations

    import json
    from contextlib import contextmanager
    from pathlib import Path

    from verify.api import Again, check, mutant, recompute

    WORSE = {"by": 0.0}

    @check("thing.figure")
    def figure(ctx):
        found = sorted(ctx.evidence_dir.glob("*.json"))
        if not found:
            return ctx.missing("no record")
        record = json.loads(found[0].read_text())
        value = record["metrics"]["fid"]["value"] + WORSE["by"]
        return ctx.judge(
            value, f"figure {value}", unit="FID", axis=record["axis"],
            backing=ctx.backing(found[:1], "fid"),
        )

    @mutant("thing.worse")
    @contextmanager
    def worse(subject):
        WORSE["by"] = 100.0
        try:
            yield
        finally:
            WORSE["by"] = 0.0

    @recompute("thing-record/1")
    def again(ctx):
        path = Path(ctx.params["record"])
        record = json.loads(path.read_text())
        beside = path.with_name(record["components"]["file"])
        kept = json.loads(beside.read_text())
        return ctx.compared({
            name: Again(
                one["value"], sum(kept[name]) if name in kept else None, 1e-9,
                "its parts" if name in kept else "nothing is kept of it",
            )
            for name, one in record["metrics"].items()
        })
"""


@dataclass
class Signing:
    """The pack with its folders; `key` is the private half."""

    pack: MiniPack
    reports: Path
    evaluations: Path
    key: Path
    cli: Callable[..., Result]

    @property
    def record(self) -> Path:
        """The one record."""
        return self.evaluations / "one.json"

    @property
    def bundle(self) -> Path:
        """The one bundle."""
        (found,) = (
            path for path in self.reports.iterdir() if path.is_dir() and path.name[0] == "2"
        )
        return found

    def __call__(self, *args: object) -> Result:
        """`verify ARGS --pack ...`."""
        return self.cli(*args, "--pack", self.pack.root)

    def init(self, *roles: str, key: Path | None = None) -> Result:
        """A key of these roles."""
        asked = [word for role in roles or ("records", "bundles") for word in ("--role", role)]
        return self("keys", "init", *asked, "--holder", "a test", "--key", key or self.key)

    def sign(self, target: Path, key: Path | None = None) -> Result:
        """Sign with the key."""
        return self("sign", target, "--key", key or self.key)

    def run(self) -> Result:
        """Judge everything."""
        return self("run", "--reports", self.reports, "--evidence", self.evaluations, "--jobs", "1")

    def make(self, value: float = 1.54, parts: tuple[float, ...] = (1.5, 0.04), **more: object
             ) -> Path:  # fmt: skip
        """Write the record and what its figure follows from."""
        self.evaluations.mkdir(exist_ok=True)
        beside = self.evaluations / "one.components.txt"
        beside.write_text(json.dumps({"fid": parts}), encoding="utf-8")
        digest = hashlib.sha256(beside.read_bytes()).hexdigest()
        data = {
            "schema": "thing-record/1", "axis": "paper-eval", "metrics": {"fid": {"value": value}},
            "samples": 50_000, "seeds": [0], "checkpoint_sha256": "c" * 64,
            "components": {"file": beside.name, "sha256": digest}, **more,
        }  # fmt: skip
        self.record.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
        return self.record


def with_figure(root: Path) -> MiniPack:
    """The pack: a law, and a figure that a claim needs on paper-eval."""
    pack = new_pack(root)
    pack.write("contracts/bindings/figure.py", FIGURE)
    pack.clauses.append(
        clause(2, kind="metric", axis="paper-eval", check="thing.figure", required=False,
               statement="The figure is at most two.", falsifiers=["thing.worse"],
               tolerance={"value": 2.0, "unit": "FID", "basis": "two"})
    )  # fmt: skip
    pack.claims = [claim(axis="paper-eval"), claim("CLAIM-LESS", axis="proxy")]
    return pack.save()


@pytest.fixture
def signing(tmp_path: Path, cli: Callable[..., Result]) -> Signing:
    """Nothing is signed yet, and there is no key."""
    pack = with_figure(tmp_path / "pack")
    made = Signing(pack, tmp_path / "reports", tmp_path / "evaluations", tmp_path / "key.pem", cli)
    made.make()
    return made
