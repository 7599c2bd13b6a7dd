"""All steps of a reproduction in their order; what is done is not done again, and why is said."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from drift import atomic
from drift.errors import DriftError
from drift.reproduce import report, steps, store
from drift.reproduce.request import Request, require_whole
from drift.reproduce.store import Done, Step

Say = Callable[[str], None]


class NotDoneError(Exception):
    """A step would have to be carried out, and was not asked for."""


@dataclass
class Carrier:
    """Finds or carries out one step after the other, and counts what it did.

    plans  only says what would be done
    """

    folder: Path
    say: Say
    plans: bool = False
    redone: int = 0

    def __call__(self, step: Step) -> Done:
        """The step, done; raises NotDoneError where this only plans."""
        done, why = store.found(self.folder, step)
        if done is not None:
            self.say(f"{step.name}: nothing to do ({step.key[:12]})")
            return done
        self.say(f"{step.name}: {'would be done' if self.plans else 'to do'}: {why}")
        if self.plans:
            raise NotDoneError(step.name)
        self.redone += 1
        return store.carry_out(self.folder, step)


@dataclass(frozen=True)
class Reproduced:
    """What came out: the steps in their order, and how many were carried out just now."""

    steps: tuple[Done, ...]
    redone: int

    def step(self, name: str) -> Done:
        """The step of a name."""
        return next(one for one in self.steps if one.name == name)


def reproduce(request: Request, say: Say, *, plans: bool = False) -> Reproduced | None:
    """Carry a template through to its report; None where `plans`, and something is to do.

    Raises DriftError for what is wrong with a request before any work, and whatever a step raises:
    the same call then goes on with that step.
    """
    require_whole(request)
    if not plans:
        request.root.mkdir(parents=True, exist_ok=True)
    alone = atomic.locked(request.root, say) if request.root.is_dir() else nullcontext()
    try:
        with alone:
            return _reproduced(request, Carrier(request.store, say, plans))
    except NotDoneError as error:
        say(f"what follows {error} depends on what it gives")
        return None
    except atomic.LockedError as error:
        raise DriftError(
            str(request.root), found="another process at work in it", expected="one at a time",
            remedy="Wait for it, or choose another --out.",
        ) from error  # fmt: skip


def _reproduced(request: Request, carry: Carrier) -> Reproduced:
    judged = measured(request, carry)
    request = judged.request
    drawn = carry(steps.sample(request, judged.run))
    chain = [judged.data, judged.encoder, judged.run, drawn, judged.record]
    chain.append(carry(steps.summary(request, chain)))
    _shown(request.root, chain[-1])
    return Reproduced(tuple(chain), carry.redone)


def _shown(root: Path, made: Done) -> None:
    """The newest report, at the top of the folder."""
    for name in (report.TEXT, report.DATA):
        text = (made.folder / name).read_text(encoding="utf-8")
        there = root / name
        if not there.is_file() or there.read_text(encoding="utf-8") != text:
            atomic.write_text(there, text)


@dataclass(frozen=True)
class Judged:
    """A run that was trained and measured, with everything it came from."""

    request: Request
    data: Done
    encoder: Done
    run: Done
    record: Done


def measured(request: Request, carry: Carrier) -> Judged:
    """The steps up to the record of an evaluation."""
    made = carry(steps.data(request))
    known = steps.known_of(made)
    request = steps.with_data(request, made)
    encoder = carry(steps.pretrain(request, known))
    run = carry(steps.train(request, known, encoder))
    return Judged(request, made, encoder, run, carry(steps.evaluate(request, run, encoder)))
