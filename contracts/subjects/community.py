"""The departures of the public reproduction, applied to this engine.

Not its code: each departure is the mutant that makes the same mistake here, chosen by the facts of
the authority `community`. `MEASURED` is what the clauses of the audit measured on the released
package itself, drift-models 0.1.1 (`examples/audits/drift_models.py`); with all departures made at
once the engine has to give the same numbers (`tests/contracts/test_community.py`).
`verify run --subject community` shows which clauses turn red: what that project would have been
told before its 110 GPU-hours.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import cache, partial

from verify.api import subject

from ..encoder import mutants as encoder
from ..generator import mutants as generator
from ..generator import mutants_state
from ..loss import mutants as loss
from ..loss import mutants_force as force
from ..metrics.samples import draws
from ..schedule import laws as schedule
from . import community_parts as parts
from .engine import ENGINE, ModuleSubject

Departure = Callable[[object], AbstractContextManager[object]]

# Topic of the fact that records it -> the mistake. Each has to stay in force beside all others.
DEPARTURES: Mapping[str, Departure] = {
    "drifting_loss.uncond_weight_use": loss.log_weight,
    "drifting_loss.affinity_floor": partial(loss.affinity_floor, value=1.0e-12),
    "drifting_loss.feature_scale": loss.scale_per_group,
    "drifting_loss.drift_scale": force.force_norm_per_group,
    "drifting_loss.location_reduction": force.sum_over_locations,
    "drifting_loss.input_statistic": encoder.norm_x_without_root,
    "loss.scale_floor": parts.no_loss_floors,
    "optimizer.schedule_after_warmup": schedule.cosine_for_constant,
    "optimizer.warmup_start": parts.WARMUP_COUNTED_FROM_ONE,
    "queue.resume": parts.global_queue_saved,
    "evaluation.weights": draws.raw_weights,
    "generator.style_draw": draws.style_of_index_zero,
    "generator.style_codes": generator.one_style_table,
    "generator.qk_norm": generator.l2_qk_norm,
    "generator.rope_layout": generator.rope_interleaved,
    "generator.norm_eps": parts.NORM_EPS,
    "generator.positional_embedding": parts.normal_positions,
    "generator.alpha_embedding": parts.alpha_by_scalar,
    "generator.class_embedding_init": partial(mutants_state.initial_std, name="CLASS_STD", std=1.0),
    "generator.output_head": parts.plain_head,
    "encoder.groupnorm": encoder.eight_groups,
    "encoder.groupnorm_eps": encoder.group_norm_eps,
    "encoder.stage_norm": encoder.no_stage_norm,
}

# Clause -> what its check measured on drift-models 0.1.1, and how far off, relative, the engine
# with all departures may be. Wider where what is measured depends on how a model was drawn.
MEASURED: Mapping[str, tuple[float, float]] = {
    "AUDIT-001": (4366.74, 1e-3),
    "AUDIT-002": (5820.29, 1e-3),
    "AUDIT-003": (1458.38, 1e-3),
    "AUDIT-004": (1926.85, 1e-2),
    "AUDIT-005": (5076.34, 1e-2),
    "AUDIT-006": (1504.48, 1e-3),
    "AUDIT-007": (1867.59, 1e-3),
    "AUDIT-008": (3817.08, 1e-3),
    "AUDIT-009": (8241596.0, 1e-2),
    "AUDIT-010": (14.6031, 1e-3),
    "AUDIT-011": (249.454, 1e-3),
    "AUDIT-013": (2.03253, 0.1),  # its classes share scale and norm over locations
    "AUDIT-021": (0.5, 1e-3),
    "AUDIT-022": (9.99e-4, 1e-2),
    "AUDIT-030": (1.0e5, 1e-3),
    "AUDIT-032": (96464.5, 1e-3),
    "AUDIT-034": (63438.7, 1e-3),
    "AUDIT-037": (29271.6, 1e-3),
    "AUDIT-042": (0.0995, 1e-3),
    "AUDIT-044": (11800.0, 0.0),
    "AUDIT-045": (1.0, 0.0),
    "AUDIT-050": (0.9375, 1e-3),
    "AUDIT-051": (0.977574, 1e-3),
    "AUDIT-053": (38.7914, 0.5),
    "AUDIT-054": (49.0362, 0.02),
    "AUDIT-055": (0.0, 0.0),
    "AUDIT-056": (1.89081, 0.7),
    "AUDIT-060": (3.44359, 1e-3),
    "AUDIT-061": (3.15666, 1e-3),
    "AUDIT-062": (0.505762, 0.5),
    "AUDIT-063": (1.4918, 1e-3),
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
