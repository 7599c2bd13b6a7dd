"""What lint says of work orders."""

from __future__ import annotations

from collections.abc import Iterator

from verify.hunt.model import WorkOrder
from verify.problems import Problem
from verify.spec.pack import LoadedPack
from verify.spec.places import inside
from verify.spec.select import named_by


def orders_stand_once(loaded: LoadedPack) -> Iterator[Problem]:
    """An id is that of one file, and the file is named by it."""
    seen: dict[str, str] = {}
    for document, order in loaded.of(WorkOrder):
        if order.id in seen:
            found = f"{order.id}, which {seen[order.id]} is too"
            yield document.problem(("id",), found, "an id of its own", "give it the next number")
        seen[order.id] = document.file


def orders_can_be_worked(loaded: LoadedPack) -> Iterator[Problem]:
    """What an order names exists, and it does not wait for itself."""
    orders = {order.id: order for _, order in loaded.of(WorkOrder)}
    for document, order in loaded.of(WorkOrder):
        for at, name in enumerate(order.waits_for):
            if name not in orders:
                yield document.problem(("waits_for", at), name, "a work order", "correct the id")
        if order.id in _before(order, orders):
            place, wanted = ("waits_for",), "an order of orders"
            yield document.problem(
                place, f"{order.id} waits for itself", wanted, "break the circle"
            )
        for key in ("clauses", "control"):
            for at, name in enumerate(getattr(order, key)):
                if not named_by((name,), loaded.pack.clauses):
                    found = f"{name}, which names no clause"
                    yield document.problem((key, at), found, "an id or a glob", "correct it")
        for at, name in enumerate(order.tests):
            path = inside(loaded.root, name)
            if path is None or not path.exists():
                found = f"{name}, which is not there"
                yield document.problem(("tests", at), found, "a file of the project", "write it")
        yield from _pending(loaded, document, order)


def _before(order: WorkOrder, orders: dict[str, WorkOrder]) -> set[str]:
    """All that an order waits for, in turn."""
    found: set[str] = set()
    left = list(order.waits_for)
    while left:
        name = left.pop()
        if name in orders and name not in found:
            found.add(name)
            left += orders[name].waits_for
    return found


def _pending(loaded: LoadedPack, document: object, order: WorkOrder) -> Iterator[Problem]:
    known = {clause.id for clause in loaded.pack.clauses}
    for at, one in enumerate(order.pending):
        if one.clause not in known:
            place = ("pending", at, "clause")
            yield document.problem(place, one.clause, "a clause", "correct the id")  # type: ignore[attr-defined]
