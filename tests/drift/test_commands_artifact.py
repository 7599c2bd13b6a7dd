"""drift import, export, inspect and stamp, through the command line that people type."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.numpy import load_file
from safetensors.torch import load_file as load_tensors
from safetensors.torch import save_file

from drift import cli
from drift.artifacts.header import read_header
from drift.artifacts.schema import FIELDS
from drift.interop.artifact import read_artifact
from drift.interop.export import write_artifact

GOLDEN = Path(__file__).parents[2] / "specs" / "golden"
COMMANDS = {"import": "import_", "export": "export", "inspect": "inspect", "stamp": "stamp"}


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, module in COMMANDS.items():
        monkeypatch.setitem(cli.COMMANDS, name, (f"drift.commands.artifacts.{module}", "help"))


@pytest.fixture
def release(tmp_path: Path) -> Path:
    case = json.loads((GOLDEN / "ditgen_main.json").read_text())
    tensors = load_file(GOLDEN / "ditgen_main.safetensors")
    flat = {k.removeprefix("params/"): v for k, v in tensors.items() if k.startswith("params/")}
    write_artifact(tmp_path / "release", flat, {"model_config": case["model_config"]})
    return tmp_path / "release"


@pytest.fixture
def model(release: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    path = tmp_path / "model.safetensors"
    assert cli.run(["import", str(release), "--out", str(path)]) == 0
    capsys.readouterr()
    return path


def test_import_export_and_inspect_in_a_row(
    release: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, back = tmp_path / "m.safetensors", tmp_path / "back"
    words = ["import", str(release), "--out", str(path), "--licence", "MIT", "--tokenizer", "none"]
    assert cli.run(words) == 0
    out = capsys.readouterr().out
    assert "drift-generator, width 64" in out
    assert read_header(path).metadata["source_sha256"] in out  # type: ignore[index]
    assert cli.run(["export", str(path), str(back)]) == 0
    there, again = read_artifact(release)[0], read_artifact(back)[0]
    assert all(again[name].tobytes() == array.tobytes() for name, array in there.items())
    assert cli.run(["export", str(path), str(back)]) == 2
    assert "never overwrites" in capsys.readouterr().err


def test_inspect_prints_score_breakdown_and_what_would_raise_it(
    model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["inspect", str(model), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["schema"] == "drift-quality/1"
    assert report["score"] == int(sum(part["earned"] for part in report["components"].values()))
    assert cli.run(["inspect", str(model)]) == 0
    out = capsys.readouterr().out
    assert f"quality {report['score']}/100" in out
    for name, part in report["components"].items():
        assert f"{name:<11}{part['earned']:>5g} / {part['possible']}" in out
    assert f"drift stamp {model} --tokenizer" in out
    assert "depth 3" in out


def test_inspect_fails_below_the_minimum(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["inspect", str(model), "--minimum", "90"]) == 1
    assert "below 90" in capsys.readouterr().err
    assert cli.run(["inspect", str(model), "--minimum", "10"]) == 0


def test_what_inspect_says_would_mend_a_contradiction_mends_it(
    model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_file(
        load_tensors(model),
        model,
        metadata={**(read_header(model).metadata or {}), "width": "640"},
    )
    assert cli.run(["export", str(model), str(model.parent / "never")]) == 2
    assert f"drift stamp {model} --width 64" in capsys.readouterr().err
    assert not (model.parent / "never").exists()
    cli.run(["inspect", str(model)])
    out = capsys.readouterr().out
    (line,) = [line for line in out.splitlines() if line.startswith("mended by: ")]
    assert cli.run(shlex.split(line.removeprefix("mended by: "))[1:]) == 0
    assert cli.run(["export", str(model), str(model.parent / "now")]) == 0


def test_stamp_says_what_changed_and_that_no_tensor_byte_did(
    model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {name: t.numpy().tobytes() for name, t in load_tensors(model).items()}
    assert cli.run(["stamp", str(model), "--licence", "MIT", "--tier", "C"]) == 0
    out = capsys.readouterr().out
    assert "licence: NOASSERTION -> MIT" in out
    assert "tier: none -> C" in out
    assert "tensor bytes unchanged" in out
    assert {name: t.numpy().tobytes() for name, t in load_tensors(model).items()} == before


def test_a_stamp_that_the_tensors_contradict_warns(
    model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["stamp", str(model), "--width", "640"]) == 0
    assert "says 640, the tensors show 64; loading will stop" in capsys.readouterr().err


def test_every_field_of_the_schema_has_an_option(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["stamp", "--help"]) == 0
    out = capsys.readouterr().out
    assert all(f"{field.option} VALUE" in out for field in FIELDS.values())
    assert "--probe" not in out
    assert "--tensors-sha256" not in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["stamp", "MODEL"], "an empty patch"),
        (["stamp", "MODEL", "--nonsense", "1"], "No such option"),
        (["stamp", "MODEL", "--width", "wide"], "width"),
        (["stamp", "NOTHING", "--width", "64"], "no readable file"),
        (["inspect", "NOTHING"], "no readable file"),
        (["inspect", "FOLDER"], "not a regular file"),
        (["import", "NOTHING", "--out", "OUT"], "no readable file"),
        (["import", "RELEASE", "--out", "MODEL"], "a file there"),
        (["import", "RELEASE", "--out", "NOTHING/x.safetensors"], "No such file"),
        (["import", "RELEASE", "--out", "OUT", "--template", "none-such"], "none-such"),
        (["export", "MODEL", "MODEL"], "File exists"),
        (["export", "FOLDER", "OUT"], "not a regular file"),
    ],
)
def test_a_mistake_gives_one_message_and_exit_code_2(
    release: Path, model: Path, words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = model.parent
    places = {"MODEL": model, "RELEASE": release, "FOLDER": folder, "OUT": folder / "out"}
    names = {**places, "NOTHING": folder / "nothing"}
    given = [str(names.get(word, word)) for word in words]
    given = [word.replace("NOTHING/", f"{folder}/nothing/") for word in given]
    before = model.read_bytes()
    assert cli.run(given) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert "Traceback" not in captured.err
    assert captured.out == ""
    assert model.read_bytes() == before
    assert not (folder / "out").exists()
    assert not list(folder.glob(".*partial"))


def test_help_imports_no_torch() -> None:
    modules = ", ".join(f"drift.commands.artifacts.{module}" for module in COMMANDS.values())
    code = f"import sys, {modules}; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=GOLDEN.parents[1]).returncode == 0
