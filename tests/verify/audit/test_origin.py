"""Which files are said to lie beside a subject: its own modules, and no library's."""

from __future__ import annotations

import importlib
import sys
import sysconfig
from pathlib import Path
from types import ModuleType

import pytest

from verify.audit.worker import origin


def imported(monkeypatch: pytest.MonkeyPatch, *files: Path) -> None:
    """Modules that came from these files."""
    for number, file in enumerate(files):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"NUMBER = {number}\n")
        module = ModuleType(f"stands_in_{number}")
        module.__file__ = str(file)
        monkeypatch.setitem(sys.modules, module.__name__, module)


def test_an_environment_beside_the_subject_is_none_of_its_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That of conda has Python's own library in it: 143 files were said to be the subject's."""
    own = tmp_path / "env/lib/python3.11"
    real = sysconfig.get_paths()
    monkeypatch.setattr(
        sysconfig, "get_paths", lambda: {**real, "stdlib": str(own), "platstdlib": str(own)}
    )
    imported(
        monkeypatch, tmp_path / "helper.py", own / "json/decoder.py",
        own / "site-packages/numpy/random.py", tmp_path / ".venv/dist-packages/one.py",
    )  # fmt: skip
    assert origin._beside(tmp_path / "my_loss.py", tmp_path)["beside"] == ["helper.py"]


def test_what_is_imported_beside_an_installed_subject_is_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "site-packages/thing"
    imported(monkeypatch, package / "inner/scale.py", tmp_path / "site-packages/other.py")
    assert origin._beside(package / "loss.py", package)["beside"] == ["inner/scale.py"]


def test_a_module_that_no_distribution_holds_has_the_digests_of_its_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a package installed to be edited, or in the working directory, nothing was recorded."""
    name = "of_a_stranger"
    package = tmp_path / name
    (package / "inner").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "scale.py").write_text("ONE = 1\n")
    (package / "inner/loss.py").write_text(f"from {name}.scale import ONE\n")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.import_module(f"{name}.inner.loss")
    order = {"file": None, "module": f"{name}.inner.loss"}
    told = origin.provenance(order, None)
    assert told["subject_file"] == "loss.py"
    assert told["beside"] == ["__init__.py", "scale.py"]
    (package / "scale.py").write_text("ONE = 2\n")
    again = origin.provenance(order, None)
    assert again["subject_sha256"] == told["subject_sha256"]
    assert again["beside_sha256"] != told["beside_sha256"]
    for one in [one for one in sys.modules if one.partition(".")[0] == name]:
        monkeypatch.delitem(sys.modules, one)
