"""`verify diff --pack`: each change of a rule, planted alone, goes the way it goes."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.verify.conftest import claim, clause, decision
from verify.ratchet.reader import snapshot

from .conftest import TRACK, Changing, known_key

Plant = Callable[[Changing], None]
RATE = {"contracts": ["THING"], "at_least": 0.9}


def of_clause(**changes: Any) -> Plant:
    """The first clause written otherwise; None leaves a key out."""

    def plant(changing: Changing) -> None:
        changing.pack.clauses[0] = clause(1, **{"tags": ["held"], **changes})
        changing.pack.save()

    return plant


def of_claim(**changes: Any) -> Plant:
    def plant(changing: Changing) -> None:
        changing.pack.claims[0] = {**changing.pack.claims[0], **changes}
        changing.pack.save()

    return plant


def of_needs(**changes: Any) -> Plant:
    def plant(changing: Changing) -> None:
        needs = {**changing.pack.claims[0]["needs"], **changes}
        needs = {name: value for name, value in needs.items() if value is not None}
        changing.pack.claims[0] = {**changing.pack.claims[0], "needs": needs}
        changing.pack.save()

    return plant


def of_keys(change: Callable[[list[dict[str, Any]]], object]) -> Plant:
    def plant(changing: Changing) -> None:
        changing.edit("contracts/policy/keys.yaml", lambda file: change(file["keys"]))

    return plant


def of_file(path: str, old: str, new: str) -> Plant:
    def plant(changing: Changing) -> None:
        changing.pack.edit(path, old, new)

    return plant


def of_data(path: str, change: Callable[[dict[str, Any]], object]) -> Plant:
    def plant(changing: Changing) -> None:
        changing.edit(path, change)

    return plant


def written(path: str, text: str) -> Plant:
    def plant(changing: Changing) -> None:
        changing.pack.write(path, text)

    return plant


def a_clause_is_removed(changing: Changing) -> None:
    changing.pack.clauses.pop()
    changing.pack.save()


def a_clause_is_added(changing: Changing) -> None:
    changing.pack.clauses.append(clause(3))
    changing.pack.save()


def a_claim_is_added(changing: Changing) -> None:
    changing.pack.claims.append(claim("CLAIM-OTHER"))
    changing.pack.save()


def a_waiver_is_added(changing: Changing) -> None:
    waiver = {"clause": "THING-001", "owner": "o", "reason": "known", "expires": "2999-01-01"}
    changing.pack.data(
        "contracts/waivers.yaml", {"schema": "verify/waivers/1", "waivers": [waiver]}
    )


def a_recording_is_removed(changing: Changing) -> None:
    (changing.pack.root / "specs/golden/one.json").unlink()


def a_decision_is_removed(changing: Changing) -> None:
    (changing.pack.root / "specs/decisions/DEC-0003.md").unlink()


def tolerance(**parts: Any) -> Plant:
    return of_clause(tolerance={"unit": "units", "basis": "halfway to two", **parts})


def lose_a_tag(changing: Changing) -> None:
    changing.pack.clauses[0] = clause(1)
    changing.pack.save()


def a_helper_moves(changing: Changing) -> None:
    changing.pack.edit(ROOM, 'VALUES = {"one": 1.0}\n', "from .values import VALUES\n")
    changing.pack.write("contracts/bindings/values.py", 'VALUES = {"one": 1.0}\n')


def a_helper_is_another(changing: Changing) -> None:
    """The room takes a name of its library from a module that is new."""
    changing.pack.write("contracts/bindings/values.py", "def check(name):\n    return print\n")
    changing.pack.edit(ROOM, "Outcome, Reason, check, mutant", "Outcome, Reason, mutant")
    changing.pack.edit(ROOM, "VALUES =", "from .values import check\n\nVALUES =")


def a_helper_is_changed_from_beside(changing: Changing) -> None:
    """A new module puts another value into the room that imports it."""
    changing.pack.write(
        "contracts/bindings/values.py", 'import json\n\njson.loads.__defaults__ = ("one",)\n'
    )
    changing.pack.edit(ROOM, "VALUES =", "from . import values\n\nVALUES =")


ROOM = "contracts/bindings/thing.py"
FACTS, DECISIONS, POLICY = "specs/facts/thing.yaml", "specs/decisions", "contracts/policy"
MUTANT = clause(1)["falsifiers"][0]

# What is planted -> the side, and words of what is said of it.
PLANTED: dict[str, tuple[Plant, str, str]] = {
    "tolerance widened": (tolerance(value=0.6), "looser", "widened 0.5 -> 0.6"),
    "tolerance narrowed": (tolerance(value=0.4), "stricter", "narrowed 0.5 -> 0.4"),
    "tolerance exact": (tolerance(exact=True), "stricter", "narrowed 0.5 -> exact"),
    "tolerance in another unit": (
        of_clause(tolerance={"value": 0.5, "unit": "m", "basis": "halfway to two"}),
        "looser", "unit units -> m"),
    "tolerance with another basis": (
        tolerance(value=0.5, basis="another"), "neutral", "basis reworded"),
    "falsifier exchanged": (
        of_clause(falsifiers=["thing.three"]), "looser", "thing.two_for_one dropped"),
    "falsifier added": (
        of_clause(falsifiers=[MUTANT, "thing.three"]), "stricter",
        "thing.three added"),
    "clause removed": (a_clause_is_removed, "looser", "removed"),
    "clause added": (a_clause_is_added, "stricter", "added"),
    "clause demoted": (of_clause(severity="minor"), "looser", "major -> minor"),
    "clause promoted": (of_clause(severity="blocker"), "stricter", "major -> blocker"),
    "clause not required": (of_clause(required=False), "looser", "required true -> false"),
    "another check": (of_clause(check="thing.other"), "looser", "check thing.one -> thing.other"),
    "other parameters": (of_clause(params={"least": 1}), "looser", "params"),
    "another kind": (of_clause(kind="property"), "looser", "kind golden -> property"),
    "another remedy": (of_clause(remedy="Count twice."), "neutral", "remedy reworded"),
    "another statement": (of_clause(statement="1 = 1."), "neutral", "statement reworded"),
    "another budget": (of_clause(budget={"seconds": 5.0}), "neutral", "budget"),
    "source exchanged": (
        of_clause(sources=["talk:thing.one"]), "looser", "book:thing.one dropped"),
    "source added": (
        of_clause(sources=["book:thing.one", "talk:thing.one"]), "neutral", "talk:thing.one cited"),
    "another weight": (of_clause(weight=1), "looser", "weight null -> 1"),
    "fact changed": (of_file(FACTS, "1.0", "2.0"), "looser", "value 1.0 -> 2.0"),
    "locator changed": (of_file(FACTS, "p. 1", "p. 2"), "neutral", "at reworded"),
    "fact added": (
        of_data(FACTS, lambda f: f["topics"]["thing.one"]["facts"].update(
            talk={"value": 1.0, "at": "minute 3"})), "stricter", "added"),
    "fact removed": (
        of_data(FACTS, lambda f: f["topics"].update(
            {"thing.one": {"title": "one", "facts": {"talk": {"value": 1.0, "at": "3"}}}})),
        "looser", "removed"),
    "decision closed": (
        of_file(f"{DECISIONS}/DEC-0002.md", "deferred", "accepted"), "looser",
        "closed: status deferred -> accepted"),
    "decision reopened": (
        of_file(f"{DECISIONS}/DEC-0001.md", "accepted", "proposed"), "stricter",
        "reopened: status accepted -> proposed"),
    "decision settled otherwise": (
        of_file(f"{DECISIONS}/DEC-0001.md", "accepted", "closed"), "neutral", "moved"),
    "cap dropped": (
        of_file(f"{DECISIONS}/DEC-0002.md", "- CLAIM-THING", "- CLAIM-OTHER"), "looser",
        "CLAIM-THING dropped"),
    "decision opens more files": (
        of_file(f"{DECISIONS}/DEC-0003.md", "- contracts/**", "- contracts/**\n- specs/**"),
        "looser", "specs/** added"),
    "decision removed": (a_decision_is_removed, "looser", "removed"),
    "needs shortened": (of_needs(clauses=["THING-001"]), "looser", "THING-002 dropped"),
    "needs in other words": (
        of_needs(clauses=["THING-00[12]"]), "neutral", "same clauses in other words"),
    "needs lose a decision": (of_needs(decisions=None), "looser", "DEC-0001 dropped"),
    "needs an axis": (of_needs(axis="proxy"), "stricter", "axis null -> proxy"),
    "needs a floor": (of_needs(floors={"seeds": 2}), "stricter", "seeds null -> 2"),
    "claim says more": (of_claim(sentence="All of {subject} is right."), "looser", "sentence"),
    "claim forbids less": (of_claim(forbids=["best of any"]), "looser", "best of all dropped"),
    "claim in a bounded form": (
        of_claim(bounded={"bound": "perhaps", "sentence": "Perhaps {subject} is.",
                          "needs": {"clauses": ["THING-001"]}}), "looser", "bounded form added"),
    "claim added": (a_claim_is_added, "looser", "added: it may be said"),
    "waiver added": (a_waiver_is_added, "looser", "added"),
    "recording changed": (written("specs/golden/one.json", "[]\n"), "looser", "changed"),
    "recording removed": (a_recording_is_removed, "looser", "removed"),
    "recording added": (written("specs/golden/two.json", "[]\n"), "neutral", "added"),
    "check's code changed": (
        of_file(ROOM, "off = abs(", "off = 0 * abs("), "looser", "changed"),
    "mutant's code changed": (of_file(ROOM, "by=1.0", "by=9.0"), "looser", "changed"),
    "mutant of a table changed": (of_file(ROOM, "one=7.0", "one=1.0"), "looser",
        "changed, which way"),
    "mutant of a table removed": (
        of_file(ROOM, 'TABLE = (mutant("thing.table", VALUES, one=7.0),)', ""), "looser",
        "removed"),
    "mutant added to a table": (
        of_file(ROOM, 'one=7.0)', 'one=7.0), mutant("thing.more", VALUES, one=8.0)'), "neutral",
        "added"),
    "check's helper changed": (of_file(ROOM, '"one": 1.0', '"one": 1.5'), "looser", "changed"),
    "a comment in a room": (of_file(ROOM, "VALUES =", "# why\nVALUES ="), "", ""),
    "frontier allows more": (
        of_data(f"{POLICY}/frontier.yaml", lambda f: f["allow"].append("x/**")), "looser",
        "x/** added"),
    "frontier denies": (
        of_data(f"{POLICY}/frontier.yaml", lambda f: f.update(
            deny=[{"glob": "x/**", "reason": "r"}])), "stricter", "x/** added"),
    "less is protected": (
        of_data(f"{POLICY}/protected.yaml", lambda f: f["assets"][0].update(glob="specs/*")),
        "looser", "asset specs/golden/** removed"),
    "gate removed": (
        of_data(f"{POLICY}/release.yaml", lambda f: f["gates"].pop(0)), "looser",
        "gate bundle removed"),
    "gate asks less": (
        of_data(f"{POLICY}/release.yaml", lambda f: f["gates"][1]["by"].update(
            clauses=["THING-002"])), "looser", "gate parity: clauses: THING-001 dropped"),
    "gate decided otherwise": (
        of_data(f"{POLICY}/release.yaml", lambda f: f["gates"][0].update(by={
            "kind": "decisions"})), "looser", "gate bundle: by bundle -> decisions"),
    "track with lower floors": (
        of_data(f"{POLICY}/promotion.yaml", lambda f: f["tracks"][0]["floors"].update(seeds=1)),
        "looser", "seeds 3 -> 1"),
    "track added": (
        of_data(f"{POLICY}/promotion.yaml", lambda f: f["tracks"].append(
            {**TRACK, "id": "other"})), "looser", "track other added"),
    "gate of a tag that a clause loses": (
        lose_a_tag, "looser", "gate tagged: clauses: THING-001 dropped"),
    "gate of another tag": (
        of_data(f"{POLICY}/release.yaml", lambda f: f["gates"][2]["by"].update(
            clauses=["tag:none"])), "looser", "gate tagged: clauses: THING-001 dropped"),
    "item of a source removed": (
        of_data("specs/outline/book.yaml", lambda f: f["items"].pop()), "looser", "removed"),
    "excuse added": (
        of_data("specs/outline/book.yaml", lambda f: f.update(uncited=[
            {"fact": "talk:thing.one", "reason": "informational", "because": "b"}])),
        "looser", "added"),
    "needs a larger share": (of_needs(coverage={"book": 0.9}), "stricter", "book 0.5 -> 0.9"),
    "needs a smaller share": (of_needs(coverage={"book": 0.1}), "looser", "book 0.5 -> 0.1"),
    "needs no share": (of_needs(coverage=None), "looser", "book 0.5 -> null"),
    "needs a rate": (of_needs(detection=RATE), "stricter", "detection.at_least 0.5 -> 0.9"),
    "needs a lower rate": (
        of_needs(detection={**RATE, "at_least": 0.1}), "looser", "detection.at_least 0.5 -> 0.1"),
    "needs no rate": (of_needs(detection=None), "looser", "detection no longer asked for"),
    "key added": (of_keys(lambda keys: keys.append(known_key(2))), "looser", "added for records"),
    "key removed": (of_keys(lambda keys: keys.pop(0)), "stricter", "removed"),
    "key revoked": (
        of_keys(lambda keys: keys[0].update(revoked={"date": "2026-01-02", "reason": "r"})),
        "stricter", "revoked"),
    "key that counts again": (of_keys(lambda keys: keys[1].pop("revoked")), "looser",
        "no longer revoked"),
    "key of one role more": (
        of_keys(lambda keys: keys[0].update(roles=["records", "bundles"])), "looser",
        "bundles added"),
    "check imported from elsewhere": (a_helper_is_another, "looser", "changed"),
    "library under another's name": (
        of_file(ROOM, "from types import SimpleNamespace", "from verify import api as "
                "SimpleNamespace"), "looser", "changed"),
    "statement in a new module": (a_helper_is_changed_from_beside, "looser", "added"),
    "statement added to a room": (
        of_file(ROOM, "VALUES =", 'globals()["abs"] = min\n\nVALUES ='), "looser", "added"),
    "two names at once, one of them known": (
        of_file(ROOM, "@check(", 'N, VALUES = 1, {"one": 1.5}\n\n@check('), "looser", "changed"),
    "two names at once, both new": (
        of_file(ROOM, "VALUES =", "OTHER, MORE = 1, 2\n\nVALUES ="), "neutral", "added"),
    "everything of a module": (
        of_file(ROOM, "VALUES =", "from math import *\n\nVALUES ="), "looser", "added"),
    "import that judges nothing": (
        of_file(ROOM, "VALUES =", "import math\n\nVALUES ="), "", ""),
    "data beside a room changed": (
        of_file("contracts/bindings/limits.json", "1", "2"), "looser", "changed"),
    "a helper moved as it is": (a_helper_moves, "neutral", "moved as it is"),
    "another subject": (
        of_file("contracts/pack.yaml", "subject: thing", "subject: other"), "looser", "subject"),
}  # fmt: skip


@pytest.mark.parametrize("planted", PLANTED)
def test_a_change_planted_alone_goes_its_way(changing: Changing, planted: str) -> None:
    plant, side, what = PLANTED[planted]
    plant(changing)
    code, changes = changing.told()
    if not side:
        assert (code, changes) == (0, [])
        return
    assert [one["what"] for one in changes if one["side"] == side and what in one["what"]]
    others = {one["side"] for one in changes} - {side}
    assert "looser" not in others, changes  # an exchange has a stricter or a neutral half
    assert code == (1 if side == "looser" else 0)
    assert all(one["refused"] for one in changes if one["side"] == "looser")


def test_a_new_decision_that_governs_the_file_carries_what_is_looser(changing: Changing) -> None:
    tolerance(value=0.6)(changing)
    record = decision("DEC-0009", governs=["contracts/thing.yaml"])
    changing.pack.write("specs/decisions/DEC-0009.md", record)
    code, changes = changing.told()
    assert code == 0
    assert [one["decisions"] for one in changes if one["side"] == "looser"] == [["DEC-0009"]]


@pytest.mark.parametrize(
    ("name", "front"),
    [
        ("DEC-0009", {"governs": ["contracts/other.yaml"]}),
        ("DEC-0009", {"governs": ["contracts/**"], "status": "proposed"}),
        ("DEC-0003", {"governs": ["contracts/**"], "title": "touched"}),  # of an earlier day
    ],
)
def test_a_decision_of_another_file_status_or_day_carries_nothing(
    changing: Changing, name: str, front: dict[str, Any]
) -> None:
    tolerance(value=0.6)(changing)
    changing.pack.write(f"specs/decisions/{name}.md", decision(name, **front))
    code, changes = changing.told()
    assert code == 1
    assert [one["refused"] for one in changes if "widened" in one["what"]] == [True]


def test_frontier_refuses_what_is_looser_without_a_decision(changing: Changing) -> None:
    tolerance(value=0.6)(changing)
    changing.repository.commit()
    result = changing.cli("frontier", "HEAD~1..HEAD", "--repository", changing.pack.root)
    assert result.code == 1
    assert "widened 0.5 -> 0.6; no decision of this change governs contracts/thing.yaml" in (
        result.out
    )
    assert "1 rules looser without a decision" in result.out.splitlines()[-1]


def test_what_is_in_the_working_tree_alone_is_not_told_of(changing: Changing) -> None:
    changing.pack.write("README.md", "one\n")
    changing.repository.commit()
    tolerance(value=0.6)(changing)
    result = changing.cli("diff", "--pack", "HEAD~1..HEAD", "--repository", changing.pack.root)
    assert (result.code, result.out[:21]) == (0, "GO: 0 rules differ, 0")


def test_what_came_to_the_base_since_is_not_charged_to_the_change(changing: Changing) -> None:
    changing.repository.git("checkout", "-q", "-b", "change")
    changing.pack.write("README.md", "one\n")
    changing.repository.commit()
    changing.repository.git("checkout", "-q", "-")
    a_clause_is_added(changing)
    changing.repository.commit()
    main = changing.repository.git("rev-parse", "HEAD").strip()
    result = changing.cli("diff", "--pack", f"{main}..change", "--repository", changing.pack.root)
    assert (result.code, result.out[:21]) == (0, "GO: 0 rules differ, 0")


def test_the_same_commit_is_nothing_to_judge(changing: Changing) -> None:
    result = changing.cli("diff", "--pack", "HEAD..HEAD", "--repository", changing.pack.root)
    assert (result.code, result.out[:16]) == (3, "nothing to judge")


def test_a_pack_that_is_gone_is_looser(changing: Changing) -> None:
    (changing.pack.root / "contracts/pack.yaml").unlink()
    code, changes = changing.told()
    assert (code, [one["what"] for one in changes]) == (1, ["removed"])


def test_a_head_that_cannot_be_read_is_refused_and_its_code_not_run(changing: Changing) -> None:
    changing.pack.edit("contracts/thing.yaml", "severity:", "severe:")
    changing.pack.write("verify/spec/pack.py", "raise SystemExit('run')\n")
    changing.repository.commit()
    result = changing.cli("diff", "--pack", "HEAD~1..HEAD", "--repository", changing.pack.root)
    assert result.code == 2
    assert "contracts/thing.yaml:" in result.err
    assert "nothing of HEAD is run" in result.err


def test_a_base_in_an_earlier_language_is_read_by_the_code_it_carries(changing: Changing) -> None:
    reader = """
        class Told:
            def __init__(self, **parts):
                self.__dict__.update(parts)

        def load(root):
            from types import SimpleNamespace
            import json
            told = json.loads((root / "specs" / "told.json").read_text())
            pack = SimpleNamespace(model_dump=lambda mode: told)
            return SimpleNamespace(pack=pack, documents={}, models={})
    """
    _, _ = changing.told()

    told = snapshot(changing.pack.root)["pack"]
    told["contracts"][0]["clauses"][0]["tolerance"]["value"] = 0.25
    changing.pack.write("specs/told.json", json.dumps(told))
    changing.pack.write("verify/__init__.py", "")
    changing.pack.write("verify/spec/__init__.py", "")
    changing.pack.write("verify/spec/pack.py", reader)
    whole = (changing.pack.root / "contracts/thing.yaml").read_text()
    changing.pack.write("contracts/thing.yaml", "schema: verify/contract/0\n")
    changing.repository.commit()
    changing.pack.write("contracts/thing.yaml", whole)
    code, changes = changing.told()
    assert code == 1
    assert ["looser", "tolerance widened 0.25 -> 0.5"] in [
        [one["side"], one["what"]] for one in changes
    ]


def test_a_base_that_nothing_can_read_is_refused(changing: Changing) -> None:
    whole = (changing.pack.root / "contracts/thing.yaml").read_text()
    changing.pack.write("contracts/thing.yaml", "schema: verify/contract/0\n")
    changing.repository.commit()
    changing.pack.write("contracts/thing.yaml", whole)
    changing.repository.commit()
    result = changing.cli("diff", "--pack", "HEAD~1..HEAD", "--repository", changing.pack.root)
    assert result.code == 2
    assert "it carries no reader of its own" in result.err
    assert "remedy:" in result.err
