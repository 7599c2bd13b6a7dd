"""Code blocks and what presents their output as a result; words that carry no topic."""

from __future__ import annotations

from verify.prose.words import bag

CODE_LANGUAGES = bag(
    "python py bash sh shell zsh console yaml yml json toml ini c cpp rust go js ts diff make "
    "sql "
    "dockerfile xml html latex tex bibtex mermaid powershell"
)
PRESENTED_AS_RESULT = (
    "result|results|we get|obtain|measured|measure|outcome|reach|reaches|achieve|achieves|score|"
    "scores",
    "final|our figures|numbers|result|results|table|scores",
    "we get|obtain|measured|measure|reach|achieve",
)
PROMPTS = ("$ ", "> ", ">>> ", "# ", "% ")

# Words that carry no topic of their own.
STOPWORDS = bag(
    "a an the this that these those and or of in on at to for from by with without as is are "
    "was were "
    "be been being has have had do does did it its their them they he she there here which who "
    "whom "
    "all every each any both some such other than then so very too also only just not no nor "
    "we our ours us you your i my up down out over under into about per via after before when "
    "while "
    "within between can could may might will would shall should must yes model models"
)
INTENSIFIERS = bag(
    "fully full completely complete exactly exact perfectly numerically basically nearly almost "
    "essentially virtually practically literally arguably really truly clearly significantly "
    "much "
    "far well really now already still even correctly faithfully successfully always"
)
