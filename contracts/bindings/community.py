"""The departures recorded of the public reproduction, applied to this engine.

Not its code: each departure is the mutant that makes the same mistake here, chosen by the facts of
the authority `community`. `verify run --subject community` shows which clauses turn red: what that
project would have been told before its 110 GPU-hours.
"""

from __future__ import annotations

from contextlib import ExitStack
from functools import cache

from verify.api import subject

from . import encoder_mutants, generator_mutants, loss_mutants, loss_mutants_force, schedule
from .subjects import ENGINE, ModuleSubject

_APPLIED = ExitStack()  # for the life of the worker, which serves this subject only


@subject("community")
@cache
def community_subject() -> ModuleSubject:
    """The engine with the departures that specs/facts records of the public reproduction."""
    engine = ModuleSubject("community", ENGINE)
    departures = (
        loss_mutants.log_weight(engine),  # drifting_loss.uncond_weight_use
        loss_mutants.affinity_floor(engine, value=1.0e-12),  # drifting_loss.affinity_floor
        loss_mutants.scale_per_group(engine),  # drifting_loss.feature_scale
        loss_mutants_force.force_norm_per_group(engine),  # drifting_loss.drift_scale
        schedule.cosine_for_constant(engine),  # optimizer.schedule_after_warmup
        generator_mutants.l2_qk_norm(engine),  # generator.qk_norm
        generator_mutants.norm_without_affine(engine),  # generator.rmsnorm
        generator_mutants.no_positions(engine),  # generator.positional_embedding
        generator_mutants.style_index_zero(engine),  # generator.style_codes
        generator_mutants.no_final_adaln(engine),  # generator.output_head
        encoder_mutants.eight_groups(engine),  # encoder.groupnorm
        encoder_mutants.no_stage_norm(engine),  # encoder.stage_norm
    )
    for departure in departures:
        _APPLIED.enter_context(departure)
    return engine
