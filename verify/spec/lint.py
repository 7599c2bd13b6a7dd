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
from verify.spec.pack import LoadedPack
from verify.spec.rules import claims, clauses, code, facts, outline, texts

Rule = Callable[[LoadedPack], Iterator[Problem]]

RULES: tuple[Rule, ...] = (
    clauses.ids_are_unique,
    clauses.ids_carry_their_contract,
    clauses.sources_exist,
    clauses.checks_exist,
    clauses.recorders_are_of_checks,
    clauses.config_clauses_can_be_judged,
    clauses.falsifiers_name_something,
    clauses.waivers_name_clauses,
    texts.sentences_are_read_alone,
    clauses.optional_blockers_wait_for_evidence,
    facts.ids_are_unique,
    facts.facts_have_authorities,
    facts.per_column_facts_are_complete,
    facts.differences_are_declared,
    facts.contradictions_are_real,
    facts.conflicts_have_decisions,
    claims.ids_are_unique,
    claims.claims_rest_on_something,
    claims.sentences_name_known_words,
    claims.evidence_can_be_enough,
    claims.detection_is_of_its_contracts,
    claims.semantics_agree,
    claims.bounded_forms_say_so,
    claims.forbidden_words_are_phrases,
    claims.decisions_refer_to_what_exists,
    claims.decisions_are_settled_or_cap,
    claims.manifest_paths_stay_inside,
    claims.columns_have_templates,
    claims.the_subject_is_registered,
    code.imported_code_is_listed,
    code.early_imports_are_libraries,
    outline.ids_are_unique,
    outline.what_they_name_exists,
    outline.facts_are_cited,
    outline.facts_belong_to_items,
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
