"""Files as sentences: what is prose, what is not, and where it stands."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verify.problems import UsageError
from verify.prose.page import Form, Sentence
from verify.prose.reading import parse, read


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
@settings(max_examples=60)
@given(text=st.text(alphabet="ab.%\\{}$&|`*_[]()<>!#-~\n \"':;1é/=", max_size=120))
def test_no_text_is_a_crash(file: str, text: str) -> None:
    for sentence in parse(text, file).sentences:
        assert sentence.text.strip() == sentence.text != ""
        assert 1 <= sentence.line <= text.count("\n") + 1


@pytest.mark.parametrize("depth", [5, 10, 25, 60])
@pytest.mark.parametrize("kind", ["quotes", "lists"])
def test_what_is_nested_deeply_is_read_and_never_dropped(kind: str, depth: int) -> None:
    """From the tenth list on its parser read nothing, without a word."""
    quoted = "> " * depth + "FID 1.54 is ours."
    listed = "".join(f"{'  ' * at}- a\n" for at in range(depth)) + "  " * depth + "- FID 1.54."
    assert "FID 1.54" in " ".join(texts(quoted if kind == "quotes" else listed))


@pytest.mark.parametrize("depth", [201, 240, 5000])
def test_a_page_that_is_not_read_whole_is_refused(depth: int) -> None:
    with pytest.raises(UsageError, match=r"a\.md:3: found lists and quotations more than 200 deep"):
        parse("Text.\n\n" + "> " * depth + "FID 1.54 is ours.\n", "a.md")


def test_a_sentence_without_an_end_is_read_in_pieces() -> None:
    source = "word " * 2000 + "FID 1.54"
    found = parse(source, "a.md").sentences
    assert max(len(s.text) for s in found) <= 1200
    assert " ".join(s.text for s in found) == source


# -- Markdown -------------------------------------------------------------------------------------


def test_code_is_not_prose_and_output_keeps_what_presents_it() -> None:
    source = "We got:\n\n```\nFID 1.54\n```\n\n```python\nFID = 1.54\n```\n\n    indented 1.54\n"
    lines = only(source, Form.OUTPUT)
    assert [line.text for line in lines] == ["FID 1.54", "indented 1.54"]
    assert {line.context.lead for line in lines} == {"We got:"}
    assert [line.line for line in lines] == [4, 11]


def test_comments_and_struck_out_words_are_not_read() -> None:
    assert texts("One <!-- FID 1.54 --> here ~~and FID 1.54~~ now.") == ["One here now."]
    assert texts("```\n<!-- kept as output -->\n```") == ["<!-- kept as output -->"]


def test_markup_falls_away() -> None:
    source = "A [link](http://x.y/FID-1.54) to **bold _words_** &amp; `code`."
    assert texts(source) == ["A link to bold words & code."]


def test_a_badge_says_what_its_address_says() -> None:
    assert texts("![FID](https://img.shields.io/badge/FID-1.54-green)") == ["FID 1.54", "FID"]
    assert texts("![Samples at FID 1.54](a.png)") == ["Samples at FID 1.54"]


def test_a_cell_knows_its_labels_and_neighbours() -> None:
    source = "| model | FID | note |\n|---|---|---|\n| L/2 | 1.54 | denied |\n"
    cells = {s.text: s for s in only(source, Form.CELL)}
    context = cells["1.54"].context
    assert (context.row, context.column) == ("L/2", "FID")


def test_an_html_table_is_a_table() -> None:
    source = (
        "<table>\n<tr><th>Method</th><th colspan=2>FID</th></tr>\n"
        "<tr><td>L/2<td><b>1.54</b></td><td>1.55</td></tr>\n</table>\n"
    )
    cells = [(s.text, s.context.row, s.context.column) for s in only(source, Form.CELL)]
    assert cells == [("L/2", "", "Method"), ("1.54", "L/2", "FID"), ("1.55", "L/2", "FID")]


def test_a_page_of_html_is_read_as_a_browser_shows_it() -> None:
    source = """<html><head><title>A title</title><style>p {color: red}</style></head><body>
<h1>A heading</h1>
    <table><tr><th>Model</th><th>FID</th></tr>

    <tr><td>ours</td>
    <td>1.6</td></tr></table>
<img src="https://img.shields.io/badge/FID-1.54-green" alt="a badge">
</body></html>"""
    prose = parse(source, "a.html")
    assert {s.text for s in prose.sentences} == {
        "A title", "A heading", "Model", "FID", "ours", "1.6", "a badge", "FID 1.54",
    }  # fmt: skip
    cell = next(s for s in prose.sentences if s.text == "1.6")
    assert (cell.line, cell.context.row, cell.context.column) == (6, "ours", "FID")
    assert len({s.part for s in prose.sentences if s.form in ("cell", "label")}) == 1


def test_a_sign_of_latex_is_read_as_it_is_printed() -> None:
    prose = parse(
        "\\begin{tabular}{ll} a & \\checkmark \\\\ b & \\checkmark \\end{tabular}", "a.tex"
    )
    assert [s.text for s in prose.sentences if s.text == "✓"] == ["✓", "✓"]


def test_a_list_knows_the_paragraph_that_leads_to_it() -> None:
    source = "The paper reports:\n\n- FID 1.54\n- FID 1.75\n\nElse.\n\n- free\n"
    leads = {s.text: s.context.lead for s in parse(source, "a.md").sentences}
    assert leads["FID 1.54"] == leads["FID 1.75"] == "The paper reports:"
    assert leads["free"] == ""


def test_headings_are_sentences() -> None:
    source = "# One\n\nTwo\n---\n\nText.\n"
    assert [(s.text, s.form) for s in parse(source, "a.md").sentences] == [
        ("One", Form.HEADING),
        ("Two", Form.HEADING),
        ("Text.", Form.PROSE),
    ]


def test_a_model_card_states_its_metrics_in_the_head() -> None:
    source = "---\nlicense: mit\nmodel-index:\n- results:\n  - metrics:\n    - type: fid\n"
    source += "      value: 1.54\n---\nBody.\n"
    found = {f.text: (f.context.column, f.line) for f in only(source, Form.METADATA)}
    assert found["1.54"] == ("fid", 7)
    assert "Body." in texts(source)


@pytest.mark.parametrize(
    ("head", "read"),
    [
        ("---\n{[ FID 1.5\n---\nBody.\n", ["{[ FID 1.5", "Body."]),
        ("---\na: &x [*x]\n---\nBody.\n", ["Body."]),
    ],
)
def test_a_head_that_is_no_yaml_is_read_as_lines(head: str, read: list[str]) -> None:
    assert texts(head) == read


# -- LaTeX ----------------------------------------------------------------------------------------


def test_latex_commands_fall_away_and_numbers_stay() -> None:
    source = "An FID of~$1.54$ on $256{\\times}256$, \\emph{within} $10^{-5}$, 12\\,\\% \\cite{a}."
    assert texts(source, "a.tex") == [
        "An FID of 1.54 on 256×256, within 10^-5, 12 % [1] ."
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
    assert (cells["1.54"].column, cells["1.54"].lead) == (
        "FID paper",
        "Figures of the paper. model",
    )
    prose = {s.text: s for s in only(source, Form.PROSE, "a.tex")}
    assert set(prose) == {"Text below."}
    (caption,) = only(source, Form.CAPTION, "a.tex")
    assert (caption.text, caption.line) == ("Figures of the paper.", 2)
    assert (prose["Text below."].line, prose["Text below."].column) == (8, 1)


def test_a_command_that_a_paper_defines_for_a_number_is_that_number() -> None:
    source = "\\newcommand{\\ours}{1.54}\n\\def\\theirs{1.60}\nWe have \\ours{} and \\theirs."
    assert texts(source, "a.tex") == ["We have 1.54 and 1.60."]


def test_latex_items_know_what_leads_to_them() -> None:
    source = "The paper reports:\n\\begin{itemize}\n\\item FID 1.54\n\\end{itemize}\nDone.\n"
    found = {s.text: s.context.lead for s in parse(source, "a.tex").sentences}
    assert found == {"The paper reports:": "", "FID 1.54": "The paper reports:", "Done.": ""}


HIDDEN = "Our model reaches FID 1.54."


@pytest.mark.parametrize(
    ("file", "around"),
    [
        ("a.md", "- ```\n  code\n  ```\n\n{}"),
        ("a.md", "1. ```sh\n   ls\n   ```\n\n{}"),
        ("a.md", "- a\n  - ```python\n    code\n    ```\n\n{}"),
        ("a.md", "```engine``` is our engine.\n\n{}"),
        ("a.md", "~~~old~~~ text\n\n{}"),
        ("a.md", "A fence:\n\n    ```\n\n{}"),
        ("a.md", "Begin with `<!--` here.\n\n{}\nEnd with `-->`.\n"),
        ("a.md", "<!-->\n\n{}\n<!-- x -->\n"),
        ("a.md", "\\<!-- a\n\n{}\n-->\n"),
        ("a.md", "See.[^1]\n\n[^1]: {}"),
        ("a.tex", "See \\url{{http://a.b/x%20y}}. {}"),
        ("a.tex", "See \\href{{http://a.b/x%20y}}{{here}}. {}"),
        ("a.tex", "Write \\verb|%| to comment. {}"),
        ("a.tex", "The \\verb|\\begin{{comment}}| environment.\n\n{}"),
        ("a.tex", "Use \\lstinline|\\begin{{verbatim}}| here.\n\n{}"),
        ("a.tex", "\\iffalse x \\fi {}"),
        ("a.tex", "Good.\\footnote{{{}}}"),
    ],
)
def test_what_a_renderer_shows_is_read(file: str, around: str) -> None:
    assert HIDDEN in texts(around.format(HIDDEN), file)


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("a.md", "<!-- FID 1.54 -->\n\nRead.\n"),
        ("a.md", "<script>FID 1.54</script>\n\nRead.\n"),
        ("a.tex", "\\begin{comment}\nFID 1.54\n\\end{comment}\nRead.\n"),
        ("a.tex", "\\iffalse FID 1.54 \\fi Read.\n"),
        ("a.tex", "Read. % FID 1.54\n"),
    ],
)
def test_what_a_renderer_hides_is_not(file: str, source: str) -> None:
    assert texts(source, file) == ["Read."]


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
