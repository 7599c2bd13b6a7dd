"""`verify run --cached`: reuse only what cannot have changed, and say that it was reused."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from verify import earlier
from verify.commands.runs import carried_out
from verify.report.bundle import EVIDENCE, MANIFEST, _manifest
from verify.run import keys

from .conftest import MiniPack, Result, clause, decision, newest

Cli = Callable[..., Result]


def run(cli: Cli, pack: MiniPack, *arguments: str) -> dict[str, Any]:
    """The report of a cached run."""
    cli("run", "--cached", "--pack", pack.root, "--output", "json=report.json", *arguments)
    report: dict[str, Any] = json.loads(Path("report.json").read_text())
    return report


def reused(report: dict[str, Any]) -> int:
    count = sum(item["cached"] for item in (*report["clauses"], *report["falsifiers"]))
    assert report["verdict"]["cached"] == count
    return count


@pytest.fixture
def pack(mini: MiniPack) -> MiniPack:
    """A pack with code, a template and a recorded file that a key has to cover."""
    with (mini.root / "contracts/pack.yaml").open("a") as file:
        file.write("code: [source]\ncolumns: [A]\ntemplates: {A: a.yaml}\n")
    mini.write("source/part.py", "1\n")
    mini.write("a.yaml", "one: 1\n")
    mini.write("specs/golden/trace.bin", "1\n")
    mini.write("specs/decisions/DEC-0001.md", decision())
    return mini


def test_a_second_run_reuses_verdicts_and_falsifiers_and_says_so(pack: MiniPack, cli: Cli) -> None:
    first, second = run(cli, pack), run(cli, pack)
    assert (reused(first), reused(second)) == (0, 2)
    assert second["clauses"][0]["cached"] is True
    for report in (first, second):
        for item in (*report["clauses"], *report["falsifiers"]):
            del item["cached"]
    assert first["clauses"] == second["clauses"]
    assert first["falsifiers"] == second["falsifiers"]
    assert first["claims"] == second["claims"]
    assert "2 of 2 results were reused" in cli("run", "--cached", "--pack", pack.root).out
    assert cli("bundle", "check", newest(Path("reports"))).code == 0


def test_a_run_without_the_option_measures_again(pack: MiniPack, cli: Cli) -> None:
    run(cli, pack)
    cli("run", "--pack", pack.root, "--output", "json=report.json")
    assert reused(json.loads(Path("report.json").read_text())) == 0


EDITS: list[tuple[str, str, str]] = [
    ("contracts/thing.yaml", "value: 0.5", "value: 0.6"),
    ("contracts/thing.yaml", "One is one.", "One is one, again."),
    ("specs/facts/thing.yaml", "value: 1.0", "value: 1.1"),
    ("contracts/bindings/thing.py", '"one": 1.0', '"one": 1.01'),
    ("contracts/bindings/__init__.py", "", "# changed\n"),
    ("source/part.py", "1", "2"),
    ("a.yaml", "one: 1", "one: 2"),
    ("specs/golden/trace.bin", "1", "2"),
]


@pytest.mark.parametrize(("path", "old", "new"), EDITS, ids=[f"{e[0]}:{e[2]}" for e in EDITS])
def test_a_change_of_anything_it_depends_on_is_measured_again(
    pack: MiniPack, cli: Cli, path: str, old: str, new: str
) -> None:
    run(cli, pack)
    pack.edit(path, old, new)
    assert reused(run(cli, pack)) == 0


@pytest.mark.parametrize(
    "arguments", [["--seed", "1"], ["--profile", "quick"], ["--subject", "other"]], ids=str
)
def test_other_options_are_measured_again(pack: MiniPack, cli: Cli, arguments: list[str]) -> None:
    other = '@subject("thing")\ndef thing():'
    pack.edit(
        "contracts/bindings/thing.py", other,
        '@subject("other")\ndef other():\n    return thing()\n\n\n' + other,
    )  # fmt: skip
    run(cli, pack)
    assert reused(run(cli, pack, *arguments)) == 0


def test_other_evaluation_records_are_measured_again(pack: MiniPack, cli: Cli) -> None:
    run(cli, pack)
    Path("reports/evaluations").mkdir()
    Path("reports/evaluations/fid.json").write_text("{}")
    assert reused(run(cli, pack)) == 0


@pytest.mark.parametrize(
    "change",
    [{"python": "3.99"}, {"packages": {"torch": "99"}}, {"platform": "elsewhere"}],
    ids=str,
)
def test_another_environment_is_measured_again(
    pack: MiniPack, cli: Cli, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any]
) -> None:
    run(cli, pack)
    real = keys.environment()
    monkeypatch.setattr(keys, "environment", lambda: {**real, **change})
    assert reused(run(cli, pack)) == 0


def test_what_it_does_not_depend_on_leaves_it_reusable(pack: MiniPack, cli: Cli) -> None:
    run(cli, pack)
    pack.write("README.md", "changed\n")
    pack.clauses.append(clause(2))
    pack.save()
    assert reused(run(cli, pack)) == 2, "the old clause; the new one is measured"


def test_failures_are_reused_with_their_files_and_waivers_applied_afresh(
    pack: MiniPack, cli: Cli
) -> None:
    pack.write(
        "contracts/bindings/wrong.py",
        """
        from verify.api import check

        @check("wrong.always")
        def always(ctx):
            return ctx.judge(9.0, "nine", files={"got.txt": b"nine"})
        """,
    )
    pack.clauses = [clause(check="wrong.always")]
    pack.save()
    assert reused(run(cli, pack)) == 0
    again = run(cli, pack)
    assert reused(again) == 1
    assert again["clauses"][0]["files"] == ["mismatches/THING-001/got.txt"]
    assert (newest(Path("reports")) / "mismatches/THING-001/got.txt").read_bytes() == b"nine"
    waiver = {"clause": "THING-001", "owner": "o", "reason": "r", "expires": "2999-01-01"}
    pack.data("contracts/waivers.yaml", {"schema": "verify/waivers/1", "waivers": [waiver]})
    waived = run(cli, pack)["clauses"][0]
    assert (waived["outcome"], waived["cached"]) == ("waived", True)


def test_only_judgements_are_kept(pack: MiniPack, cli: Cli) -> None:
    pack.write(
        "contracts/bindings/odd.py",
        """
        import time
        from verify.api import check

        @check("odd.missing")
        def missing(ctx):
            return ctx.missing("not here")

        @check("odd.raises")
        def raises(ctx):
            raise RuntimeError

        @check("odd.hangs")
        def hangs(ctx):
            time.sleep(60)
        """,
    )
    names = ("missing", "raises", "hangs")
    pack.clauses = [
        clause(n, check=f"odd.{name}", budget={"seconds": 0.3}) for n, name in enumerate(names)
    ]
    pack.save()
    run(cli, pack)
    assert reused(run(cli, pack)) == 0


@pytest.mark.parametrize("kind", ["process", "artifact", "benchmark"])
def test_clauses_about_documents_files_and_speed_are_measured_again_where_git_knows_nothing(
    pack: MiniPack, cli: Cli, kind: str
) -> None:
    pack.clauses = [clause(kind=kind)]
    pack.save()
    run(cli, pack)
    assert reused(run(cli, pack)) == 0


def the_bundle() -> Path:
    (bundle,) = (path for path in Path("reports").iterdir() if path.name != "evaluations")
    return bundle


def sealed_again(bundle: Path) -> None:
    """Somebody who can compute digests seals an edited bundle."""
    (bundle / MANIFEST).write_text(_manifest(bundle))


def chained(path: Path, lines: list[str]) -> None:
    """An evidence file whose chain is whole again."""
    previous, told = "0" * 64, []
    for number, line in enumerate(lines):
        record = {**json.loads(line), "seq": number, "prev": previous}
        record.pop("hash", None)
        previous = hashlib.sha256(canonical(record).encode()).hexdigest()
        told.append(canonical({**record, "hash": previous}))
    path.write_text("\n".join(told) + "\n")


def canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def turned(line: str) -> str:
    """Every fail a pass, and the other way round."""
    return (
        line.replace('"outcome":"fail"', '"outcome":"was"')
        .replace('"outcome":"pass"', '"outcome":"fail"')
        .replace('"outcome":"was"', '"outcome":"pass"')
    )


def swapped(lines: list[str]) -> list[str]:
    """The keys of the clause and of its falsifier change places."""
    kinds = {json.loads(line)["kind"]: json.loads(line)["data"]["key"] for line in lines
             if json.loads(line)["kind"] in ("clause", "falsifier")}  # fmt: skip
    one, other = kinds["clause"], kinds["falsifier"]
    return [line.replace(one, "x").replace(other, one).replace("x" + '"', other + '"')
            if json.loads(line)["kind"] in kinds else line for line in lines]  # fmt: skip


POISONS: list[tuple[str, Callable[[list[str]], list[str]]]] = [
    ("outcomes turned", lambda lines: [turned(line) for line in lines]),
    ("measured", lambda lines: [line.replace('"measured":0.0', '"measured":0.1')
                                for line in lines]),
    ("keys swapped", swapped),
    ("emptied", lambda lines: []),
    ("cut", lambda lines: lines[:-1]),
]  # fmt: skip


@pytest.mark.parametrize("rehashed", [False, True], ids=["as is", "chain and manifest anew"])
@pytest.mark.parametrize("poison", [row[1] for row in POISONS], ids=[row[0] for row in POISONS])
def test_a_poisoned_bundle_is_not_believed(
    pack: MiniPack, cli: Cli, poison: Callable[[list[str]], list[str]], rehashed: bool
) -> None:
    """The renderings of a bundle would have to be made anew as well, and its folder renamed."""
    run(cli, pack)
    path = the_bundle() / EVIDENCE
    before = path.read_text().splitlines()
    after = poison(before)
    assert after != before
    if rehashed:
        chained(path, after)
        sealed_again(path.parent)
    else:
        path.write_text("\n".join(after) + "\n")
    report = run(cli, pack)
    assert reused(report) == 0
    assert report["verdict"]["word"] == "GO"


def test_nothing_beside_a_sealed_bundle_is_believed(pack: MiniPack, cli: Cli) -> None:
    run(cli, pack)
    bundle = the_bundle()
    (bundle / MANIFEST).unlink()
    assert reused(run(cli, pack)) == 0


# -- what the key cannot know ---------------------------------------------------------------------


def test_code_outside_of_the_pack_is_measured_again(
    pack: MiniPack, cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A green of old code would be said of new code."""
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "foreign_values.py").write_text("ONE = 1.0\n")
    monkeypatch.setenv("PYTHONPATH", str(foreign))
    pack.edit("contracts/bindings/thing.py", 'VALUES = {"one": 1.0}',
              'from foreign_values import ONE\n\nVALUES = {"one": ONE}')  # fmt: skip
    assert run(cli, pack)["verdict"]["word"] == "GO"
    assert reused(run(cli, pack)) == 2
    assert reused(run(cli, pack)) == 2, "a reused judgement keeps what it rests on"
    (foreign / "foreign_values.py").write_text("ONE = 3.0\n")
    found = run(cli, pack)
    assert (reused(found), found["verdict"]["word"]) == (0, "NO-GO")


READS = [
    "exec(open({place!r}).read())",
    "exec(__import__('pathlib').Path({place!r}).read_bytes())",
    "exec(__import__('os').fdopen(__import__('os').open({place!r}, 0)).read())",
    "exec(__import__('runpy').run_path({place!r}) and 'ONE = 1.0')",
]


@pytest.mark.parametrize("line", READS)
def test_a_file_that_was_read_and_never_imported_is_covered(
    pack: MiniPack, cli: Cli, tmp_path: Path, line: str
) -> None:
    place = tmp_path / "values.txt"
    place.write_text("ONE = 1.0\n")
    told = line.format(place=str(place))
    pack.edit("contracts/bindings/thing.py", "def one(ctx):", f"def one(ctx):\n    {told}")
    run(cli, pack)
    assert reused(run(cli, pack)) == 2
    place.write_text("ONE = 2.0\n")
    assert reused(run(cli, pack)) == 0


@pytest.mark.parametrize(
    "line",
    [
        "__import__('subprocess').run(['true'], check=True)",
        "__import__('os').system('true')",
        "__import__('os').fork() or __import__('os')._exit(0)",
    ],
    ids=["run", "system", "fork"],
)
def test_a_check_that_starts_processes_is_measured_again(
    pack: MiniPack, cli: Cli, line: str
) -> None:
    """Nobody knows what they imported."""
    pack.edit("contracts/bindings/thing.py", "def one(ctx):", f"def one(ctx):\n    {line}")
    run(cli, pack)
    assert reused(run(cli, pack)) == 0


def test_only_bundles_that_name_a_wanted_key_are_opened(
    pack: MiniPack, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        run(cli, pack)
    opened: list[Path] = []
    real = earlier.read_bundle
    monkeypatch.setattr(
        earlier, "read_bundle", lambda one, *given: opened.append(one) or real(one, *given)
    )
    # In a fork the latest is opened before it is known whether it is wanted.
    monkeypatch.setattr(carried_out, "beside", lambda work, forks: nullcontext(work))
    assert reused(run(cli, pack)) == 2
    assert len(opened) == 1
    run(cli, pack, "--seed", "7")
    assert len(opened) == 2  # and the other three are not
