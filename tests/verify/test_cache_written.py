"""What a run digests before a check reads it is not taken for what the check has read."""

from __future__ import annotations

import mmap
from typing import Any

import pytest

from verify.commands.runs import sealed_run
from verify.spec import sources

from .conftest import MiniPack, clause
from .test_cache import Cli, reused, run

READS = """
    from pathlib import Path
    from verify.api import check
    @check("reads.it")
    def it(ctx):
        text = (Path(__file__).parents[2] / "source/data.bin").read_bytes()
        return ctx.decide(text.startswith(b"2"), f"read {text[:1]}")
"""


def test_a_file_that_is_written_through_memory_before_a_check_reads_it(
    mini: MiniPack, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its dates stand still; the run's digests are of the text before, the judgement is not."""
    with (mini.root / "contracts/pack.yaml").open("a") as file:
        file.write("code: [source]\n")
    mini.write("contracts/bindings/reads.py", READS)
    path = mini.write("source/data.bin", "1" * 4096)
    mini.clauses = [clause(check="reads.it")]
    mini.save()
    monkeypatch.setattr(sources, "RECENT_S", 0.0)
    about_run = sealed_run.about_run
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 4096) as memory:
        memory[0:1] = b"1"

        def about(*given: Any) -> dict[str, Any]:
            found = about_run(*given)
            memory[0:1] = b"2"
            return found

        with monkeypatch.context() as patched:
            patched.setattr(sealed_run, "about_run", about)
            assert run(cli, mini)["clauses"][0]["outcome"] == "pass"
        memory[0:1] = b"1"
        second = run(cli, mini)
    assert second["clauses"][0]["outcome"] == "fail"
    assert reused(second) == 0
