"""The process behind interactive sampling: JSON lines in, pictures out."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from contracts.common import small_run
from drift.sample import session
from drift.train import run


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a few steps."""
    made = tmp_path_factory.mktemp("runs") / "small"
    run.train(small_run.start(made, window=2, checkpoint_every=2), lambda window: None)
    return made


@pytest.fixture
def talk(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """(exit code, answers) to lines."""

    def call(run: Path, *lines: object) -> tuple[int, list[dict[str, Any]]]:
        texts = [one if isinstance(one, str) else json.dumps(one) for one in lines]
        data = io.BytesIO("".join(f"{text}\n" for text in texts).encode())
        monkeypatch.setattr(sys, "argv", ["session", str(run)])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(data))
        code = session.main()
        return code, [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    return call


def test_the_same_question_has_the_same_picture(talk: Any, folder: Path) -> None:
    one = {"class": 3, "alpha": 1.5, "seed": 7, "index": 2}
    other = {**one, "index": 3}
    code, (ready, *found) = talk(folder, one, other, one)
    assert code == 0
    assert ready["ready"]["classes"] == 10
    assert ready["ready"]["class_names"][3] == "3"
    assert ready["ready"]["name"] == "digits step 4"
    pictures = [base64.b64decode(answer["png"]) for answer in found]
    assert pictures[0] == pictures[2] != pictures[1]
    assert found[0]["sha256"] == hashlib.sha256(pictures[0]).hexdigest()
    with Image.open(io.BytesIO(pictures[0])) as picture:
        assert picture.size == (36, 36)
    assert str(folder) not in json.dumps(ready)


@pytest.mark.parametrize(
    "line",
    [
        "", "{", "[]", "1", "null", '{"class": 1}', '{"class": 1, "class": 2}', "x" * 5000,
        {"class": 10, "alpha": 1.0, "seed": 0, "index": 0},
        {"class": "3", "alpha": 1.0, "seed": 0, "index": 0},
        {"class": True, "alpha": 1.0, "seed": 0, "index": 0},
        {"class": 3, "alpha": 0, "seed": 0, "index": 0},
        {"class": 3, "alpha": 1.0, "seed": -1, "index": 0},
        {"class": 3, "alpha": 1.0, "seed": 0, "index": 2**60},
        {"class": 3, "alpha": 1.0, "seed": 0, "index": 0, "more": 1},
    ],
)  # fmt: skip
def test_what_is_no_question_is_an_error_and_the_next_is_answered(
    talk: Any, folder: Path, line: object
) -> None:
    code, (_, wrong, right) = talk(folder, line, {"class": 3, "alpha": 1, "seed": 0, "index": 0})
    assert code == 0
    assert wrong["error"]["expected"]
    assert "png" in right


def test_a_run_that_cannot_be_sampled_is_an_error(talk: Any, tmp_path: Path) -> None:
    code, (only,) = talk(tmp_path)
    assert code == 2
    assert only["error"]["found"] == "no checkpoints"
