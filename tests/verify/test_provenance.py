"""What stands behind a number is typed and bounded, wherever it comes from."""

from __future__ import annotations

from typing import Any

import pytest

from verify.api import Measurement, Outcome
from verify.provenance import Provenance, provenance
from verify.run.answers import decode, encode, restate
from verify.spec.floors import Floors

SHA = "a" * 64
WHOLE = {"steps": 5, "images_seen": 640, "samples": 50_000, "seeds": 3, "extractor_sha256": SHA}


def answered(given: Any) -> dict[str, Any]:
    measurement = Measurement(Outcome.PASS, "r", measured=1.0, axis="proxy", provenance=given)
    return {**encode(measurement), "elapsed_s": 0.0, "peak_mb": 0.0}


def test_what_a_check_states_comes_back_from_its_answer() -> None:
    verdict = decode(answered({**WHOLE, "steps": None}))
    assert verdict.provenance == Provenance(**{**WHOLE, "steps": None})
    assert decode(restate(verdict)) == verdict
    assert decode(answered({})).provenance == Provenance()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"samples": 5.0}, "samples is a float"),
        ({"samples": True}, "samples is a bool"),
        ({"samples": "50000"}, "samples is a str"),
        ({"seeds": [0, 1, 2]}, "seeds is a list"),
        ({"steps": -1}, "steps is -1"),
        ({"images_seen": 2**63}, "not a count"),
        ({"extractor_sha256": "A" * 64}, "not 64 hexadecimal digits"),
        ({"extractor_sha256": SHA + "\n"}, "not 64 hexadecimal digits"),
        ({"extractor_sha256": 5}, "not 64 hexadecimal digits"),
        ({"sample": 5}, "provenance names 'sample'"),
        ([("samples", 5)], "provenance is a list"),
    ],
)
def test_anything_else_is_refused(given: Any, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        answered(given)


def test_floors_are_met_by_as_much_and_by_more() -> None:
    floors = Floors(**WHOLE)  # type: ignore[arg-type]
    assert list(floors.shortfalls(provenance(WHOLE))) == []
    assert list(floors.shortfalls(provenance({**WHOLE, "samples": 60_000, "seeds": 9}))) == []
    assert list(Floors().shortfalls(Provenance())) == []


@pytest.mark.parametrize("name", sorted(WHOLE))
def test_what_is_not_known_is_never_enough(name: str) -> None:
    (text,) = Floors(**{name: WHOLE[name]}).shortfalls(Provenance())  # type: ignore[arg-type]
    assert "unknown" in text
    assert text.startswith(name.replace("_", " "))


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"samples": 49_999}, "samples 49,999, at least 50,000 needed"),
        (
            {"extractor_sha256": "b" * 64},
            "extractor sha256 bbbbbbbbbbbb..., aaaaaaaaaaaa... needed",
        ),
    ],
)
def test_a_shortfall_says_what_was_found_and_what_is_needed(
    changes: dict[str, Any], text: str
) -> None:
    floors = Floors(**WHOLE)  # type: ignore[arg-type]
    assert list(floors.shortfalls(provenance({**WHOLE, **changes}))) == [text]
