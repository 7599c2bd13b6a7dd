"""Files as sentences: what is prose, what is not, and where it stands."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verify.problems import UsageError
from verify.prose.reading import Form, Sentence, parse, read


def texts(source: str, file: str = "a.md") -> list[str]:
    return [sentence.text for sentence in parse(source, file).sentences]


def only(source: str, form: Form, file: str = "a.md") -> list[Sentence]:
    return [sentence for sentence in parse(source, file).sentences if sentence.form is form]


# -- sentences ------------------------------------------------------------------------------------


def test_a_full_stop_ends_a_sentence_but_not_after_an_abbreviation_or_in_a_number() -> None:
    text = "Deng et al. report FID 1.54, cf. Tab. 5. The rest, e.g. recall, is open. So it is."
    assert texts(text) == [
        "Deng et al. report FID 1.54, cf. Tab. 5.",
        "The rest, e.g. recall, is open.",
        "So it is.",
    ]


def test_a_number_on_the_next_line_belongs_to_the_sentence() -> None:
    assert texts("It ends at an FID of\n1.54 today.") == ["It ends at an FID of 1.54 today."]


def test_a_sentence_knows_the_one_before_it_in_its_paragraph() -> None:
    first, second = parse("One is here. Two follows.", "a.md").sentences
    assert (first.context.before, second.context.before) == ("", "One is here.")


def test_places_are_those_of_the_file() -> None:
    source = "# T\n\nFirst one. **Second** one.\n\n- item\n\n| a | b |\n|---|---|\n| c | d |\n"
    places = {s.text: (s.line, s.column) for s in parse(source, "a.md").sentences}
    assert places["First one."] == (3, 1)
    assert places["Second one."] == (3, 14)
    assert places["item"] == (5, 3)
    assert places["d"] == (9, 7)


@given(st.lists(st.sampled_from(["We reach it.", "# Head", "- item one", "> said", "`code` here",
                                 "**bold** text", "| a | b |", "|---|---|", "", "```", "_x_ y"]),
                max_size=12))  # fmt: skip
def test_each_sentence_begins_with_the_character_at_its_place(lines: list[str]) -> None:
    source = "\n".join(lines)
    rows = source.split("\n")
    for sentence in parse(source, "a.md").sentences:
        assert rows[sentence.line - 1][sentence.column - 1] == sentence.text[0]


@pytest.mark.parametrize("file", ["a.md", "a.tex", "a.txt"])
@settings(max_examples=60, deadline=None)
@given(text=st.text(alphabet="ab.%\\{}$&|`*_[]()<>!#-~\n \"':;1é/=", max_size=120))
def test_no_text_is_a_crash(file: str, text: str) -> None:
    for sentence in parse(text, file).sentences:
        assert sentence.text.strip() == sentence.text != ""
        assert 1 <= sentence.line <= text.count("\n") + 1


# -- Markdown -------------------------------------------------------------------------------------


def test_code_is_not_prose_and_output_keeps_what_presents_it() -> None:
    source = "We got:\n\n```\nFID 1.54\n```\n\n```python\nFID = 1.54\n```\n\n    indented 1.54\n"
    (line,) = only(source, Form.OUTPUT)
    assert (line.text, line.context.lead) == ("FID 1.54", "We got:")
    assert texts(source) == ["We got:", "FID 1.54"]


def test_comments_and_struck_out_words_are_not_read() -> None:
    assert texts("One <!-- FID 1.54 --> here ~~and FID 1.54~~ now.") == ["One here now."]
    assert texts("```\n<!-- kept as output -->\n```") == ["<!-- kept as output -->"]


def test_markup_falls_away() -> None:
    source = "A [link](http://x.y/FID-1.54) to **bold _words_** &amp; `code`."
    assert texts(source) == ["A link to bold words & code."]


def test_a_badge_says_what_its_address_says() -> None:
    assert texts("![FID](https://img.shields.io/badge/FID-1.54-green)") == ["FID-1.54"]
    assert texts("![Samples at FID 1.54](a.png)") == ["Samples at FID 1.54"]


def test_a_cell_knows_its_labels_and_neighbours() -> None:
    source = "| model | FID | note |\n|---|---|---|\n| L/2 | 1.54 | denied |\n"
    cells = {s.text: s for s in only(source, Form.CELL)}
    context = cells["1.54"].context
    assert (context.row, context.column, context.beside) == ("L/2", "FID", ("denied",))


def test_an_html_table_is_a_table() -> None:
    source = (
        "<table>\n<tr><th>Method</th><th colspan=2>FID</th></tr>\n"
        "<tr><td>L/2<td><b>1.54</b></td><td>1.55</td></tr>\n</table>\n"
    )
    cells = [(s.text, s.context.row, s.context.column) for s in only(source, Form.CELL)]
    assert cells == [("L/2", "", "Method"), ("1.54", "L/2", "FID"), ("1.55", "L/2", "FID")]


def test_a_list_knows_the_paragraph_that_leads_to_it() -> None:
    source = "The paper reports:\n\n- FID 1.54\n- FID 1.75\n\nElse.\n\n- free\n"
    assert [s.context.lead for s in only(source, Form.ITEM)] == [*["The paper reports:"] * 2, ""]


def test_headings_are_sentences_and_stand_above_what_follows() -> None:
    source = "# One\n\nTwo\n---\n\nText.\n\n## Three\n\nMore.\n"
    found = {s.text: s.context.headings for s in parse(source, "a.md").sentences}
    assert found == {
        "One": (),
        "Two": ("One",),
        "Text.": ("One", "Two"),
        "Three": ("One",),
        "More.": ("One", "Three"),
    }


def test_a_model_card_states_its_metrics_in_the_head() -> None:
    source = "---\nlicense: mit\nmodel-index:\n- results:\n  - metrics:\n    - type: fid\n"
    source += "      value: 1.54\n---\nBody.\n"
    (figure,) = only(source, Form.METADATA)
    assert (figure.text, figure.context.column, figure.line) == ("1.54", "fid", 7)
    assert "Body." in texts(source)


@pytest.mark.parametrize("head", ["---\n{[\n---\nBody.\n", "---\na: &x [*x]\n---\nBody.\n"])
def test_a_head_that_is_no_yaml_or_eats_itself_is_skipped(head: str) -> None:
    assert texts(head) == ["Body."]


# -- LaTeX ----------------------------------------------------------------------------------------


def test_latex_commands_fall_away_and_numbers_stay() -> None:
    source = "An FID of~$1.54$ on $256{\\times}256$, \\emph{within} $10^{-5}$, 12\\,\\% \\cite{a}."
    assert texts(source, "a.tex") == [
        "An FID of 1.54 on 256x256, within 10^-5, 12 % [cite00]."
    ]  # fmt: skip


def test_latex_comments_code_and_preamble_are_not_prose() -> None:
    source = (
        "\\documentclass{article}\nNot read.\n\\begin{document}\n% FID 1.54\n"
        "\\begin{lstlisting}\nFID 1.54\n\\end{lstlisting}\nRead, 5\\% of it.\n\\end{document}\n"
    )
    assert texts(source, "a.tex") == ["Read, 5% of it."]


def test_latex_sections_captions_and_tables_have_their_context() -> None:
    source = (
        "\\section{Results}\n\\begin{table}\\caption{Figures of the paper.}\n"
        "\\begin{tabular}{lcc}\\toprule\n & \\multicolumn{2}{c}{FID} \\\\\n"
        "model & ours & paper \\\\ \\midrule\nL/2 & \\textbf{1.55} & 1.54 \\\\\n"
        "\\bottomrule\\end{tabular}\\end{table}\nText below.\n"
    )
    cells = {s.text: s.context for s in only(source, Form.CELL, "a.tex")}
    assert (cells["1.55"].row, cells["1.55"].column) == ("L/2", "FID ours")
    assert (cells["1.54"].column, cells["1.54"].lead) == ("FID paper", "Figures of the paper.")
    prose = {s.text: s for s in only(source, Form.PROSE, "a.tex")}
    assert set(prose) == {"Figures of the paper.", "Text below."}
    assert prose["Text below."].context.headings == ("Results",)
    assert (prose["Text below."].line, prose["Text below."].column) == (8, 1)


def test_a_command_that_a_paper_defines_for_a_number_is_that_number() -> None:
    source = "\\newcommand{\\ours}{1.54}\n\\def\\theirs{1.60}\nWe have \\ours{} and \\theirs."
    assert texts(source, "a.tex") == ["We have 1.54 and 1.60."]


def test_latex_items_know_what_leads_to_them() -> None:
    source = "The paper reports:\n\\begin{itemize}\n\\item FID 1.54\n\\end{itemize}\nDone.\n"
    (item,) = only(source, Form.ITEM, "a.tex")
    assert (item.text, item.context.lead) == ("FID 1.54", "The paper reports:")


# -- files ----------------------------------------------------------------------------------------


def test_line_ends_of_windows_and_a_byte_order_mark_change_no_place(tmp_path: Path) -> None:
    path = tmp_path / "a.md"
    path.write_bytes(b"\xef\xbb\xbfOne.\r\n\r\nTwo.\r\n")
    assert [(s.text, s.line, s.column) for s in read(path).sentences] == [
        ("One.", 1, 1),
        ("Two.", 3, 1),
    ]


@pytest.mark.parametrize("data", [b"\xff\xfe", b"x" * ((1 << 20) + 1)])
def test_a_file_that_is_no_prose_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "a.md"
    path.write_bytes(data)
    with pytest.raises(UsageError, match=r"a\.md: found"):
        read(path)
