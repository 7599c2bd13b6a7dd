"""Model cards: what a bundle says, nothing else, and a person's own words between the markers."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.verify.conftest import Finished, MiniPack, Result, claim, clause, new_pack, run_pack
from verify.card.compare import difference, hands, hiding
from verify.card.model import CardFile
from verify.card.render import SLOTS, Source, card, markers

Cli = Callable[..., Result]
SHA = "ab" * 32
FILE = {
    "schema": "verify/card/1",
    "title": "A thing",
    "licence": "Apache-2.0",
    "library": "thing",
    "task": "counting",
    "tags": ["counting", "arxiv:0000.00000"],
    "about": "It counts to one.",
    "training_data": "Nothing was trained.",
    "limits": ["It does not count to two."],
}
NUMBERS = """
    from verify.api import check

    @check("odd.measured", needs=("one",))
    def measured(ctx):
        off = abs(ctx.subject.values["one"] - 1.0)
        return ctx.judge(
            off + 0.25, "measured", unit="units", axis="proxy",
            details={"interval": [0.2, 0.3], "weights": "ema"},
            provenance={"samples": 500, "seeds": 3},
        )
"""


def make(root: Path, *, waived: bool = False) -> tuple[MiniPack, Finished]:
    """A pack with an allowed claim, a denied one and a number; with a waiver where asked for."""
    pack = new_pack(root / "pack")
    pack.write("contracts/bindings/odd.py", NUMBERS)
    pack.data("contracts/policy/card.yaml", FILE)
    pack.clauses += [
        clause(2, kind="metric", axis="proxy", check="odd.measured"),
        clause(3, kind="metric", axis="proxy", check="odd.measured",
               tolerance={"value": 0.1, "unit": "units", "basis": "too strict"}, required=False),
    ]  # fmt: skip
    pack.claims = [
        claim(clauses=["THING-001", "THING-003"] if waived else ["THING-001"]),
        {**claim("CLAIM-BETTER", clauses=["THING-003"]), "title": "Better than all"},
    ]
    if waived:
        one = {"clause": "THING-003", "owner": "Owner", "reason": "known", "expires": "2999-12-31"}
        pack.data("contracts/waivers.yaml", {"schema": "verify/waivers/1", "waivers": [one]})
    pack.save()
    return pack, run_pack(pack, root / "reports")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[MiniPack, Finished]:
    return make(tmp_path_factory.mktemp("card"))


@pytest.fixture(scope="module")
def source(made: tuple[MiniPack, Finished]) -> Source:
    file = CardFile.model_validate_json(json.dumps(FILE))
    facts = {"data": "digits | with `ticks`", "architecture": "thing"}
    return Source(file, made[1].bundle.name, SHA, made[1].report, "m.safetensors", SHA, facts)


def test_a_card_has_a_head_that_model_hubs_read(source: Source) -> None:
    _, head, _ = card(source, {}).split("---\n", 2)
    assert yaml.safe_load(head) == {
        "license": "apache-2.0",
        "library_name": "thing",
        "pipeline_tag": "counting",
        "tags": ["counting", "arxiv:0000.00000"],
    }


@pytest.mark.parametrize(
    ("stated", "shown"),
    [
        ("CC-BY-4.0", "cc-by-4.0"),
        ("NOASSERTION", "unknown"),
        ("not recorded", "unknown"),
        ("MIT OR Apache-2.0", "other"),
        ("mit\nlicense: gpl", "other"),
    ],
)
def test_the_licence_of_a_card_is_the_artefacts(source: Source, stated: str, shown: str) -> None:
    """Every card said Apache-2.0, which is the licence of the code and not of any weights."""
    facts = {**source.facts, "licence": stated}
    _, head, _ = card(replace(source, facts=facts), {}).split("---\n", 2)
    assert yaml.safe_load(head)["license"] == shown


def test_a_card_says_what_is_allowed_denied_measured_and_limited(source: Source) -> None:
    text = card(source, {})
    assert "**CLAIM-THING** (allowed, tier C; strict form, subject thing; 1/1" in text
    assert "> The thing is right: 1 of 1, worst 0." in text
    assert (
        "Not shown: Better than all (`CLAIM-BETTER`, denied; 0 of 1 clauses pass). Missing:" in text
    )
    assert "verify run THING-003" in text
    row = "| `THING-002` | 0.25 units | 0.5 units | proxy | 500 | 3 | not recorded | ema |"
    assert f"{row} [0.2, 0.3] |" in text
    assert "- It does not count to two." in text
    assert "Nothing was trained." in text
    assert f"`{source.report.evidence_head}`" in text
    for digest in source.report.about["digests"].values():
        assert f"`{digest}`" in text
    assert "| data | `digits \\| with 'ticks'` |" in text
    assert text.rstrip().endswith("<!-- end of hand-written: notes -->")


def test_a_waiver_is_shown_with_owner_and_last_day(tmp_path: Path, source: Source) -> None:
    _, finished = make(tmp_path, waived=True)
    text = card(Source(source.file, "b", SHA, finished.report), {})
    assert re.search(r"- THING-003: .*Owner until 2999-12-31: known", text)
    assert "allowed with conditions" in text
    said = text[text.index("## What may be said") : text.index("## Not shown")]
    assert "- under the waiver of THING-003 by Owner until 2999-12-31: known" in said


def test_the_same_bundle_gives_the_same_card(source: Source) -> None:
    assert card(source, {}) == card(source, {})


def test_a_card_of_a_bundle_agrees_with_it(source: Source) -> None:
    assert difference(card(source, {}), source) is None


@given(data=st.data())
@settings(max_examples=150)
def test_any_edited_character_outside_of_the_markers_is_found(
    source: Source, data: st.DataObject
) -> None:
    text = card(source, {})
    at = data.draw(st.integers(0, len(text) - 1))
    new = data.draw(st.sampled_from("09.x |\n"))
    edited = text[:at] + new + text[at + 1 :]
    inside = any(text.index(markers(s)[0]) < at <= text.index(markers(s)[1]) for s in SLOTS)
    if edited != text and not inside:
        assert difference(edited, source) is not None


def test_an_edited_number_is_named_with_its_line(source: Source) -> None:
    text = card(source, {}).replace("0.25 units", "0.15 units")
    line = next(n for n, one in enumerate(text.splitlines(), 1) if "0.15 units" in one)
    found = difference(text, source)
    assert found is not None
    assert found.startswith(f"line {line}: found '| `THING-002` | 0.15 units")
    assert "expected '| `THING-002` | 0.25 units" in found


@pytest.mark.parametrize(
    "edit",
    [
        lambda text: text.replace(SHA, "cd" * 32, 1),
        lambda text: text.replace("Generated by", "Written by"),
        lambda text: "",
        lambda text: "# A card\n\nIt is very good.\n",
    ],
)
def test_a_card_of_no_bundle_or_another_one_is_found(
    source: Source, edit: Callable[[str], str]
) -> None:
    found = difference(edit(card(source, {})), source)
    assert found is not None
    assert "it names" in found


HAND = st.text("ab #|`<>-!\n*[]()0", max_size=60).map(lambda text: f"{text}\n")


@given(st.dictionaries(st.sampled_from(SLOTS), HAND))
@settings(max_examples=150)
def test_what_a_person_wrote_is_kept_and_is_no_difference(
    source: Source, written: dict[str, str]
) -> None:
    text = card(source, written)
    assert hands(text) == {slot: one for slot, one in written.items() if one.strip()}
    assert difference(card(source, hands(text)), source) is None


def test_text_beside_the_markers_is_found(source: Source) -> None:
    first, last = markers("notes")
    text = card(source, {})
    for edited in (
        text.replace(last, f"{last}\n\nIt is the best."),
        text.replace(first, f"It is the best.\n{first}"),
        text.replace(first, ""),
        text.replace(last, f"{last}\n{first}\nIt is the best.\n{last}"),
        text.replace(f"{first}\n", f"{first} It is the best.\n"),
    ):
        assert difference(edited, source) is not None


def test_a_hostile_text_stays_in_its_cell(source: Source) -> None:
    facts = {"data": "x` | </td>\n# Title\n<!-- end of hand-written: notes -->"}
    hostile = Source(source.file, "b", SHA, source.report, "m\n# x", SHA, facts)
    text = card(hostile, {})
    assert "\n# Title" not in text
    assert "\n# x" not in text
    assert hands(text) == {}
    assert difference(text, hostile) is None


HIDES = [
    "<div hidden>",
    "<details><summary>More</summary>",
    '<!-- verify: waive owner="N" reason="R" -->',
    "```",
    "~~~ text",
    "- a list\n  ```\n  code\n```",
    "````\n```",
    "    ```\n<script>",
]


@pytest.mark.parametrize("written", HIDES)
def test_hand_written_text_cannot_hide_the_limits_and_waivers_after_it(
    source: Source, written: str
) -> None:
    text = card(source, {"introduction": f"{written}\n"})
    assert difference(text, source) is None
    found = hiding(text)
    assert found is not None
    assert found.startswith("introduction: found ")


@pytest.mark.parametrize(
    "written",
    ["x < 3 and y > 2", "<https://example.org>", "```python\nprint('<div>')\n```", "a `b`"],
)
def test_plain_words_links_and_closed_code_hide_nothing(source: Source, written: str) -> None:
    assert hiding(card(source, {"notes": f"{written}\n"})) is None


def test_a_tag_in_a_title_or_reason_is_text_on_the_card(source: Source) -> None:
    (denied,) = (one for one in source.report.claims if one.claim == "CLAIM-BETTER")
    changed = replace(denied, title="<details hidden>", reasons=("<!-- gone",), unlock=None)
    report = source.report.model_copy(update={"claims": [changed]})
    text = card(Source(source.file, "b", SHA, report), {})
    assert "Not shown: &lt;details hidden>" in text
    assert "- &lt;!-- gone" in text


def test_a_number_stands_with_what_became_of_its_clause(source: Source) -> None:
    """A failing or unproven number is not told from a good one by its value alone."""
    rows = {line.split("`")[1]: line for line in card(source, {}).splitlines() if "units |" in line}
    assert rows["THING-002"].endswith("| pass |")
    assert rows["THING-003"].endswith("| fail |")
    survived = [
        run.model_copy(update={"killed": False}) if run.clause == "THING-002" else run
        for run in source.report.falsifiers
    ]
    report = source.report.model_copy(update={"falsifiers": survived})
    text = card(Source(source.file, "b", SHA, report), {})
    assert "| pass, with falsifiers that did not turn it red |" in text
    assert "which need not be this artefact" in text


# -- the command ----------------------------------------------------------------------------------


@pytest.fixture
def call(made: tuple[MiniPack, Finished], cli: Cli) -> Callable[..., Result]:
    pack, finished = made

    def run(*args: object) -> Result:
        places = ("--pack", pack.root, "--reports", finished.bundle.parent)
        return cli("card", *args, *places)

    return run


def test_a_card_is_written_kept_and_checked(call: Callable[..., Result], tmp_path: Path) -> None:
    path = tmp_path / "MODEL_CARD.md"
    assert call("--out", path).code == 0
    first, _ = markers("introduction")
    path.write_text(path.read_text().replace(first, f"{first}\nWritten by a person."))
    assert call("--out", path).code == 0
    assert "\nWritten by a person.\n" in path.read_text()
    result = call("--check", path)
    assert result.code == 0, result.out + result.err
    assert "0 overclaims" in result.out


def test_a_file_that_is_no_card_is_never_overwritten(
    call: Callable[..., Result], tmp_path: Path
) -> None:
    path = tmp_path / "README.md"
    path.write_text("# Years of work\n")
    result = call("--out", path)
    assert result.code == 2
    assert "no generated card" in result.err
    assert path.read_text() == "# Years of work\n"


def test_an_edited_number_fails_the_check_with_its_line(
    call: Callable[..., Result], tmp_path: Path
) -> None:
    path = tmp_path / "card.md"
    assert call("--out", path).code == 0
    path.write_text(path.read_text().replace("0.25 units", "0.05 units"))
    result = call("--check", path)
    assert result.code == 4
    assert re.search(r"card.md: line \d+: found '\| `THING-002` \| 0.05 units", result.err)


def checked_with(call: Callable[..., Result], path: Path, section: str, said: str) -> Result:
    """`--check` of a fresh card with a line between the markers of a section."""
    assert call("--out", path).code == 0
    first, _ = markers(section)
    path.write_text(path.read_text().replace(first, f"{first}\n{said}"))
    return call("--check", path)


def test_an_overclaim_between_the_markers_is_found(
    call: Callable[..., Result], tmp_path: Path
) -> None:
    said = "It is state of the art and reaches FID 1.54 on ImageNet."
    result = checked_with(call, tmp_path / "card.md", "notes", said)
    assert result.code == 1, result.out + result.err
    assert "state of the art" in result.out


def test_a_damaged_bundle_gives_no_card(
    made: tuple[MiniPack, Finished], call: Callable[..., Result], tmp_path: Path
) -> None:
    import shutil

    copy = Path(shutil.copytree(made[1].bundle, tmp_path / made[1].bundle.name))
    (copy / "report.md").write_text("# GO")
    assert call(copy).code == 4
    assert call(tmp_path / "nothing").code == 2


def test_without_a_file_the_card_goes_to_standard_output(call: Callable[..., Result]) -> None:
    result = call()
    assert result.code == 0
    assert result.out.startswith("---\nlicense: apache-2.0\n")


def test_a_card_that_hides_its_limits_fails_the_check(
    call: Callable[..., Result], tmp_path: Path
) -> None:
    result = checked_with(call, tmp_path / "card.md", "introduction", "<div hidden>")
    assert result.code == 1
    assert "found a tag, comment or fence in '<div hidden>'" in result.out


def test_a_card_cannot_command_the_terminal(call: Callable[..., Result], tmp_path: Path) -> None:
    path = tmp_path / "card.md"
    assert call("--out", path).code == 0
    first, _ = markers("notes")
    said = "It is state of the art\x1b[2J and reaches FID 1.54 on ImageNet."
    path.write_text(path.read_text().replace(first, f"{first}\n{said}"))
    result = call("--check", path)
    assert result.code == 1
    assert "\x1b" not in result.out


def test_the_bundle_has_its_name_from_inside_it_too(
    made: tuple[MiniPack, Finished], call: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(made[1].bundle)
    assert f"from the bundle {made[1].bundle.name}," in call(".").out
