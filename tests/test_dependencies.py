"""What is declared is what is imported, and what a part does not need can be absent."""

from __future__ import annotations

import ast
import importlib
import re
import runpy
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from drift.errors import DriftError

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
OURS = frozenset({"verify", "drift", "contracts", "drift_pack"})
# Distribution to the name it is imported by, where they differ.
IMPORTED = {
    "markdown-it-py": "markdown_it", "mdit-py-plugins": "mdit_py_plugins", "pyyaml": "yaml",
    "pillow": "PIL", "scikit-learn": "sklearn", "torch-fidelity": "torch_fidelity",
}  # fmt: skip
# What a distribution brings under an extra that is asked for.
BROUGHT = {"securesystemslib[crypto]": ("cryptography",)}
DISTRIBUTED = {name: distribution for distribution, name in IMPORTED.items()}
# Imported by one module that is only loaded where the library already runs.
HOSTED = {"pytest"}
OPTIONAL = {"wandb", "tensorboard", "triton"}  # asked for by name, or part of torch


def declared(*extras: str) -> set[str]:
    """Names that the core, and these extras with what they hold, may import."""
    found: set[str] = set()
    texts = list(PROJECT["dependencies"])
    for extra in extras:
        for text in PROJECT["optional-dependencies"][extra]:
            if text.startswith("drift-verify["):
                found |= declared(text.partition("[")[2].partition("]")[0])
            else:
                texts.append(text)
    for text in texts:
        name, _, more = text.partition(">")[0].strip().partition("[")
        found |= {IMPORTED.get(name, name), *BROUGHT.get(f"{name}[{more}", ())}
    return found


def imported(package: str) -> set[str]:
    """Libraries that the modules of a package import, anywhere in them."""
    files = (ROOT / package).rglob("*.py")
    return {name for file in files for name in _imports(ast.parse(file.read_bytes()))}


def _imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names = [node.module or ""]
        for name in names:
            top = name.partition(".")[0]
            if top not in {*OURS, *sys.stdlib_module_names, "_typeshed"}:
                yield top


@pytest.mark.parametrize(
    ("package", "extras"),
    [("verify", ("numeric", "serve")), ("drift", ("eval",)), ("contracts", ("engine",))],
)
def test_what_is_imported_is_declared(package: str, extras: tuple[str, ...]) -> None:
    assert imported(package) - declared(*extras) - HOSTED - OPTIONAL == set()


def test_what_is_declared_is_imported() -> None:
    used = imported("verify") | imported("drift") | imported("contracts")
    assert declared("engine") - used == set()


BLOCK = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {blocked!r}:
            raise ModuleNotFoundError("No module named " + repr(name), name=name)
sys.meta_path.insert(0, Blocked())
for name in list(sys.modules):
    if name.partition(".")[0] in {blocked!r}:
        del sys.modules[name]
"""


def without(blocked: set[str], code: str) -> subprocess.CompletedProcess[str]:
    program = BLOCK.format(blocked=blocked) + code
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=ROOT
    )


def test_the_bare_loss_runs_with_torch_alone() -> None:
    code = (
        "import torch\nfrom drift.loss import drift_loss\nfrom drift.field import drifting_field\n"
        "from drift.watch import Watch\n"
        "torch.manual_seed(0)\n"
        "gen = torch.randn(2, 4, 3, requires_grad=True)\n"
        "loss, info = drift_loss(gen, torch.randn(2, 5, 3))\n"
        "loss.mean().backward()\n"
        "Watch()(info, gen=gen)\n"
        "drifting_field(gen[0].detach(), torch.randn(5, 3), torch.randn(4, 3), temperature=0.1)\n"
        "print(bool(gen.grad.abs().sum() > 0))"
    )
    every = declared("engine") - {"torch"} | {"numpy", "verify"}
    done = without(every, code)
    assert done.stdout == "True\n", done.stderr


def test_the_harness_lints_a_pack_without_any_library_of_the_engine() -> None:
    engine = declared("engine") - declared() | {"torchvision"}
    done = without(engine, "from verify.harness import lint\nprint(lint('.'))")
    assert done.stdout == "[]\n", done.stderr


@pytest.mark.parametrize(
    ("blocked", "module", "feature"),
    [
        ("torch_fidelity", "drift.evaluate.networks", ""),
        ("diffusers", "drift.sample.pipeline", ""),
        ("transformers", "drift.convnext", "library_model"),
        ("sklearn", "drift.digits", "raw"),
        ("matplotlib", "drift.plots", "figure"),
        ("PIL", "drift.sample.grids", "png"),
    ],
)
def test_a_missing_library_takes_its_feature_and_no_more(
    monkeypatch: pytest.MonkeyPatch, blocked: str, module: str, feature: str
) -> None:
    """`feature` of `module` fails by the name of the library; without a feature the module does."""
    given: dict[str, tuple[object, ...]] = {
        "library_model": (importlib.import_module("drift.convnext").BASE,),
        "figure": (4.0, 3.0),
        "png": (torch.zeros(1, 2, 2, dtype=torch.uint8),),
    }
    for name in [one for one in sys.modules if one.partition(".")[0] == blocked]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, blocked, None)
    monkeypatch.delitem(sys.modules, module, raising=False)
    if not feature:
        with pytest.raises(ModuleNotFoundError, match=blocked):
            importlib.import_module(module)
        return
    found = importlib.import_module(module)
    named = DISTRIBUTED.get(blocked, blocked)
    with pytest.raises((ModuleNotFoundError, DriftError), match=f"{blocked}|{named}"):
        getattr(found, feature)(*given.get(feature, ()))


def test_every_requirement_has_one_version_in_the_lock_and_it_is_in_its_range() -> None:
    lines = (ROOT / "tests/lock.txt").read_text(encoding="utf-8").splitlines()
    pins = [Requirement(line) for line in lines if not line.startswith("#")]
    locked = {canonicalize_name(pin.name): str(pin.specifier) for pin in pins}
    assert len(locked) == len(pins)
    assert all(re.fullmatch(r"==[0-9][0-9A-Za-z.]*", version) for version in locked.values())
    extras = PROJECT["optional-dependencies"]
    left_out = {"tensorboard", "wandb"}  # copies of a run's rows, for those who have them anyway
    texts = [*PROJECT["dependencies"], *(t for name in extras for t in extras[name])]
    for one in map(Requirement, texts):
        if one.name in {"drift-verify", *left_out}:
            continue
        assert canonicalize_name(one.name) in locked, f"{one} has no line in tests/lock.txt: add it"
        version = locked[canonicalize_name(one.name)].removeprefix("==")
        assert one.specifier.contains(version), f"{one}: {version} is locked"


LOWEST = runpy.run_path(str(ROOT / ".ci/lowest.py"))


def test_every_requirement_has_one_lower_bound_that_the_locked_version_satisfies() -> None:
    lines = (ROOT / "tests/lock.txt").read_text(encoding="utf-8").splitlines()
    pins = [Requirement(line) for line in lines if not line.startswith("#")]
    locked = {canonicalize_name(pin.name): str(pin.specifier)[2:] for pin in pins}
    found = LOWEST["lowest"](*PROJECT["optional-dependencies"])
    assert len(found) > 30
    for name, version in found.items():
        assert Version(locked.get(canonicalize_name(name), str(version))) >= version, name


@pytest.mark.parametrize("text", ["click", "click==8.1", "click<9", "click>=8.1,>=8.2"])
def test_a_requirement_without_one_lower_bound_is_refused_by_name(text: str) -> None:
    with pytest.raises(ValueError, match=r"click.*expected one `>=`"):
        LOWEST["bound"](Requirement(text))


def test_of_two_bounds_of_one_name_the_higher_is_tried_and_the_core_keeps_its_own() -> None:
    core, engine = LOWEST["lowest"](), LOWEST["lowest"]("engine")
    assert core["click"] < engine["click"]
    assert "torch" not in core
    assert LOWEST["lowest"]("loss")["torch"] <= engine["torch"]
    assert "lowest lowest test mnist" in (ROOT / ".ci/nightly").read_text(encoding="utf-8")


def test_no_package_of_ours_has_a_name_of_the_standard_library() -> None:
    assert OURS & set(sys.stdlib_module_names) == set()
