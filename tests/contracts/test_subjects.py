"""Subjects: what they can do, and that a patched engine is what a check sees."""

from __future__ import annotations

import pickle
from unittest.mock import patch

import pytest

import drift.field
from contracts.subjects.engine import ENGINE, ModuleSubject, drift_subject, oracle_subject


def test_every_capability_of_the_engine_is_there() -> None:
    subject = drift_subject()
    assert subject.capabilities == ENGINE.keys()
    assert all(getattr(subject, name) is not None for name in ENGINE)


def test_a_patched_function_is_seen_by_a_subject_made_before() -> None:
    subject = drift_subject()
    with patch.object(drift.field, "drifting_field", "patched"):
        assert subject.drifting_field == "patched"
    assert subject.drifting_field is drift.field.drifting_field


def test_the_oracle_neither_records_nor_trains() -> None:
    subject = oracle_subject()
    assert subject.capabilities >= {"drift_loss", "drifting_field", "sample_alpha"}
    assert not {"recording", "Generator", "semantics"} & subject.capabilities
    assert not hasattr(subject, "recording")


def test_a_capability_without_a_module_is_one_the_subject_lacks() -> None:
    table = {"here": ("drift.trace", "recording"), "gone": ("drift.no.such", "thing")}
    subject = ModuleSubject("partial", table)
    assert subject.capabilities == {"here"}
    with pytest.raises(AttributeError, match=r"gone needs drift\.no\.such"):
        _ = subject.gone


def test_a_subject_survives_the_way_to_a_worker() -> None:
    copy = pickle.loads(pickle.dumps(drift_subject()))
    assert copy.drifting_field is drift.field.drifting_field
