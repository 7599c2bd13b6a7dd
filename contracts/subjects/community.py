"""The departures recorded of the public reproduction, applied to this engine.

Not its code: each departure is the mutant that makes the same mistake here, chosen by the facts of
the authority `community`. `verify run --subject community` shows which clauses turn red: what that
project would have been told before its 110 GPU-hours.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import cache, partial

from verify.api import subject

from ..encoder import mutants as encoder_mutants
from ..generator import mutants as generator_mutants
from ..loss import mutants as loss_mutants
from ..loss import mutants_force as loss_mutants_force
from ..schedule import laws as schedule
from .engine import ENGINE, ModuleSubject

Departure = Callable[[object], AbstractContextManager[object]]

# Topic of the fact that records it -> the mistake. Each has to stay in force beside all others.
DEPARTURES: Mapping[str, Departure] = {
    "drifting_loss.uncond_weight_use": loss_mutants.log_weight,
    "drifting_loss.affinity_floor": partial(loss_mutants.affinity_floor, value=1.0e-12),
    "drifting_loss.feature_scale": loss_mutants.scale_per_group,
    "drifting_loss.drift_scale": loss_mutants_force.force_norm_per_group,
    "optimizer.schedule_after_warmup": schedule.cosine_for_constant,
    "generator.qk_norm": generator_mutants.l2_qk_norm,
    "generator.rmsnorm": generator_mutants.norm_without_affine,
    "generator.positional_embedding": generator_mutants.no_positions,
    "generator.style_codes": generator_mutants.style_index_zero,
    "generator.output_head": generator_mutants.no_final_adaln,
    "encoder.groupnorm": encoder_mutants.eight_groups,
    "encoder.stage_norm": encoder_mutants.no_stage_norm,
}
_APPLIED = ExitStack()  # for the life of the worker, which serves this subject only


@contextmanager
def departed(engine: object, topics: Collection[str]) -> Iterator[None]:
    """The engine with the named departures, undone at the end."""
    with ExitStack() as stack:
        for topic, departure in DEPARTURES.items():
            if topic in topics:
                stack.enter_context(departure(engine))
        yield


@subject("community")
@cache
def community_subject() -> ModuleSubject:
    """The engine with the departures that specs/facts records of the public reproduction."""
    engine = ModuleSubject("community", ENGINE)
    _APPLIED.enter_context(departed(engine, DEPARTURES))
    return engine
