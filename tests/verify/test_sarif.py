"""SARIF 2.1.0: the shape that scanners read, whatever a contract or a check may say."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from verify.report import sarif

from .conftest import Finished
from .test_reports import hostile

# The parts of the SARIF 2.1.0 schema that this program uses, strict about names and words.
TEXT = {"type": "string", "minLength": 1}
MESSAGE = {
    "type": "object", "required": ["text"], "properties": {"text": TEXT},
    "additionalProperties": False,
}  # fmt: skip
LEVEL = {"enum": ["none", "note", "warning", "error"]}
RULE = {
    "type": "object", "required": ["id"], "additionalProperties": False,
    "properties": {
        "id": TEXT, "shortDescription": MESSAGE, "fullDescription": MESSAGE, "help": MESSAGE,
        "defaultConfiguration": {
            "type": "object", "properties": {"level": LEVEL}, "additionalProperties": False
        },
        "properties": {
            "type": "object", "properties": {"tags": {"type": "array", "uniqueItems": True}}
        },
    },
}  # fmt: skip
LOCATION = {
    "type": "object", "required": ["physicalLocation"], "additionalProperties": False,
    "properties": {"physicalLocation": {
        "type": "object", "required": ["artifactLocation"], "additionalProperties": False,
        "properties": {
            "artifactLocation": {
                "type": "object", "additionalProperties": False,
                "properties": {"uri": {"type": "string", "pattern": "^[A-Za-z0-9._/%-]+$"},
                               "uriBaseId": TEXT},
            },
            "region": {
                "type": "object", "additionalProperties": False,
                "properties": {"startLine": {"type": "integer", "minimum": 1}},
            },
        },
    }},
}  # fmt: skip
RESULT = {
    "type": "object", "required": ["message", "ruleId"], "additionalProperties": False,
    "properties": {
        "ruleId": TEXT, "ruleIndex": {"type": "integer", "minimum": 0}, "message": MESSAGE,
        "kind": {"enum": ["notApplicable", "pass", "fail", "review", "open", "informational"]},
        "level": LEVEL, "locations": {"type": "array", "items": LOCATION},
        "partialFingerprints": {"type": "object", "additionalProperties": {"type": "string"}},
        "suppressions": {"type": "array", "items": {
            "type": "object", "required": ["kind"], "additionalProperties": False,
            "properties": {"kind": {"enum": ["inSource", "external"]}, "justification": TEXT},
        }},
    },
}  # fmt: skip
STAMP = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$"}
SARIF: dict[str, Any] = {
    "type": "object", "required": ["version", "runs"], "additionalProperties": False,
    "properties": {
        "$schema": {"type": "string", "format": "uri"}, "version": {"const": "2.1.0"},
        "runs": {"type": "array", "minItems": 1, "items": {
            "type": "object", "required": ["tool"], "additionalProperties": False,
            "properties": {
                "tool": {"type": "object", "required": ["driver"], "properties": {"driver": {
                    "type": "object", "required": ["name"], "additionalProperties": False,
                    "properties": {"name": TEXT, "version": TEXT,
                                   "rules": {"type": "array", "items": RULE, "uniqueItems": True}},
                }}},
                "invocations": {"type": "array", "items": {
                    "type": "object", "required": ["executionSuccessful"],
                    "additionalProperties": False,
                    "properties": {"executionSuccessful": {"type": "boolean"},
                                   "exitCode": {"type": "integer"},
                                   "startTimeUtc": STAMP, "endTimeUtc": STAMP},
                }},
                "results": {"type": "array", "items": RESULT}, "properties": {"type": "object"},
            },
        }},
    },
}  # fmt: skip


@pytest.mark.parametrize("nasty", [False, True])
def test_sarif_has_the_shape_that_scanners_read(sealed: Finished, nasty: bool) -> None:
    report = hostile(sealed.report) if nasty else sealed.report
    jsonschema.validate(json.loads(sarif.render(report)), SARIF)


# `.ci/nightly` gets it from npm: the validator of the format's own authors, with their schema.
def validated(path: Path) -> list[str]:
    """Errors and warnings of the validator, the rules of GitHub's code scanning among its own."""
    done = subprocess.run(
        [Path(os.environ["SARIF_MULTITOOL"]) / "Sarif.Multitool", "validate", path,
         "--rule-kind", "Sarif;Ghas"],
        capture_output=True, text=True, check=False,
        env=os.environ | {"DOTNET_SYSTEM_GLOBALIZATION_INVARIANT": "1"},
    )  # fmt: skip
    assert "Done. 1 files scanned." in done.stdout, done.stdout + done.stderr
    return re.findall(r"(?:error|warning) (\w+): (.*)", done.stdout)


@pytest.mark.nightly
@pytest.mark.parametrize("nasty", [False, True])
def test_the_validator_of_the_format_finds_nothing(
    sealed: Finished, nasty: bool, tmp_path: Path
) -> None:
    assert "SARIF_MULTITOOL" in os.environ, "it names the folder of npm's sarif-multitool-linux"
    schema = json.loads((Path(os.environ["SARIF_MULTITOOL"]) / "sarif-2.1.0.json").read_text())
    log = json.loads(sarif.render(hostile(sealed.report) if nasty else sealed.report))
    jsonschema.validate(log, schema)
    path = tmp_path / "results.sarif"
    path.write_text(json.dumps(log), encoding="utf-8")
    # A tool without a page of its own says so: the address of this one is not fixed yet.
    assert {rule for rule, _ in validated(path)} <= {"SARIF2005"}
    log["runs"][0]["results"][0]["ruleIndex"] = 999
    path.write_text(json.dumps(log), encoding="utf-8")
    assert "SARIF1009" in {rule for rule, _ in validated(path)}  # an index of no rule
    log["runs"][0]["results"][0]["level"] = "loud"
    with pytest.raises(jsonschema.ValidationError, match="loud"):
        jsonschema.validate(log, schema)


def test_sarif_locates_each_result_at_its_clause(sealed: Finished) -> None:
    (run,) = json.loads(sarif.render(sealed.report))["runs"]
    rules = run["tool"]["driver"]["rules"]
    lines = {c.id: c.line for c in sealed.report.clauses}
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        place = result["locations"][0]["physicalLocation"]
        assert place["artifactLocation"]["uri"] == "contracts/thing.yaml"
        assert place["region"]["startLine"] == lines[result["ruleId"]]
    found = [(r["ruleId"], r["kind"], r["level"]) for r in run["results"]]
    assert found == [
        ("THING-002", "fail", "error"), ("THING-004", "open", "none"),
        ("THING-003", "open", "none"), ("THING-006", "fail", "error"),
        ("THING-005", "fail", "error"),
    ]  # fmt: skip
    assert run["results"][3]["suppressions"][0]["kind"] == "external"
    prints = [result["partialFingerprints"]["clause/v1"] for result in run["results"]]
    assert len(set(prints)) == len(prints)
