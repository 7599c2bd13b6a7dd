"""A pack that is installed: under a name of its own, beside the packages it is about."""

from __future__ import annotations

import shutil
import sys
import tomllib
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import pytest

from verify.mutate.operators import mutants
from verify.mutate.source import Source
from verify.spec import places
from verify.spec import root as roots
from verify.spec.digests import digests
from verify.spec.lint import lint

from .conftest import MiniPack, Result, clause, config, new_pack

ROOT = Path(__file__).parents[2]


def settled(root: Path, code: Path) -> MiniPack:
    """A pack of one check and one config clause, whose code and template lie below `code`."""
    pack = new_pack(root)
    with (root / "contracts/pack.yaml").open("a") as file:
        file.write("columns: [S]\ntemplates: {S: engine/s.yaml}\ncode: [engine]\n")
    (code / "engine").mkdir(parents=True)
    (code / "engine/__init__.py").write_text("ONE = 1.0\n")
    (code / "engine/s.yaml").write_text("one: 1.0\n")
    pack.clauses.append(config(2))
    return pack.save()


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of installed packages, this harness among them."""
    folder = tmp_path / "site"
    (folder / "verify").mkdir(parents=True)
    monkeypatch.setattr(places, "HARNESS", folder / "verify")
    return folder


def test_the_wheel_has_no_contracts_and_no_specs_at_its_top() -> None:
    """They would shadow a user's own package `contracts`."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    tops = {wheel["sources"].get(name, name).split("/")[0] for name in wheel["only-include"]}
    assert tops == {"verify", "drift", "drift_pack"}
    assert next(iter(project["project"]["entry-points"]["verify.packs"].values())) == "drift_pack"


def test_an_installed_pack_finds_its_code_and_templates_beside_it(
    site: Path, tmp_path: Path
) -> None:
    installed = settled(site / "thing_pack", site)
    in_place = settled(tmp_path / "place", tmp_path / "place")
    assert lint(installed.load()) == lint(in_place.load()) == ()
    assert digests(installed.load()) == digests(in_place.load())
    (site / "engine/__init__.py").write_text("ONE = 2.0\n")
    assert digests(installed.load())["code"] != digests(in_place.load())["code"]
    assert roots.is_about(installed.root, site / "engine")
    assert not roots.is_about(installed.root, tmp_path / "place/engine")


def test_an_equivalent_change_of_code_beside_an_installed_pack_still_stands(site: Path) -> None:
    """The shipped pack failed its own lint wherever it was installed: 86 problems, nothing run."""
    installed = settled(site / "thing_pack", site)
    code = site / "engine/__init__.py"
    one = next(mutants(Source("engine/__init__.py", code.read_bytes())))
    named = {"mutant": one.name, "file": one.file, "before": one.before, "after": one.after}
    entries = [{**named, "reason": "Nobody reads it."}]
    installed.data(
        "specs/equivalent_mutants.yaml",
        {"schema": "verify/equivalents/1", "equivalents": entries},
    )
    assert installed.problems() == ()
    code.write_text("TWO = 2.0\n")
    (problem,) = installed.problems()
    assert f"{one.name}, which no change of engine/__init__.py is called" in problem.found


def test_code_beside_an_installed_pack_is_changed_and_judged(
    site: Path, tmp_path: Path, cli: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = settled(site / "thing_pack", site)
    installed.write("contracts/bindings/one.py", """
        import engine
        from verify.api import check

        @check("thing.reads_one")
        def one(ctx):
            return ctx.decide(engine.ONE == 1.0, "the one is one")
    """)  # fmt: skip
    exact = {"exact": True, "basis": "one number"}
    installed.clauses = [clause(1, check="thing.reads_one", tolerance=exact), config(2)]
    installed.save()
    monkeypatch.setenv("PYTHONPATH", str(site))
    done = cli("mutate", "--pack", installed.root, "--reports", tmp_path / "reports", "--jobs", 1)
    assert done.code == 0, done.err
    assert "noticed 1 of 1" in done.out


def test_a_pack_that_is_not_installed_reads_nothing_beside_it(tmp_path: Path) -> None:
    pack = settled(tmp_path / "place", tmp_path)
    found = {problem.path for problem in pack.problems()}
    assert {"code[0]", "templates.S"} <= found


def test_no_place_leaves_the_folder_of_packages(site: Path) -> None:
    root = site / "thing_pack"
    root.mkdir()
    (site.parent / "secret.yaml").write_text("one: 1.0\n")
    assert places.named(root, "../../secret.yaml") is None
    assert places.named(root, "../secret.yaml") is None


def test_the_pack_of_a_package_is_found_by_its_entry_point(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settled(site / "thing_pack", site)
    entry = type("Entry", (), {"value": "thing_pack"})()
    monkeypatch.setattr(metadata, "entry_points", lambda group: [entry])
    monkeypatch.setattr(sys, "path", [str(site), *sys.path])
    assert list(roots.installed_roots()) == [site / "thing_pack"]
    shutil.rmtree(site / "thing_pack" / "contracts")
    assert list(roots.installed_roots()) == []
