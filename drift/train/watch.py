"""What is checked at every step of a run; the first breach stops it.

The clauses of the same names show that each check finds what it is for. Finite values and strict
queues are always checked. The two others can be left out by name; that is written into the run's
record and into every later checkpoint, and no number made from the run then supports a claim.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from drift import rng
from drift.data import Source
from drift.errors import DriftError
from drift.sample.loading import BYPASSED
from drift.state import checkpoint, modules
from drift.train import build
from drift.train.draw import Drawn, Feed
from drift.train.step import TrainState

FINITE, STRICT, LABELS, FROZEN = "TRAIN-007", "TRAIN-008", "TRAIN-009", "TRAIN-010"
NAMES = {
    FINITE: "finite values",
    STRICT: "strict queues",
    LABELS: "true labels",
    FROZEN: "frozen encoder",
}
BYPASSABLE = (LABELS, FROZEN)
ROWS_READ_AGAIN = 4  # positives of a step that are held against the source
SAMPLED = 1024  # values of each tensor of the encoder that are compared at a window


class Breach(DriftError):  # noqa: N818 - what happened to a clause
    """A clause is broken in the middle of a run; nothing after this step may be used.

    step    updates done before the step in which it was found
    clause  its id
    """

    def __init__(
        self, clause: str, step: int, *, found: object, expected: str, remedy: str
    ) -> None:
        self.clause = clause
        self.step = step
        super().__init__(
            f"step {step}: in-run clause {clause} ({NAMES[clause]})",
            found=found,
            expected=expected,
            remedy=remedy,
        )


@dataclass(frozen=True)
class Watch:
    """The checks of one run.

    checkpoints  folder whose last good step file a breach names
    skipped      clauses left out by name
    digest       of the encoders as they were at the start
    """

    state: TrainState
    source: Source
    seed: int
    checkpoints: Path
    skipped: tuple[str, ...] = ()
    digest: str = ""
    _sampled: Mapping[str, Tensor] = field(default_factory=dict)

    @classmethod
    def over(
        cls, state: TrainState, source: Source, *, seed: int, checkpoints: Path,
        skipped: Iterable[str] = (),
    ) -> Watch:  # fmt: skip
        """Remember the encoder as it is now."""
        chosen = tuple(dict.fromkeys(skipped))
        unknown = [one for one in chosen if one not in BYPASSABLE]
        if unknown:
            raise DriftError(
                "--bypass-check", found=", ".join(unknown), expected=" or ".join(BYPASSABLE)
            )
        sampled = {name: value.clone() for name, value in samples_of(state.extractor)}
        digest = build.parameters_digest(state.extractor)
        return cls(state, source, seed, checkpoints, chosen, digest, sampled)

    def record(self) -> dict[str, object]:
        """For the run's record."""
        return {
            "checked": [one for one in NAMES if one not in self.skipped],
            "bypassed": list(self.skipped),
        }

    def require_strict(self, feed: Feed, *, replacement: str) -> None:
        """Queues that the template calls strict are."""
        loose = [name for name, queue in feed.queues().items() if not queue.strict]
        if replacement == "without" and loose:
            raise self.breach(
                STRICT, found=f"queues that repeat samples: {', '.join(loose)}",
                expected="queue.replacement `without`",
                remedy="Open the queues as the template says.",
            )  # fmt: skip

    def require_finite(self, figures: Mapping[str, object]) -> None:
        """Every figure of a step or of a row is a number."""
        for name, value in figures.items():
            if isinstance(value, float) and not math.isfinite(value):
                raise self.not_finite(f"{name} {value}")

    def require_finite_weights(self) -> None:
        """Parameters and averages are numbers."""
        name = modules.not_finite(self.state.generator, self.state.ema)
        if name is not None:
            raise self.not_finite(f"NaN or infinity in {name}")

    def not_finite(self, found: str) -> Breach:
        """The breach of the first clause."""
        return self.breach(
            FINITE, found=found, expected="finite numbers",
            remedy="Look at the last windows; lower optimizer.learning_rate, or clip more.",
        )  # fmt: skip

    def require_true_labels(self, drawn: Drawn) -> None:
        """Every positive is what the source holds under its label; a few are read again."""
        if LABELS in self.skipped:
            return
        labels, origins = drawn.batch.labels[: drawn.batch.counted], drawn.origins
        if not len(labels):  # of a process that has none
            return
        own = self.source.labels[origins]
        wrong = (own != labels[:, None]).nonzero()
        if len(wrong):
            row, column = wrong[0].tolist()
            raise self._false_label(
                f"sample {int(origins[row, column])}, of class {int(own[row, column])} in the "
                f"source, among the positives of class {int(labels[row])}; {len(wrong)} of "
                f"{own.numel()} are wrong"
            )
        generator = rng.stream(self.seed, "read again", self.state.step)
        chosen = torch.randint(own.numel(), (ROWS_READ_AGAIN,), generator=generator)
        held = drawn.batch.positives.flatten(0, 1)[chosen]
        again = self.source.get(origins.flatten()[chosen])
        for i in range(len(chosen)):
            if not torch.equal(held[i].cpu(), again[i].to(held.dtype)):
                raise self._false_label(
                    f"a positive of class {int(labels[int(chosen[i]) // own.shape[1]])} that is "
                    f"not sample {int(origins.flatten()[chosen[i]])} of the source"
                )

    def require_frozen(self) -> None:
        """No parameter or buffer of the encoders has changed, has a gradient or is optimised."""
        if FROZEN in self.skipped:
            return
        extractor = self.state.extractor
        held = {id(p) for group in self.state.optimizer.param_groups for p in group["params"]}
        for name, parameter in extractor.named_parameters():
            if id(parameter) in held:
                raise self._not_frozen(f"{name} in the optimiser")
            if parameter.requires_grad or parameter.grad is not None:
                raise self._not_frozen(f"a gradient for {name}")
        now = dict(samples_of(extractor))
        changed = [
            name for name, value in self._sampled.items() if not torch.equal(now[name], value)
        ]
        if changed:
            more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
            raise self._not_frozen(f"other values in {changed[0]}{more}")

    def require_same_encoder(self) -> None:
        """Every value of the encoders, by digest: before each checkpoint."""
        if FROZEN in self.skipped:
            return
        now = build.parameters_digest(self.state.extractor)
        if now != self.digest:
            raise self._not_frozen(
                f"an encoder of digest {now[:16]}, {self.digest[:16]} at the start"
            )

    def breach(self, clause: str, *, found: object, expected: str, remedy: str) -> Breach:
        """A breach at the step that the run has come to, with the last good checkpoint."""
        kept = checkpoint.latest_good(self.checkpoints, lambda text: None)
        last = f"The last good checkpoint is that of step {kept.step}." if kept else (
            "There is no good checkpoint."
        )  # fmt: skip
        return Breach(
            clause, self.state.step, found=found, expected=expected, remedy=f"{remedy} {last}"
        )

    def _false_label(self, found: str) -> Breach:
        return self.breach(
            LABELS, found=found, expected="samples under the labels that the source gives them",
            remedy="Look for what reorders samples or labels between source and queue.",
        )  # fmt: skip

    def _not_frozen(self, found: str) -> Breach:
        return self.breach(
            FROZEN, found=found, expected="the encoder that the run began with",
            remedy="The optimiser holds the generator's parameters only; nothing trains the "
            "encoder.",
        )  # fmt: skip


def bypasses(skipped: Iterable[str]) -> list[str]:
    """What a checkpoint says of checks that were left out; it demotes every number."""
    return [f"{BYPASSED}: in-run clause {one} ({NAMES[one]}) not checked" for one in skipped]


def samples_of(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """At most `SAMPLED` evenly spaced values of each parameter and buffer, by name."""
    for named in (module.named_parameters(), module.named_buffers()):
        for name, value in named:
            flat = value.detach().flatten()
            yield name, flat[:: max(1, -(-len(flat) // SAMPLED))]
