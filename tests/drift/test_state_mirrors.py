"""Mirrors copy rows for the eye: optional, guarded, and never twice."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from drift.errors import DriftError
from drift.state import mirrors


class Board(ModuleType):
    """torch.utils.tensorboard with the signatures of the real SummaryWriter."""

    def __init__(self, broken: str = "") -> None:
        super().__init__("torch.utils.tensorboard")
        self.scalars: list[tuple[str, float, int]] = []
        self.opened: list[tuple[str, int | None]] = []
        board = self

        class SummaryWriter:
            def __init__(self, log_dir=None, comment="", purge_step=None, max_queue=10,
                         flush_secs=120, filename_suffix=""):  # type: ignore[no-untyped-def]  # fmt: skip
                if broken == "open":
                    raise PermissionError(13, "Permission denied")
                board.opened.append((log_dir, purge_step))

            def add_scalar(self, tag, scalar_value, global_step=None, walltime=None,
                           new_style=False, double_precision=False):  # type: ignore[no-untyped-def]  # fmt: skip
                if broken == "write":
                    raise OSError(28, "No space left on device")
                board.scalars.append((tag, scalar_value, global_step))

            def flush(self) -> None:
                pass

            def close(self) -> None:
                if broken == "close":
                    raise RuntimeError("queue is gone")

        self.SummaryWriter = SummaryWriter


class Wand(ModuleType):
    """wandb with the keyword arguments of the real init, and a run with log and finish."""

    def __init__(self) -> None:
        super().__init__("wandb")
        self.given: dict[str, Any] = {}
        self.rows: list[tuple[int, dict[str, float]]] = []
        self.finished = 0

    def init(self, entity=None, project=None, dir=None, id=None, name=None, notes=None, tags=None,
             config=None, config_exclude_keys=None, config_include_keys=None, group=None,
             job_type=None, mode=None, force=None, reinit=None, resume=None, **rest):  # type: ignore[no-untyped-def]  # fmt: skip
        self.given = {"project": project, "dir": dir, "id": id, "config": config, "mode": mode,
                      "resume": resume}  # fmt: skip

        def log(data, step=None, commit=None):  # type: ignore[no-untyped-def]
            self.rows.append((step, data))

        def finish(exit_code=None):  # type: ignore[no-untyped-def]
            self.finished += 1

        return SimpleNamespace(log=log, finish=finish)


FACTS = {"fingerprint": "ab" * 32, "seed": 3, "template": {"a.b": 1}}


def rows(*steps: int) -> list[dict[str, Any]]:
    return [{"step": s, "loss": float(s), "alarms": ["collapse"], "flag": True} for s in steps]


def mirrored(
    module: Any, folder: Path, given: list[dict[str, Any]], *, after: int = 0,
    kind: str = "tensorboard",
) -> list[str]:  # fmt: skip
    said: list[str] = []
    mirror = mirrors.open_mirror({kind: module}, folder, FACTS, after=after, say=said.append)
    for row in given:
        mirror.write(row)
    mirror.close()
    return said


def test_numbers_of_every_row_reach_tensorboard(tmp_path: Path) -> None:
    board = Board()
    assert mirrored(board, tmp_path / "run", rows(2, 4)) == []
    assert board.scalars == [("loss", 2.0, 2), ("loss", 4.0, 4)]
    assert board.opened == [(str(tmp_path / "run" / "metrics" / "tensorboard"), 1)]


def test_a_resumed_run_writes_no_row_twice(tmp_path: Path) -> None:
    board = Board()
    mirrored(board, tmp_path / "run", rows(2, 4, 6))
    # killed at step 7 with its last checkpoint at step 4: the window of step 6 is done again
    mirrored(board, tmp_path / "run", rows(6, 8), after=4)
    assert [step for _, _, step in board.scalars] == [2, 4, 6, 8]
    assert board.opened[1][1] == 7


def test_a_new_run_in_the_folder_of_one_without_a_checkpoint_starts_anew(tmp_path: Path) -> None:
    board = Board()
    mirrored(board, tmp_path / "run", rows(2))
    mirrored(board, tmp_path / "run", rows(2, 4))
    assert [step for _, _, step in board.scalars] == [2, 2, 4]
    assert [purge for _, purge in board.opened] == [1, 1]  # the events of before are void


def test_wandb_is_offline_unless_the_environment_says_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WANDB_MODE", raising=False)
    wand = Wand()
    mirrored(wand, tmp_path / "run", rows(2), kind="wandb")
    assert wand.given["mode"] == "offline"
    assert wand.given["config"] == {"a.b": 1}
    assert wand.given["resume"] == "allow"
    first = wand.given["id"]
    assert wand.rows == [(2, {"loss": 2.0})]
    assert wand.finished == 1
    monkeypatch.setenv("WANDB_MODE", "online")
    mirrored(wand, tmp_path / "run", rows(4), after=2, kind="wandb")
    assert wand.given["mode"] == "online"
    assert wand.given["id"] == first, "the run that goes on"


def test_every_new_run_has_an_id_of_its_own_at_wandb(tmp_path: Path) -> None:
    """Also of the same template and seed, in folders of one name, or anew in the same folder."""
    wand, ids = Wand(), []
    for folder in ("one/run", "two/run", "one/run"):
        mirrored(wand, tmp_path / folder, rows(2), kind="wandb")
        ids.append(wand.given["id"])
    assert len(set(ids)) == 3


@pytest.mark.parametrize("broken", ["open", "write", "close"])
def test_a_mirror_that_fails_says_so_once_and_stops_nothing(tmp_path: Path, broken: str) -> None:
    said = mirrored(Board(broken), tmp_path / "run", rows(2, 4, 6))
    assert len(said) == 1
    assert said[0].startswith("mirror tensorboard is off: ")
    assert "the run goes on and metrics/windows.jsonl has every row" in said[0]


def test_a_damaged_note_of_the_last_row_only_turns_the_mirror_off(tmp_path: Path) -> None:
    (tmp_path / "run" / "metrics").mkdir(parents=True)
    (tmp_path / "run" / "metrics" / "mirror-tensorboard.json").write_text("{")
    board = Board()
    assert len(mirrored(board, tmp_path / "run", rows(6), after=4)) == 1
    assert board.scalars == []


@pytest.mark.parametrize("kind", mirrors.KINDS)
def test_a_package_that_is_not_there_is_named_with_its_extra(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, mirrors.NEEDS[kind], None)
    with pytest.raises(DriftError, match=rf"pip install 'drift-verify\[{kind}\]'"):
        mirrors.modules((kind,))


def test_the_extras_that_errors_name_are_declared() -> None:
    import tomllib

    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    assert set(mirrors.KINDS) <= set(project["project"]["optional-dependencies"])


def test_nothing_is_imported_and_nothing_written_without_a_mirror(tmp_path: Path) -> None:
    assert mirrors.modules(()) == {}
    mirror = mirrors.open_mirror({}, tmp_path / "run", FACTS, after=0, say=print)
    mirror.write(rows(2)[0])
    mirror.close()
    assert list(tmp_path.iterdir()) == []


def test_the_commands_offer_the_mirrors_there_are() -> None:
    from drift.commands import pretrain, train

    for command in (pretrain.command, train.command):
        (offered,) = (p for p in command.params if p.name == "mirrors")
        assert tuple(offered.type.choices) == mirrors.KINDS == tuple(mirrors.SINKS)  # type: ignore[attr-defined]
