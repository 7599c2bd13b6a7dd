"""`drift reproduce digits` at a tiny size: killed at ten moments and finished, it is the same."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from contracts.common import small_run
from contracts.data import cases
from drift.config import load_template, override
from drift.reproduce import steps
from drift.reproduce.pipeline import Carrier
from drift.reproduce.request import Judging, Request

from .test_autoencoder_chain import LATENTS, autoencoder, saved

pytestmark = pytest.mark.nightly

SETTINGS = (*small_run.RUN, *small_run.PRETRAIN, "evaluation.samples=40")
MOMENTS = 10
CODE = """
import os, signal, sys
from pathlib import Path
import click
from drift import cli
moment, arguments, real = int(sys.argv[1]), sys.argv[2:], Path.replace
def renamed(self, target):
    global moment
    moment -= 1
    if moment == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(self, target)
Path.replace = renamed
code = cli.run(arguments)
print('renames', -moment, file=sys.stderr)
sys.exit(code + (100 if 'torch' in sys.modules else 0))
"""


def reproduced(out: Path, moment: int = 0, *settings: str) -> tuple[int, str]:
    """Exit code, 100 more where torch was imported, and what was said."""
    words = [p for one in (*SETTINGS, *settings) for p in ("--set", one)]
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(moment), "reproduce", "digits", "--out", str(out), *words,
         "--checkpoint-every", "2", "--no-baselines"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.returncode, done.stderr


def test_killed_at_ten_moments_and_finished_it_gives_the_same(tmp_path: Path) -> None:
    code, said = reproduced(tmp_path / "whole")
    assert code == 100, said
    renames = int(said.rpartition("renames ")[2])
    moments = [1 + number * (renames - 1) // (MOMENTS - 1) for number in range(MOMENTS)]
    code, said = reproduced(tmp_path / "whole")
    assert code == 0, said
    assert said.count("nothing to do") == 6
    ends = [reproduced(tmp_path / "killed", moment)[0] for moment in moments]
    assert ends.count(-9) >= 3  # what one attempt has done, the next need not do
    reproduced(tmp_path / "killed")
    assert report(tmp_path / "killed") == report(tmp_path / "whole")
    for moment in moments:
        each = tmp_path / f"at-{moment}"
        assert reproduced(each, moment)[0] == -9
        assert reproduced(each)[0] in (0, 100)  # the last moments leave nothing for torch
        assert report(each) == report(tmp_path / "whole")


def report(out: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads((out / "report.json").read_text())
    return found


def test_a_changed_setting_redoes_what_follows_from_it(tmp_path: Path) -> None:
    assert reproduced(tmp_path)[0] == 100
    code, said = reproduced(tmp_path, 0, "evaluation.samples=50")
    assert code == 100
    assert said.count("nothing to do") == 4
    assert "evaluate: to do: template.evaluation.samples: 40 -> 50" in said


def test_from_a_folder_of_images_to_decoded_samples(tmp_path: Path) -> None:
    """--images are encoded in a step of their own; an image more redoes what follows from it."""
    made = autoencoder(halvings=2)
    vae, images = saved(tmp_path / "vae", made), cases.write_folder(tmp_path / "images")
    template = override(load_template("digits"), (*SETTINGS, *LATENTS, "data.resolution=32"))
    judging = Judging(vae=vae, vae_revision=made.sha256)
    said: list[str] = []

    def carried() -> tuple[str, ...]:
        request = Request(template, tmp_path / "out", images=images, shown=4, judging=judging)
        (tmp_path / "out").mkdir(exist_ok=True)
        said.clear()
        carry = Carrier(request.store, said.append)
        data = carry(steps.data(request))
        request, known = steps.with_data(request, data), steps.known_of(data)
        encoder = carry(steps.pretrain(request, known))
        run = carry(steps.train(request, known, encoder))
        drawn = carry(steps.sample(request, run))
        return data.key, encoder.key, run.key, drawn.key

    first = carried()
    assert carried() == first
    assert all("nothing to do" in one for one in said)
    one = next(images.rglob("*.png"))
    one.with_name("again.png").write_bytes(one.read_bytes())
    assert not set(carried()) & set(first)
    assert said[0].startswith("data: to do: images: ")


def test_own_images_go_from_a_folder_to_a_report(tmp_path: Path) -> None:
    """`drift new` and `drift reproduce`, with no other option than a small size."""
    draws = np.random.default_rng(0)
    for label in ("a", "b"):
        (tmp_path / "shapes" / label).mkdir(parents=True)
        for number in range(30):
            pixels = draws.integers(0, 255, (16, 16), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "shapes" / label / f"{number}.png")
    drift = [sys.executable, "-m", "drift.cli"]
    subprocess.run([*drift, "new", "shapes", "--data", "shapes"], cwd=tmp_path, check=True)
    small = ("optimizer.training_steps=4", "optimizer.warmup_steps=1", "encoder.pretrain.steps=4",
             "encoder.pretrain.warmup_steps=1", "encoder.finetune.steps=2",
             "encoder.finetune.ramp_steps=1", "evaluation.samples=20")  # fmt: skip
    words = [p for one in small for p in ("--set", one)]
    for repeated in (False, True):
        done = subprocess.run(
            [*drift, "reproduce", "shapes.yaml", "--no-baselines", "--count", "4", *words],
            cwd=tmp_path, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert (done.stderr.count("nothing to do") == 6) == repeated
    found = report(tmp_path / "runs/shapes-reproduction")
    assert found["axis"] == "proxy"
