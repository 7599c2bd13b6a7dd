"""docs/own-images.md by its own commands: from a folder to a figure, a pipeline and a picture."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from drift.cli import cli
from drift.state import record

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/own-images.md").read_text(encoding="utf-8")
STEPS = re.findall(r"<!-- run -->\n```(sh|python)\n(.*?)```", PAGE, re.S)
SIDE = 16
# The same commands on a template with fewer steps, narrower, and with fewer samples judged.
QUICK = {
    r"training_steps: 250": "training_steps: 4",
    r"warmup_steps: (12|20)\b": "warmup_steps: 1",
    r"steps: 200\b": "steps: 4",
    r"ramp_steps: 25\b": "ramp_steps: 1",
    r"(?<![a-z_])steps: 50\b": "steps: 1",
    r"samples: 800\b": "samples: 80",
}


def shapes(root: Path, each: int) -> None:
    """Images of four shapes, of any colour and place."""
    drawn = np.random.default_rng(0)
    y, x = np.mgrid[:SIDE, :SIDE]
    for name in ("bar", "cross", "disc", "square"):
        (root / name).mkdir(parents=True)
        for number in range(each):
            dy, dx = (abs(axis - drawn.uniform(5.6, 10.4)) for axis in (y, x))
            r = drawn.uniform(3.2, 5.1)
            inside = {
                "disc": dy**2 + dx**2 < r * r,
                "square": (dy < r) & (dx < r),
                "bar": (dy < r * 0.4) & (dx < r * 1.3),
                "cross": ((dy < r * 0.35) | (dx < r * 0.35)) & (dy < r) & (dx < r),
            }[name]
            pixels = np.full((SIDE, SIDE, 3), drawn.integers(10, 50), np.uint8)
            pixels[inside] = drawn.integers(120, 255, 3)
            Image.fromarray(pixels).save(root / name / f"{number:03d}.png")


def held(folder: Path) -> None:
    """What the guide says that there is at its end."""
    assert record.status_of(folder / "runs/shapes") == "completed"
    (found,) = (folder / "runs/shapes/evaluations").glob("*.json")
    told = json.loads(found.read_bytes())
    assert told["axis"] == "proxy"
    assert told["dataset"] == "shapes"
    for name in ("fid_proxy", "coverage", "class_accuracy"):
        low, high = told["metrics"][name]["interval"]
        assert low <= told["metrics"][name]["value"] <= high
        assert set(told["against"]) == {
            "raw-pixel drifting loss", "class Gaussians", "class Gaussians, independent pixels",
        }  # fmt: skip
    assert found.with_suffix(".png").is_file(), told["missing"]
    index = json.loads((folder / "shapes-pipeline/model_index.json").read_bytes())
    assert index["id2label"] == {"0": "bar", "1": "cross", "2": "disc", "3": "square"}
    with Image.open(folder / "disc.png") as picture:
        assert picture.size == (SIDE, SIDE)
    assert (folder / "samples/grid.png").is_file()


@pytest.mark.nightly
def test_the_guide_from_a_folder_to_a_figure_with_few_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shapes(tmp_path / "shapes", 50)
    monkeypatch.chdir(tmp_path)
    for kind, text in STEPS:
        if kind == "python":
            exec(compile(text, "docs/own-images.md", "exec"), {})
            continue
        program, *words = text.split()
        assert program == "drift"
        done = CliRunner().invoke(cli, words, catch_exceptions=False)
        assert done.exit_code == 0, done.output
        assert "error" not in done.output
        if words[0] == "new":
            quick = Path("shapes.yaml").read_text(encoding="utf-8")
            for pattern, instead in QUICK.items():
                quick, many = re.subn(pattern, instead, quick)
                assert many, pattern
            Path("shapes.yaml").write_text(quick, encoding="utf-8")
    held(tmp_path)


@pytest.mark.nightly
def test_the_guide_from_a_folder_to_a_figure_as_it_stands(tmp_path: Path) -> None:
    shapes(tmp_path / "shapes", 50)
    folder = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    for kind, text in STEPS:
        words = ["bash", "-c", text] if kind == "sh" else [sys.executable, "-c", text]
        done = subprocess.run(
            words, cwd=tmp_path, env={**os.environ, "PATH": folder}, capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert "error:" not in done.stderr
    held(tmp_path)
