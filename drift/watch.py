"""What to look at while the drifting loss trains somebody's own generator, and what goes wrong.

The loss itself is flat: its forces are normalised to a mean square of one at each temperature
(`specs/symbols.md`), so it stays near its first value whether the samples get better or not. The
figures that fall are `info["loss_<tau>"]`, the mean squares before that normalisation.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor

PREFIX = "loss_"
SPAN = 50  # calls that one mean is taken over
PATIENCE = 4  # spans over which a field may stand still
FALLEN = 0.9  # of its largest mean
STEADY = 1.2  # largest over smallest mean of a field that stands still
TINY_SCALE = 2e-4  # twice the smallest distance that the loss knows, sqrt(1e-8)
STILL = 1e-10  # a field this small moves nothing: f is floored at 1e-8 where it is normalised
FEW = 8  # positives of a group below which the field follows single samples


@dataclass
class Watch:
    """Hand it each call's `info`; it says what is wrong, each thing once.

        watch = Watch()
        loss, info = drift_loss(gen, pos)
        for remark in watch(info, gen=gen, pos=pos):
            print(remark)

    `fields` are the figures to plot: temperature, as in the names of `info`, to the mean raw field
    of each finished span of calls.
    """

    calls: int = 0
    fields: dict[str, list[float]] = field(default_factory=dict)
    _span: dict[str, list[float]] = field(default_factory=dict)
    _said: set[str] = field(default_factory=set)

    def __call__(
        self,
        info: Mapping[str, Tensor],
        *,
        gen: Tensor | None = None,
        pos: Tensor | None = None,
    ) -> tuple[str, ...]:
        """info of `drift_loss`; gen [B, G, S] and pos [B, P, S] as given to it, where at hand.

        Reads a handful of scalars, which on an accelerator waits for them.
        """
        self.calls += 1
        values = {name: float(value) for name, value in info.items()}
        raw = {
            name.removeprefix(PREFIX): v for name, v in values.items() if name.startswith(PREFIX)
        }
        found = {**_shapes(gen, pos), **_scale(values.get("scale")), **_field(raw)}
        found |= self._progress(raw)
        new = [remark for kind, remark in found.items() if kind not in self._said]
        self._said |= set(found)
        return tuple(new)

    def _progress(self, raw: Mapping[str, float]) -> dict[str, str]:
        for tau, value in raw.items():
            self._span.setdefault(tau, []).append(value)
        if self.calls % SPAN:
            return {}
        for tau, span in self._span.items():
            self.fields.setdefault(tau, []).append(math.fsum(span) / len(span))
        self._span = {}
        return self._stuck()

    def _stuck(self) -> dict[str, str]:
        """A field may rise at first, while far samples come into reach; it must not stand still
        before it has ever fallen. The largest field is judged: it is the least noisy."""
        tau, means = max(self.fields.items(), key=lambda item: item[1][-1])
        latest = means[-PATIENCE - 1 :]
        moving = max(latest) > STEADY * min(latest)
        if len(means) <= PATIENCE or moving or means[-1] < FALLEN * max(means):
            return {}
        return {
            "stuck": f"the raw field at {tau} stands still after {self.calls} calls and has never "
            f"fallen ({means[0]:.3g}, now {means[-1]:.3g}); a flat loss says nothing, but "
            "this has to fall: look at the learning rate, and whether the gradient reaches the "
            "generator"
        }


def _shapes(gen: Tensor | None, pos: Tensor | None) -> dict[str, str]:
    found = {}
    if gen is not None and gen.shape[1] == 1:
        found["one_sample"] = (
            "G = 1: a generated sample has no other of its group to be repelled by, so all "
            "collapse onto one; draw several for each condition"
        )
    if pos is not None and pos.shape[1] < FEW:
        found["few_positives"] = (
            f"P = {pos.shape[1]} positives a group, below {FEW}: the field follows single samples; "
            "keep a queue of positives for each condition, or put conditions that are alike into "
            "one group"
        )
    if pos is not None and gen is not None and len(pos) == 1 and gen.shape[1] > 1:
        found["one_group"] = (
            "B = 1: one group a call; scale and norms are then those of one condition and change "
            "with each draw; put several conditions into one call"
        )
    return found


def _scale(scale: float | None) -> dict[str, str]:
    if scale is None:
        return {}
    if not math.isfinite(scale):
        return {"scale": f"scale is {scale}: a feature is not finite"}
    if scale <= TINY_SCALE:
        return {
            "scale": f"scale is {scale:.3g}: the samples do not differ in these features (constant "
            "features, or the generator has collapsed onto the data's mean)"
        }
    return {}


def _field(raw: Mapping[str, float]) -> dict[str, str]:
    wrong = [tau for tau, value in raw.items() if not math.isfinite(value)]
    if wrong:
        return {"field": f"the field at {', '.join(wrong)} is not finite: look at the features"}
    if raw and max(raw.values()) <= STILL:
        return {
            "still": "the raw field is zero at every temperature: positives and generated samples "
            "are the same tensor, or the temperatures are far too small for these distances"
        }
    return {}
