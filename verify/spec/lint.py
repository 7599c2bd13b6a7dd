"""Rules across files: what no single file can show to be wrong.

Each rule is a function from the loaded pack to problems; the shape of single files was checked on
reading. A rule says what a reader would otherwise find out by a claim that rests on nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from verify.attest import rules as rules_attest
from verify.guard import rules as rules_guard
from verify.hunt import rules as hunt
from verify.mutate import equivalents
from verify.problems import Problem
from verify.promotion import rules as rules_promotion
from verify.release import rules as rules_release
from verify.spec import (
    rules_claims,
    rules_clauses,
    rules_code,
    rules_facts,
    rules_outline,
    rules_texts,
)
from verify.spec.pack import LoadedPack

Rule = Callable[[LoadedPack], Iterator[Problem]]

RULES: tuple[Rule, ...] = (
    rules_clauses.ids_are_unique,
    rules_clauses.ids_carry_their_contract,
    rules_clauses.sources_exist,
    rules_clauses.checks_exist,
    rules_clauses.recorders_are_of_checks,
    rules_clauses.config_clauses_can_be_judged,
    rules_clauses.falsifiers_name_something,
    rules_clauses.waivers_name_clauses,
    rules_texts.sentences_are_read_alone,
    rules_clauses.optional_blockers_wait_for_evidence,
    rules_facts.ids_are_unique,
    rules_facts.facts_have_authorities,
    rules_facts.per_column_facts_are_complete,
    rules_facts.differences_are_declared,
    rules_facts.contradictions_are_real,
    rules_facts.conflicts_have_decisions,
    rules_claims.ids_are_unique,
    rules_claims.claims_rest_on_something,
    rules_claims.sentences_name_known_words,
    rules_claims.evidence_can_be_enough,
    rules_claims.detection_is_of_its_contracts,
    rules_claims.semantics_agree,
    rules_claims.bounded_forms_say_so,
    rules_claims.forbidden_words_are_phrases,
    rules_claims.decisions_refer_to_what_exists,
    rules_claims.decisions_are_settled_or_cap,
    rules_claims.manifest_paths_stay_inside,
    rules_claims.columns_have_templates,
    rules_claims.the_subject_is_registered,
    rules_code.imported_code_is_listed,
    rules_outline.ids_are_unique,
    rules_outline.what_they_name_exists,
    rules_outline.facts_are_cited,
    rules_outline.facts_belong_to_items,
    rules_guard.each_file_stands_at_its_place,
    rules_guard.globs_stand_once,
    rules_guard.digests_rest_on_decisions,
    rules_promotion.it_stands_at_its_place,
    rules_promotion.ids_are_unique,
    rules_promotion.what_a_track_names_exists,
    rules_release.it_stands_at_its_place,
    rules_release.ids_are_unique,
    rules_release.what_decides_exists,
    equivalents.they_still_stand,
    hunt.orders_stand_once,
    hunt.orders_can_be_worked,
    rules_attest.keys_stand_once,
)


def lint(loaded: LoadedPack) -> tuple[Problem, ...]:
    """Everything that is wrong across files, in the order of files and lines."""
    return tuple(sorted({problem for rule in RULES for problem in rule(loaded)}))
