"""The bundles of a run's shards made one: what a single run would have sealed.

A merged bundle is derived from its evidence as any other is. Its head names the shards and the head
of the evidence of each; nothing is judged again.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from verify.files import write
from verify.problems import UsageError
from verify.report.bundle import ENVIRONMENT, EVIDENCE, open_partial, opened, seal
from verify.report.derive import evidence_of
from verify.report.model import Report
from verify.run.environment import command_text
from verify.run.evidence import GENESIS, linked, records, sha256_of
from verify.run.surroundings import UNKNOWN
from verify.scope import solve
from verify.spec.model import Clause, Pack
from verify.spec.select import select
from verify.spec.shards import Shard

# Of a head, besides digests: what the shards of a run share. The rest is of a moment.
SAME = ("schema", "verify", "pack", "subject", "seed", "profile", "falsify", "environment",
        "declared", "base", "detection")  # fmt: skip
Records = list[tuple[str, dict[str, Any]]]


@dataclass(frozen=True)
class Part:
    """One shard's bundle, re-verified."""

    folder: Path
    head: dict[str, Any]
    records: Records
    report: Report

    @property
    def shard(self) -> dict[str, Any]:
        """{"index", "count", "selectors"}."""
        found: dict[str, Any] = self.head["shard"]
        return found


def merge(folders: Sequence[Path], reports: Path) -> tuple[Path, Report]:
    """Seal the bundle of all shards -> it and its report.

    Raises UsageError for folders that are not the shards of one run, each once; IntegrityError for
    a bundle that does not hold.
    """
    parts = sorted((_part(folder) for folder in folders), key=lambda one: one.shard["index"])
    _hold_complete(parts)
    _hold_alike(parts)
    partial = open_partial(reports)
    with ExitStack() as undone:
        undone.callback(shutil.rmtree, partial, ignore_errors=True)  # nothing in it is new
        write(partial / EVIDENCE, _chained(_merged(parts)))
        shutil.copyfile(parts[0].folder / ENVIRONMENT, partial / ENVIRONMENT)
        for part in parts:
            if (part.folder / "mismatches").is_dir():
                shutil.copytree(
                    part.folder / "mismatches", partial / "mismatches", dirs_exist_ok=True
                )
        bundle, _ = seal(partial)
        undone.pop_all()
    return bundle, opened(bundle)[0]


def _part(folder: Path) -> Part:
    report, pins = opened(folder)
    if "shard" not in pins.head:
        raise UsageError(
            f"{folder}: found a bundle of no shard; expected one of verify run --shard K/N"
        )
    if not pins.whole:
        raise UsageError(
            f"{folder}: found shard {_named(pins.head)} interrupted; expected one that came to its "
            "end; remedy: run it again"
        )
    told = [(record.kind, record.data) for record in records(folder / EVIDENCE)]
    return Part(folder, pins.head, told, report)


def _hold_complete(parts: Sequence[Part]) -> None:
    """Each of N shards once."""
    counts = {part.shard["count"] for part in parts}
    found = [part.shard["index"] for part in parts]
    wanted = list(range(1, max(counts, default=1) + 1))
    if len(counts) > 1 or found != wanted:
        listed = ", ".join(_named(part.head) for part in parts) or "none"
        raise UsageError(
            f"verify merge: found the shards {listed}; expected each of 1/{len(wanted)} to "
            f"{len(wanted)}/{len(wanted)} once; remedy: run those that are missing, and leave out "
            "those that are there twice"
        )
    for part in parts:
        dealt = Shard(part.shard["index"], part.shard["count"]).of(_asked_for(part))
        if [clause.id for clause in dealt] != [one["id"] for one in part.head["clauses"]]:
            raise UsageError(
                f"{part.folder}: found other clauses than those of shard {_named(part.head)}; "
                "expected those that verify run --shard deals to it"
            )


def _hold_alike(parts: Sequence[Part]) -> None:
    """One pack, one subject, one code, one environment, asked the same way."""
    first = parts[0]
    for part in parts[1:]:
        for name, mine, theirs in _differences(first.head, part.head):
            raise UsageError(
                f"{part.folder}: found {name} {theirs} in shard {_named(part.head)}; expected "
                f"{mine}, as in shard {_named(first.head)}; remedy: run all shards of one commit "
                "in one environment"
            )


def _differences(
    one: Mapping[str, Any], other: Mapping[str, Any]
) -> Iterator[tuple[str, str, str]]:
    """(name, of one, of the other) of what differs."""
    digests = {f"digests.{name}": (one["digests"].get(name), other["digests"].get(name))
               for name in sorted(one["digests"].keys() | other["digests"].keys())}  # fmt: skip
    heads = {name: (one[name], other[name]) for name in SAME}
    asked = {"selectors": (one["shard"]["selectors"], other["shard"]["selectors"])}
    for name, (mine, theirs) in {**digests, **heads, **asked}.items():
        if mine != theirs:
            yield name, *(("this", "another") if name == "declared" else (repr(mine), repr(theirs)))


def _pack(head: Mapping[str, Any]) -> Pack:
    return Pack.model_validate_json(json.dumps(head["declared"]))


def _asked_for(part: Part) -> tuple[Clause, ...]:
    """The clauses of the whole run."""
    return select(_pack(part.head), part.shard["selectors"])


def _named(head: Mapping[str, Any]) -> str:
    return f"{head['shard']['index']}/{head['shard']['count']}"


def _merged(parts: Sequence[Part]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The records of one run, in the order in which a run writes them."""
    head = _head(parts)
    yield "run", head
    yield from ((kind, data) for kind, data in _all(parts) if kind == "clause")
    due = [data["count"] for kind, data in _all(parts) if kind == "falsifiers_due"]
    if due:
        yield "falsifiers_due", {"count": sum(due)}
    yield from ((kind, data) for kind, data in _all(parts) if kind == "falsifier")
    yield "touched", _touched(parts)
    yield "claims", {"claims": _claims(parts, head)}
    ended = max(data["finished"] for kind, data in _all(parts) if kind == "end")
    yield "end", {"finished": ended, "interrupted": False}


def _all(parts: Sequence[Part]) -> Iterator[tuple[str, dict[str, Any]]]:
    for part in parts:
        yield from part.records


def _head(parts: Sequence[Part]) -> dict[str, Any]:
    """That of the run: begun with its first shard, the clauses of all in the pack's order."""
    head = {name: value for name, value in parts[0].head.items() if name != "shard"}
    described = {one["id"]: one for part in parts for one in part.head["clauses"]}
    return {
        **head,
        "started": min(part.head["started"] for part in parts),
        "selectors": parts[0].shard["selectors"],
        "command": sha256_of(command_text()),
        "clauses": [described[clause.id] for clause in _asked_for(parts[0])],
        "merged": {_named(part.head): part.report.evidence_head for part in parts},
    }


def _touched(parts: Sequence[Part]) -> dict[str, Any]:
    """What all of them imported and read; a file that two of them saw otherwise is refused."""
    found: dict[str, dict[str, str]] = {"imports": {}, "reads": {}}
    around = set[str]()
    for part in parts:
        told = next(data for kind, data in part.records if kind == "touched")
        around.add(told.get("around", UNKNOWN))
        for kind, names in found.items():
            for name, digest in told[kind].items():
                if names.setdefault(name, digest) != digest:
                    raise UsageError(
                        f"{part.folder}: found another {name} than an earlier shard; expected the "
                        "same files; remedy: run all shards of one commit in one environment"
                    )
    files = {kind: dict(sorted(names.items())) for kind, names in found.items()}
    return {**files, "around": around.pop() if len(around) == 1 else UNKNOWN}


def _claims(parts: Sequence[Part], head: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What follows from the findings of all."""
    pack = _pack(head)
    clauses = [view for part in parts for view in part.report.clauses]
    falsifiers = [view for part in parts for view in part.report.falsifiers]
    evidence = evidence_of(pack, clauses, falsifiers, str(head["subject"]), head["detection"])
    return [asdict(claim) for claim in solve(pack, evidence)]


def _chained(told: Iterator[tuple[str, dict[str, Any]]]) -> str:
    lines, previous = [], GENESIS
    for number, (kind, data) in enumerate(told):
        line, previous = linked(number, previous, kind, data)
        lines.append(line)
    return "".join(lines)
