"""Imports that begin while the pack is read."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from verify.run import beforehand
from verify.run.workers.forks import ForkServer
from verify.run.workers.processes import descendants

from .conftest import PATIENCE_S, MiniPack, Result, clause, eventually_gone

Cli = Callable[..., Result]


@pytest.fixture
def pack(mini: MiniPack) -> MiniPack:
    """A pack that names a library which says who imported it."""
    mini.write("contracts/bindings/looks.py", """
        import os, sys
        from verify.api import check

        @check("looks.at_itself")
        def at_itself(ctx):
            right = ctx.subject.values["one"] == 1.0
            return ctx.decide(right, "told", details={"there": "wave" in sys.modules})
    """)  # fmt: skip
    mini.clauses = [clause(check="looks.at_itself")]
    with (mini.root / "contracts/pack.yaml").open("a") as file:
        file.write("imports: [wave]\n")
    return mini.save()


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What servers were asked to import, in order."""
    orders: list[list[str]] = []
    real = ForkServer.imports

    def imports(self: ForkServer, modules: list[str], evidence_dir: str, **more: bool) -> None:
        orders.append(list(modules))
        real(self, modules, evidence_dir, **more)

    monkeypatch.setattr(ForkServer, "imports", imports)
    return orders


def test_the_manifests_imports_come_first_and_workers_have_them(
    pack: MiniPack, cli: Cli, started: list[list[str]]
) -> None:
    result = cli("run", "--pack", pack.root, "--output", "json=report.json")
    assert result.code == 0, result.err
    assert '"there": true' in Path("report.json").read_text()
    assert started[0] == ["wave"]
    assert len(started) > 1, "then what the tasks name"


@pytest.mark.parametrize("words", [("--cached",), ("--subject", "other.py")], ids=" ".join)
def test_none_where_nothing_or_another_environment_is_imported(
    pack: MiniPack, cli: Cli, started: list[list[str]], words: tuple[str, ...]
) -> None:
    Path("other.py").write_text("")
    cli("run", "--pack", pack.root, *words)
    assert ["wave"] not in started


def test_a_pack_that_is_not_sound_leaves_no_process(
    pack: MiniPack, cli: Cli, started: list[list[str]]
) -> None:
    pack.write("contracts/pack.yaml", (pack.root / "contracts/pack.yaml").read_text() + "x: 1\n")
    before = set(descendants(os.getpid()))
    assert cli("run", "--pack", pack.root).code == 2
    assert started == [["wave"]]
    assert set(descendants(os.getpid())) <= before


def test_no_code_of_the_pack_runs_before_it_was_digested(
    pack: MiniPack, cli: Cli, tmp_path: Path
) -> None:
    """What is judged would be older than what the evidence names; of an unsound pack none runs."""
    flag = tmp_path / "ran"
    pack.write("contracts/__init__.py", f"open({str(flag)!r}, 'w').close()\n")
    manifest = (pack.root / "contracts/pack.yaml").read_text()
    pack.write("contracts/pack.yaml", manifest + "x: 1\n")
    assert cli("run", "--pack", pack.root).code == 2
    assert not flag.exists()
    pack.write("contracts/pack.yaml", manifest)
    assert cli("run", "--pack", pack.root).code == 0
    assert flag.exists()


HANGS = """
import os, signal, sys, time
from pathlib import Path
from verify.run import beforehand
from verify.run.workers.processes import descendants

with beforehand.begun(Path(sys.argv[1]), 1, Path("evaluations")):
    while not Path("begun").exists():
        time.sleep(0.01)
    print(*descendants(os.getpid()), flush=True)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(600)
"""


def test_a_command_that_is_killed_meanwhile_leaves_nobody(pack: MiniPack, tmp_path: Path) -> None:
    pack.write("libraries/hanging.py", "open('begun', 'w').close()\nimport time\ntime.sleep(600)\n")
    pack.edit("contracts/pack.yaml", "[wave]", "[hanging]")
    where = {**os.environ, "PYTHONPATH": str(pack.root / "libraries")}
    done = subprocess.run(
        [sys.executable, "-c", HANGS, str(pack.root)], env=where, cwd=tmp_path,
        capture_output=True, text=True, timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    assert done.returncode == -signal.SIGTERM, done.stderr
    (server,) = map(int, done.stdout.split())
    assert eventually_gone([server])


def test_a_name_that_cannot_be_imported_is_who_needs_its_business(pack: MiniPack, cli: Cli) -> None:
    pack.edit("contracts/pack.yaml", "[wave]", "[no_such_library]")
    assert cli("run", "--pack", pack.root).code == 0


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("[contracts]", "contracts, which lies beside the pack"),
        ("[contracts.bindings.thing]", "contracts.bindings.thing, which lies beside the pack"),
        ("['a b']", "a b"),
        ("wave", "wave"),
    ],
)
def test_only_libraries_are_named(pack: MiniPack, value: str, found: str) -> None:
    pack.edit("contracts/pack.yaml", "[wave]", value)
    (problem,) = pack.problems()
    assert found in str(problem)
    assert "imports" in str(problem)


def test_a_manifest_that_is_none_names_nothing(pack: MiniPack) -> None:
    for text in ("- a\n", "imports: {a: 1}\n", "imports: [1]\n", "a: b: c\n", ""):
        pack.write("contracts/pack.yaml", text)
        assert beforehand.early_imports(pack.root) == []
