"""What a check changes of its process is none of the next check's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .conftest import MiniPack, clause, run_pack

CODE = """
    import json, os, resource, signal, sys
    from verify.api import check

    def seen():
        mask = os.umask(0o022)
        os.umask(mask)
        return {
            "environment": os.environ.get("LEFT"), "folder": os.getcwd(), "umask": mask,
            "signal": signal.getsignal(signal.SIGALRM) is signal.SIG_DFL,
            "path": "left" in sys.path, "priority": os.getpriority(os.PRIO_PROCESS, 0),
            "files": resource.getrlimit(resource.RLIMIT_NOFILE)[0],
        }

    LEAVES = {
        "environment": lambda: os.environ.update(LEFT="1"), "folder": lambda: os.chdir("/"),
        "umask": lambda: os.umask(0o111), "path": lambda: sys.path.append("left"),
        "signal": lambda: signal.signal(signal.SIGALRM, signal.SIG_IGN),
        "priority": lambda: os.nice(1),
        "files": lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (99, 99)),
    }

    @check("left.leaves")
    def leaves(ctx):
        before = seen()
        LEAVES[ctx.params["what"]]()
        return ctx.decide(True, json.dumps(before))

    @check("left.sees")
    def sees(ctx):
        return ctx.decide(True, json.dumps(seen()))
"""


@pytest.mark.parametrize(
    "what", ["environment", "folder", "umask", "signal", "path", "priority", "files"]
)
def test_what_a_check_leaves_of_its_process_reaches_no_other(
    mini: MiniPack, tmp_path: Path, what: str
) -> None:
    mini.write("contracts/bindings/left.py", CODE)
    mini.clauses = [
        clause(1, check="left.leaves", params={"what": what}),
        clause(2, check="left.sees"),
    ]
    finished = run_pack(mini.save(), tmp_path / "reports", jobs=1, falsify=False)
    before, after = (json.loads(view.reason) for view in finished.report.clauses)
    assert before[what] == after[what]
