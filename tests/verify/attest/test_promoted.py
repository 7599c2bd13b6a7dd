"""A promoted run is judged again on its evaluations, with the signatures that are beside them."""

from __future__ import annotations

from pathlib import Path

from tests.verify.conftest import clause
from tests.verify.signing import key, sign_record
from verify.figures.evaluation import read_evaluation
from verify.promotion.recompute import Evaluated, judged_again

from .conftest import Signing

STRICT = """
    import json

    from verify.api import check

    @check("thing.strict")
    def strict(ctx):
        (path,) = ctx.evidence_dir.glob("*.json")
        backed = ctx.backing([path], "fid")
        if why := ctx.unsigned(backed):
            return ctx.missing(why)
        value = json.loads(path.read_text())["metrics"]["fid"]["value"]
        return ctx.judge(value, "it is signed", axis="paper-eval", backing=backed)
"""


def said(signing: Signing, record: Path) -> str:
    arrays = record.with_name("one.components.txt")
    evaluated = (Evaluated("components[0]", read_evaluation(record), arrays),)
    return " ".join(judged_again(signing.pack.load(), ["THING-003"], evaluated))


def test_a_signature_goes_on_being_about_an_evaluation_that_is_promoted(signing: Signing) -> None:
    signing.pack.write("contracts/bindings/strict.py", STRICT)
    signing.pack.clauses.append(
        clause(3, kind="metric", axis="paper-eval", check="thing.strict", required=False,
               falsifiers=["thing.worse"], tolerance={"value": 2.0, "unit": "FID", "basis": "two"})
    )  # fmt: skip
    signing.pack.save()
    keys = [key(0).model_dump(mode="json", exclude_none=True)]
    signing.pack.data("contracts/policy/keys.yaml", {"schema": "verify/keys/1", "keys": keys})
    assert "THING-003 unknown on these evaluations: one.json: unsigned" in said(
        signing, signing.record
    )
    sign_record(signing.record, "fid", pack="mini")
    assert said(signing, signing.record) == ""
