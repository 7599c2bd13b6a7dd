"""The pages: what `resources` gives, in HTML."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlencode

from jinja2 import Environment
from pydantic import BaseModel, Field

from verify.report import claims
from verify.report.page.render import templates as report_templates
from verify.serve import bundles as bundle_files
from verify.serve import charts
from verify.serve.refusal import Refusal, parsed
from verify.serve.resources import (
    Nothing,
    OfBundles,
    OfPictures,
    OfRuns,
    OfTrends,
    Resources,
    keys_of,
    page_of,
)
from verify.serve.runs import run_of

HERE = Path(__file__).parent
NEWEST = 5  # of bundles and runs on the first page
SHOWN = 30  # windows in a table
PICTURES = 12  # a page


class ShownPictures(OfPictures):
    """Filters of a run's page: tag and, where the rows of one class are wanted, its place."""

    per: Annotated[int, Field(ge=1, le=200)] = PICTURES
    row: Annotated[str, Field(alias="class", pattern=r"^[0-9]{0,4}$")] = ""


@cache
def templates() -> Environment:
    """Those of this folder, with the style and the words of the report."""
    found = report_templates(HERE)
    found.globals |= {"claims": claims, "charts": charts, "link": _link}
    found.filters |= {"short": _short, "day": _day, "after_word": _after_word}
    return found


def _short(value: object) -> str:
    """A figure in at most four digits."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _link(asked: BaseModel, page: int) -> str:
    """The same question about another page."""
    changed = asked.model_dump(by_alias=True, exclude_defaults=True)
    return "?" + urlencode({**changed, "page": page})


def _after_word(line: str) -> str:
    """A verdict's line without its first word, which is shown as a label."""
    return line.partition(": ")[2] or line


def _day(text: str) -> str:
    """A moment to the second, as people write it."""
    return text[:19].replace("T", " ")


@cache
def style() -> bytes:
    """The report's style and our own."""
    report = str(report_templates().globals["style"])
    return (report + (HERE / "serve.css").read_text(encoding="utf-8")).encode()


@cache
def script() -> bytes:
    """The one script."""
    return (HERE / "serve.js").read_bytes()


def render(name: str, **values: Any) -> bytes:
    """A page; NUL and other control characters of what was found do not reach it."""
    return templates().get_template(f"{name}.html.jinja").render(**values).encode()


def home(resources: Resources, query: str) -> bytes:
    """The newest bundles and runs."""
    parsed(Nothing, keys_of(query), "query")
    found = resources.catalogue.bundles()
    runs = resources.catalogue.runs()
    return render(
        "home", bundles=found[:NEWEST], runs=[run_of(one) for one in runs[:NEWEST]],
        count=len(found), run_count=len(runs),
    )  # fmt: skip


def bundles(resources: Resources, query: str) -> bytes:
    """The list of bundles with its filters."""
    asked = parsed(OfBundles, keys_of(query), "query")
    everything = resources.catalogue.bundles()
    packs = sorted({one.header.pack for one in everything if one.header.pack})
    subjects = sorted({one.header.subject for one in everything if one.header.subject})
    page = page_of(resources.chosen(asked), asked)
    return render(
        "bundles", page=page, asked=asked, packs=packs, subjects=subjects, all=len(everything)
    )


def bundle(resources: Resources, slug: str, query: str) -> bytes:
    """One bundle: verdict, what did not pass, claims, files."""
    parsed(Nothing, keys_of(query), "query")
    found = resources.one_bundle(slug)
    try:
        report, problem = bundle_files.report_of(found), None
    except Refusal as refusal:
        report, problem = None, refusal
    outcomes = [str(clause.outcome) for clause in report.clauses] if report else []
    counts = {name: outcomes.count(name) for name in dict.fromkeys(outcomes)}
    return render("bundle", bundle=found, report=report, problem=problem, counts=counts)


def trends(resources: Resources, query: str) -> bytes:
    """Every measurement over bundles."""
    asked = parsed(OfTrends, keys_of(query), "query")
    over, found = resources.trend(asked)
    names = [name for name in found if asked.q.lower() in name.lower()]
    everything = [one.header for one in resources.catalogue.bundles() if not one.header.problem]
    return render(
        "trends", page=page_of(names, asked), asked=asked, over=over, found=found,
        packs=sorted({one.pack for one in everything}),
        subjects=sorted({one.subject for one in everything}),
    )  # fmt: skip


def claim_page(resources: Resources, query: str) -> bytes:
    """What may be said, by the newest whole bundles; and the gates of each run."""
    parsed(Nothing, keys_of(query), "query")
    found = []
    for one in resources.newest():
        try:
            found.append((one, bundle_files.report_of(one)))
        except Refusal:
            continue
    runs = [run_of(one) for one in resources.catalogue.runs()]
    return render("claims", found=found, runs=[one for one in runs if one.gates.fidelity])


def runs(resources: Resources, query: str) -> bytes:
    """The list of runs with its filters."""
    asked = parsed(OfRuns, keys_of(query), "query")
    page = page_of(resources.chosen_runs(asked), asked)
    return render("runs", page=page, asked=asked, all=len(resources.catalogue.runs()))


def run(resources: Resources, slug: str, query: str, *, part: str = "run") -> bytes:
    """One run; `part` "live" is what changes on the page while it goes on."""
    asked = parsed(ShownPictures, keys_of(query), "query")
    place = resources.one_run(slug)
    rows, problem = resources.logs.windows(place)
    pictures, lost = resources.tagged(slug, asked.tag)
    chosen = int(asked.row) if asked.row else None
    return render(
        part, run=run_of(place), rows=rows, shown=rows[-SHOWN:][::-1], problem=problem, lost=lost,
        page=page_of(pictures, asked), asked=asked, chosen=chosen, fields=charts.fields(rows),
    )  # fmt: skip


def sampling(resources: Resources, query: str) -> bytes:
    """Interactive sampling."""
    keys = dict(keys_of(query))
    chosen = keys.pop("run", "")
    parsed(Nothing, keys, "query")
    found = [run_of(one) for one in resources.catalogue.runs()]
    return render("sampling", runs=[one for one in found if one.samples], chosen=chosen,
                  sessions=[one.view() for one in resources.sessions.all()])  # fmt: skip


def refused(refusal: Refusal) -> bytes:
    """An error as a page."""
    return render("refused", refusal=refusal)


def login(wrong: bool) -> bytes:
    """The form that asks for the token."""
    return render("login", wrong=wrong)
