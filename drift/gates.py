"""Gates of a run: what has to be green before it starts, and what a bypass costs.

A run labelled faithful starts only where its own resolved template is its column, and the column's
clauses and the parity clauses are green for exactly this code. A bypass is written into the run's
record and demotes every number made from it; a template that is not its column has none.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drift.config import Template, fingerprint
from drift.errors import DriftError

if TYPE_CHECKING:
    from verify.gate import Standing

RUNNING = Path(__file__).parent  # the package whose gates these are: a pack has to be about it

COUNTED = ("steps", "images_seen", "samples")  # known before any work; seeds are of several runs

FAITHFUL = (
    "contract:T8",
    "contract:LOSS",
    "contract:CFG",
    "contract:SCHEDULE",
    "contract:QUEUE",
    "contract:GEN",
    "contract:ENCODER",
    "contract:FEATURES",
    "contract:TRAIN",
    "contract:PROVENANCE",
)
SHOWN = 5


class GateError(DriftError):
    """A gate is closed."""


def best_first(numbers: Sequence[tuple[str, float, str]], metric: str, *, better: str) -> list[int]:
    """Places of numbers, each (where it was found, value, axis), from the best to the worst.

    That numbers on two evidence axes are never compared is the harness's rule. It is asked for here
    and not written again, since this module is the one that may ask. Raises GateError where the
    numbers are on several axes; better is "lower" or "higher".
    """
    from verify.api import AxisError, best_first, measured

    try:
        labelled = [measured(value, axis, metric, place=place) for place, value, axis in numbers]
        return best_first(labelled, better=better)
    except AxisError as error:
        raise GateError(
            f"comparison of {metric}", found=str(error), expected="numbers on one evidence axis"
        ) from error


def require(
    template: Template,
    *,
    reports: Path = Path("reports"),
    bypass: str | None = None,
    selectors: Sequence[str] = FAITHFUL,
    pack: Path | None = None,
) -> Mapping[str, Any]:
    """What the run's record says of its gates; raises GateError where one is closed.

    template  resolved, as it will be trained: the record carries its fingerprint
    bypass    a reason; the run starts all the same, is marked, and its numbers are tier none
    pack      a pack's root; None: the one that this code was shipped with
    Free and closest-feasible templates claim no faithfulness: no clause is required of them.
    """
    record: dict[str, Any] = {"fidelity": template.fidelity, "fingerprint": fingerprint(template)}
    require_column(template, pack=pack)
    if template.fidelity != "faithful":
        return {"gates": record | {"required": []}}
    now = _standing(selectors, reports, pack)
    record |= {
        "required": list(selectors),
        "clauses": now.clauses,
        "bundle": now.bundle,
        "code": now.code,
        "column": template.column,
        "pack": {"name": now.pack, "sha256": now.pack_digest},
    }
    if now.green:
        return {"gates": record}
    if bypass:
        return {"gates": record | {"bypass": bypass, "open": list(now.obstacles)}, "tier": "none"}
    raise GateError(
        f"faithful template {template.name}",
        found=_first(now.obstacles),
        expected=f"{now.clauses} clauses of the pack at {now.root} green for this code",
        remedy=f"`{_opens(now.root, reports)}` produces the evidence; mend what it names.",
    )


def _opens(root: Path, reports: Path) -> str:
    """The command whose evidence is about the pack at `root`, and lies where the gate looks."""
    pack = () if root == Path.cwd() else ("--pack", str(root))
    place = () if reports == Path("reports") else ("--reports", str(reports))
    return shlex.join(["verify", "run", *pack, *place])


def _first(obstacles: Sequence[str]) -> str:
    """The first few, and how many there are besides."""
    more = len(obstacles) - SHOWN
    return "; ".join(obstacles[:SHOWN]) + (f"; and {more} more" if more > 0 else "")


def require_column(template: Template, *, pack: Path | None = None) -> None:
    """Hold a template, as it will be used, against the column that it claims to follow.

    It is the comparison of `verify template`, and there is no bypass: a template that departs is
    not its column, and says so by `fidelity`. Nothing is asked of a free template, whose column
    backs nothing. Raises GateError.
    """
    if template.fidelity == "free":
        return
    from verify.gate import against_column

    value = template.model_dump(mode="json", by_alias=True)
    with _pack_in_order():
        found = against_column(value, name=template.name, pack=pack, running=RUNNING)
    if found.good:
        return
    raise GateError(
        f"{template.fidelity} template {template.name}",
        found=_first(found.obstacles),
        expected=f"column {template.column}" + (
            ", but for the deviations it declares" if template.deviations else " in every field"
        ),
        remedy="`verify template FILE` names every field; or set `fidelity: free`.",
    )  # fmt: skip


def _standing(selectors: Sequence[str], reports: Path, pack: Path | None) -> Standing:
    from verify.gate import standing

    with _pack_in_order():
        return standing(selectors, reports=reports, pack=pack, running=RUNNING)


@contextmanager
def _pack_in_order() -> Iterator[None]:
    """What is wrong with the pack is said as a closed gate, and not as a fault of this program."""
    from verify.problems import NothingSelectedError, PackError, UsageError

    try:
        yield
    except (NothingSelectedError, PackError, UsageError) as error:
        raise GateError(
            "the pack of this code", found=str(error), expected="a sound pack about this code",
            remedy="Install the package with its pack, or name one with --pack.",
        ) from error  # fmt: skip


def require_floors(
    claims: Sequence[str], pack: Path | None = None, /, **planned: int | str | None
) -> Mapping[str, Any]:
    """What a record says of the claims it is made for -> {"claims": {id: floors}}, {} for none.

    planned  what is about to be done: steps and images_seen (generated samples) of a training run,
             samples of an evaluation, extractor_sha256; what is not given is not compared here,
             because it is decided elsewhere
    pack     as in `require`
    Raises GateError, before any work, where a run of this size could never support a claim.
    """
    if not claims:
        return {}
    from verify.gate import claim_floors
    from verify.problems import PackError, UsageError

    record: dict[str, Any] = {}
    short: list[str] = []
    for name in dict.fromkeys(claims):
        try:
            asked = claim_floors(name, pack=pack, running=RUNNING).asked()
        except (UsageError, PackError, LookupError) as error:
            raise GateError(
                f"--claim {name}", found=str(error), expected="a claim of the pack",
                remedy="`verify claims --help` says how claims are looked at.",
            ) from error  # fmt: skip
        record[name] = asked
        short += [f"{name}: {text}" for text in _below(asked, planned)]
    if short:
        raise GateError(
            "--claim", found="; ".join(short),
            expected="at least what the claim asks for",
            remedy="Plan a larger run, or leave --claim out: its numbers then support no such "
            "claim.",
        )  # fmt: skip
    return {"claims": record}


def _below(asked: Mapping[str, Any], planned: Mapping[str, int | str | None]) -> Iterator[str]:
    for name, wanted in asked.items():
        have = planned.get(name)
        if have is None:
            continue
        word = name.replace("_", " ")
        if name in COUNTED and int(have) < int(wanted):
            yield f"{int(have):,} {word}, at least {int(wanted):,} needed"
        elif name not in COUNTED and have != wanted:
            yield f"{word} {have}, {wanted} needed"


def training_size(template: Template) -> dict[str, int]:
    """What a template's run comes to, in the floors' terms."""
    steps, loss = template.optimizer.training_steps, template.loss
    return {
        "steps": steps,
        "images_seen": steps * loss.class_labels * loss.generated,
        "samples": template.evaluation.samples,
    }
