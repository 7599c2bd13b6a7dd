"""`verify run --shard` and `verify merge`: a run on several machines is the run on one."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from verify.problems import NothingSelectedError, UsageError
from verify.spec.shards import Shard, shard

from .conftest import MiniPack, Result, clause, config

Cli = Callable[..., Result]


@pytest.fixture
def pack(mini: MiniPack) -> MiniPack:
    """Seven clauses of several outcomes, a table's among them, and a waiver."""
    with (mini.root / "contracts/pack.yaml").open("a") as file:
        file.write("columns: [A]\ntemplates: {A: a.yaml}\n")
    mini.write("a.yaml", "one: 1.0\n")
    mini.write(
        "contracts/bindings/odd.py",
        """
        from verify.api import check

        @check("odd.wrong")
        def wrong(ctx):
            return ctx.judge(7.0, "seven", files={"got.txt": b"seven"})

        @check("odd.missing")
        def missing(ctx):
            return ctx.missing("not here")
        """,
    )
    mini.clauses = [
        clause(1, budget={"seconds": 50}),
        clause(2, check="odd.wrong", severity="minor"),
        clause(3, check="odd.missing", required=False),
        clause(4, falsifiers=["thing.two_for_one", {"thing.two_for_one": {"by": 2.0}}]),
        config(5),
        clause(6, budget={"seconds": 40}),
        clause(7, check="odd.wrong"),
    ]
    return mini.save()


def bundles(folder: str) -> list[Path]:
    return sorted(Path(folder).iterdir())


def sharded(cli: Cli, pack: MiniPack, count: int, *arguments: str) -> list[Path]:
    """The bundle of each shard, made in a folder of its own."""
    for index in range(1, count + 1):
        place = f"shards/{index}"
        cli("run", *arguments, "--pack", pack.root, "--shard", f"{index}/{count}",
            "--reports", place)  # fmt: skip
    return [bundles(f"shards/{index}")[-1] for index in range(1, count + 1)]


def told(path: str) -> dict[str, Any]:
    """A report without what is of a moment."""
    report: dict[str, Any] = json.loads(Path(path).read_text())
    del report["evidence_head"]
    for one in (*report["clauses"], *report["falsifiers"]):
        one.pop("elapsed_s", None), one.pop("peak_mb", None)
    report["falsifiers"].sort(key=lambda one: (one["clause"], one["label"]))
    about = ("started", "finished", "merged", "repository", "command")
    report["about"] = {k: v for k, v in report["about"].items() if k not in about}
    return report


@pytest.mark.parametrize("selectors", [(), ("THING-00[1-6]",)])
def test_merged_shards_are_what_one_run_says(
    pack: MiniPack, cli: Cli, selectors: tuple[str, ...]
) -> None:
    one = cli("run", *selectors, "--pack", pack.root, "--output", "json=one.json")
    merged = cli("merge", *sharded(cli, pack, 3, *selectors), "--output", "json=merged.json")
    assert merged.code == one.code
    assert told("merged.json") == told("one.json")
    bundle = max(bundles("reports"), key=lambda path: path.stat().st_mtime)
    assert cli("bundle", "check", bundle).code == 0
    assert (bundle / "mismatches/THING-002/got.txt").read_bytes() == b"seven"
    heads = json.loads(Path("merged.json").read_text())["about"]["merged"]
    assert sorted(heads) == ["1/3", "2/3", "3/3"]


def test_each_clause_is_in_one_shard_and_costly_ones_are_spread(pack: MiniPack) -> None:
    clauses = pack.load().pack.clauses
    parts = [Shard(index, 3).of(clauses) for index in (1, 2, 3)]
    assert sorted(one.id for part in parts for one in part) == [one.id for one in clauses]
    costly = [{one.id for one in part} & {"THING-001", "THING-006"} for part in parts]
    assert max(map(len, costly)) == 1


def test_a_shard_alone_supports_no_claim(pack: MiniPack, cli: Cli) -> None:
    (bundle, *_) = sharded(cli, pack, 3)
    report = json.loads((bundle / "report.json").read_text())
    assert {one["scope"] for one in report["claims"]} == {"denied"}
    assert report["about"]["shard"] == {"index": 1, "count": 3, "selectors": []}


def test_missing_and_overlapping_shards_are_refused(pack: MiniPack, cli: Cli) -> None:
    one, two, three = sharded(cli, pack, 3)
    for given, listed in (
        ((one, two), "1/3, 2/3"), ((one, two, two, three), "1/3, 2/3, 2/3, 3/3"), ((), "none"),
    ):  # fmt: skip
        refused = cli("merge", *given)
        assert refused.code == 2
        assert f"found the shards {listed}; expected each of" in refused.err
    assert not Path("reports").exists()


def test_shards_of_another_count_or_selection_are_refused(pack: MiniPack, cli: Cli) -> None:
    one, _ = sharded(cli, pack, 2)
    cli("run", "--pack", pack.root, "--shard", "2/3", "--reports", "other")
    assert "found the shards 1/2, 2/3" in cli("merge", one, *bundles("other")).err
    cli("run", "THING-00[1-4]", "--pack", pack.root, "--shard", "2/2", "--reports", "fewer")
    assert "found selectors" in cli("merge", one, *bundles("fewer")).err


def test_a_bundle_that_is_no_shard_is_refused(pack: MiniPack, cli: Cli) -> None:
    cli("run", "--pack", pack.root, "--reports", "whole")
    assert "found a bundle of no shard" in cli("merge", *bundles("whole")).err


EDITS = [
    ("contracts/bindings/odd.py", 'seven"', 'eight"', "digests."),
    ("specs/facts/thing.yaml", "value: 1.0", "value: 1.1", "digests."),
    ("contracts/pack.yaml", "pack: mini", "pack: maxi", "digests."),
]


@pytest.mark.parametrize(("path", "old", "new", "named"), EDITS)
def test_a_shard_of_another_pack_or_code_is_refused(
    pack: MiniPack, cli: Cli, path: str, old: str, new: str, named: str
) -> None:
    cli("run", "--pack", pack.root, "--shard", "1/2", "--reports", "a")
    pack.edit(path, old, new)
    cli("run", "--pack", pack.root, "--shard", "2/2", "--reports", "b")
    refused = cli("merge", *bundles("a"), *bundles("b"))
    assert refused.code == 2
    assert f"found {named}" in refused.err


@pytest.mark.parametrize(
    ("option", "named"), [(("--seed", "1"), "seed"), (("--no-falsify",), "falsify"),
                          (("--profile", "quick"), "profile"), (("--subject", "other"), "subject")],
)  # fmt: skip
def test_a_shard_that_was_asked_otherwise_is_refused(
    pack: MiniPack, cli: Cli, option: tuple[str, ...], named: str
) -> None:
    pack.write(
        "contracts/bindings/other.py",
        """
        from verify.api import subject
        from .thing import thing

        @subject("other")
        def other():
            return thing()
        """,
    )
    cli("run", "--pack", pack.root, "--shard", "1/2", "--reports", "a")
    cli("run", "--pack", pack.root, "--shard", "2/2", "--reports", "b", *option)
    assert f"found {named} " in cli("merge", *bundles("a"), *bundles("b")).err


def test_an_edited_shard_is_refused(pack: MiniPack, cli: Cli) -> None:
    one, two = sharded(cli, pack, 2)
    copy = Path("copied") / one.name
    shutil.copytree(one, copy)
    path = copy / "evidence.jsonl"
    path.write_text(path.read_text().replace('"count":2', '"count":1', 1))
    assert cli("merge", copy, two).code == 4


@pytest.mark.parametrize("text", ["0/2", "3/2", "1", "1/0", "a/b", "1/2/3", "-1/2", "٢/٣"])
def test_a_shard_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="expected K/N with 1 <= K <= N"):
        shard(text)


def test_a_shard_without_clauses_is_said_to_be_one(pack: MiniPack) -> None:
    with pytest.raises(NothingSelectedError, match="found no clause for it among 7"):
        Shard(8, 8).of(pack.load().pack.clauses)
