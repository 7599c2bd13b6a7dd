"""What each order and each contract has come to: computed from evidence, never typed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from verify.hunt.ledger import Attempt
from verify.hunt.model import WorkOrder
from verify.known import Known
from verify.outcome import Outcome
from verify.report.model import ClauseView, Report
from verify.spec.pack import LoadedPack
from verify.spec.select import named_by


class Stand(StrEnum):
    """Of a work order."""

    DISCHARGED = "discharged"  # a good attempt, and its clauses hold now
    STALE = "stale"  # a good attempt, and its clauses do not hold for the present files
    READY = "ready"  # may start
    WAITING = "waiting"  # for orders before it


class Status(StrEnum):
    """Of a contract, each holding the one before."""

    PROPOSED = "proposed"  # nothing of it was judged
    PARTIAL = "partial"  # something was
    FUNCTIONAL = "functional"  # every required clause passes and every falsifier turned it red
    DISCHARGED = "discharged"  # and the others too, nothing is pending, its decisions are settled


@dataclass(frozen=True)
class OrderStand:
    """Where an order stands, and what it waits for or lacks."""

    order: WorkOrder
    stand: Stand
    why: str


@dataclass(frozen=True)
class ContractStatus:
    """What a contract has come to, and what keeps it from more."""

    contract: str
    status: Status
    why: tuple[str, ...]


def orders(loaded: LoadedPack, tried: Sequence[Attempt], now: Known) -> list[OrderStand]:
    """Every order, those before it first; a fallback opens nothing."""
    found: dict[str, OrderStand] = {}
    left = sorted((order for _, order in loaded.of(WorkOrder)), key=lambda order: order.id)
    while left:  # lint has seen that they are no circle
        free = [order for order in left if all(name in found for name in order.waits_for)]
        for order in free:
            found[order.id] = _order(loaded, order, tried, now, found)
        left = [order for order in left if order.id not in found]
    return list(found.values())


def contracts(loaded: LoadedPack, now: Known) -> list[ContractStatus]:
    """The status of every contract under what is known now."""
    return [_contract(loaded, name, now.report) for name in
            dict.fromkeys(contract.contract for contract in loaded.pack.contracts)]  # fmt: skip


def _order(
    loaded: LoadedPack,
    order: WorkOrder,
    tried: Sequence[Attempt],
    now: Known,
    before: Mapping[str, OrderStand],
) -> OrderStand:
    waits = [name for name in order.waits_for if before[name].stand is not Stand.DISCHARGED]
    if waits:
        return OrderStand(order, Stand.WAITING, f"waits for {', '.join(waits)}")
    mine = [attempt for attempt in tried if attempt.order == order.id]
    good = [attempt for attempt in mine if attempt.good]
    lacking = list(_lacking(loaded, order, now.report))
    if good and not lacking:
        return OrderStand(order, Stand.DISCHARGED, f"attempt {good[-1].number}")
    if good:
        return OrderStand(order, Stand.STALE, f"attempt {good[-1].number}; now {lacking[0]}")
    last = f"; last attempt {mine[-1].line}" if mine else ""
    return OrderStand(order, Stand.READY, f"{len(mine)} attempts{last}")


def _lacking(loaded: LoadedPack, order: WorkOrder, report: Report | None) -> Iterator[str]:
    for clause in named_by(order.clauses, loaded.pack.clauses):
        view = _view(report, clause.id)
        if view is None or view.outcome is not Outcome.PASS:
            yield f"{clause.id} is {view.outcome if view else 'not judged'}"
        elif report is not None and not report.sound(view):
            yield f"{clause.id} passes without its falsifiers"


def _contract(loaded: LoadedPack, name: str, report: Report | None) -> ContractStatus:
    clauses = next(one.clauses for one in loaded.pack.contracts if one.contract == name)
    views = [(clause, _view(report, clause.id)) for clause in clauses]
    judged = [view for _, view in views if view is not None and view.outcome.evaluated]
    if not judged:
        return ContractStatus(name, Status.PROPOSED, ("nothing of it was judged",))
    lacks = {
        clause.id: _lack(report, view)
        for clause, view in views
        if not (view is not None and report is not None and report.sound(view))
    }
    needed = [f"{one.id} {lacks[one.id]}" for one in clauses if one.required and one.id in lacks]
    if needed:
        return ContractStatus(name, Status.PARTIAL, tuple(needed))
    caps = [*(f"{one} {why}" for one, why in lacks.items()), *_caps(loaded, name)]
    status = Status.FUNCTIONAL if caps else Status.DISCHARGED
    return ContractStatus(name, status, tuple(caps))


def _lack(report: Report | None, view: ClauseView | None) -> str:
    if view is None or report is None:
        return "was not judged"
    return "lacks its falsifiers" if view.outcome is Outcome.PASS else str(view.outcome)


def _caps(loaded: LoadedPack, name: str) -> Iterator[str]:
    """A pending falsifier, and a decision about a cited topic that is not settled."""
    mine = {one.id: one for c in loaded.pack.contracts if c.contract == name for one in c.clauses}
    for _, order in loaded.of(WorkOrder):
        for one in order.pending:
            if one.clause in mine:
                yield f"{one.clause} has a falsifier pending: {one.mistake}"
    topics = {s.partition(":")[2] for clause in mine.values() for s in clause.sources}
    decisions = {one.id: one for one in loaded.pack.decisions}
    for conflict in loaded.pack.conflicts:
        if conflict.topic in topics and not decisions[conflict.decision].status.settled:
            yield f"{conflict.decision} ({conflict.id}) is {decisions[conflict.decision].status}"


def _view(report: Report | None, name: str) -> ClauseView | None:
    if report is None:
        return None
    return next((clause for clause in report.clauses if clause.id == name), None)
