"""What can be asked for as JSON: one table of resources, the same over HTTP and websocket."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import parse_qsl

from pydantic import BaseModel, ConfigDict, Field

from verify import __version__
from verify.serve import bundles as bundle_files
from verify.serve.catalogue import Bundle, Catalogue, Place
from verify.serve.refusal import Refusal, absent, parsed, shown
from verify.serve.runs import Logs, Picture, Run, run_of
from verify.serve.sessions import Sessions

Item = TypeVar("Item")
LONGEST_QUERY = 2048
TREND = 30  # bundles a trend goes back


class Asked(BaseModel):
    """A query: these keys, each at most once."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Paged(Asked):
    """Which page, and how many a page."""

    page: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    per: Annotated[int, Field(ge=1, le=200)] = 50


class OfBundles(Paged):
    """Filters of bundles."""

    verdict: Literal["", "GO", "NO-GO", "AGREES", "DEPARTS", "INCOMPLETE"] = ""
    pack: Annotated[str, Field(max_length=200)] = ""
    subject: Annotated[str, Field(max_length=200)] = ""
    q: Annotated[str, Field(max_length=200)] = ""


class OfClauses(Paged):
    """Filters of the clauses of a bundle."""

    outcome: Annotated[str, Field(max_length=20)] = ""


class OfTrends(Paged):
    """Whose trend: of the newest bundle's pack and subject where nothing else is said."""

    pack: Annotated[str, Field(max_length=200)] = ""
    subject: Annotated[str, Field(max_length=200)] = ""
    q: Annotated[str, Field(max_length=200)] = ""


class OfRuns(Paged):
    """Filters of runs."""

    state: Literal["", "running", "completed", "interrupted", "failed", "killed", "unknown"] = ""
    q: Annotated[str, Field(max_length=200)] = ""


class After(Asked):
    """Only windows after this step."""

    after: Annotated[int, Field(ge=0, le=10**12)] = 0


class OfPictures(Paged):
    """Filters of pictures."""

    tag: Literal["", "every_window", "best_so_far"] = ""


class Nothing(Asked):
    """No keys."""


@dataclass(frozen=True)
class Page:
    """A part of a list."""

    items: Sequence[Any]
    total: int
    page: int
    pages: int
    per: int


def page_of(items: Sequence[Item], asked: Paged) -> Page:
    """The page asked for; one past the end is empty."""
    first = (asked.page - 1) * asked.per
    pages = max(1, math.ceil(len(items) / asked.per))
    return Page(items[first : first + asked.per], len(items), asked.page, pages, asked.per)


@dataclass(frozen=True)
class Resources:
    """Everything that can be read of a folder."""

    catalogue: Catalogue
    logs: Logs
    sessions: Sessions

    def body(self, path: str, query: str) -> bytes:
        """The JSON of a resource; raises Refusal."""
        return encoded(self.value(path, query))

    def value(self, path: str, query: str) -> Any:
        """The resource of a path below `/api/`."""
        parts = path.split("/")
        for pattern, model, method in ROUTES:
            names = _matched(pattern.split("/"), parts)
            if names is not None:
                return method(self, *names, parsed(model, keys_of(query), "query"))
        raise Refusal(
            404, "resource", found=shown(path),
            expected=f"one of {', '.join(pattern for pattern, _, _ in ROUTES if pattern)}",
        )  # fmt: skip

    # -- what there is -----------------------------------------------------------------------------

    def start(self, asked: Nothing) -> dict[str, Any]:
        """Which resources there are."""
        return {
            "schema": "verify/serve/1", "verify": __version__,
            "resources": [f"/api/{pattern}" for pattern, _, _ in ROUTES if pattern],
        }  # fmt: skip

    def bundles(self, asked: OfBundles) -> dict[str, Any]:
        """Bundles, the one that began last first."""
        return _listed(page_of(self.chosen(asked), asked), bundle_view)

    def chosen(self, asked: OfBundles) -> list[Bundle]:
        """Those that pass the filters."""
        words = asked.q.lower().split()
        return [
            one for one in self.catalogue.bundles()
            if asked.verdict in ("", one.header.word)
            and asked.pack in ("", one.header.pack)
            and asked.subject in ("", one.header.subject)
            and all(word in _text(one) for word in words)
        ]  # fmt: skip

    def bundle(self, slug: str, asked: Nothing) -> dict[str, Any]:
        """One bundle with its claims and its counts."""
        found = self.one_bundle(slug)
        report = bundle_files.report_of(found)
        counts = [str(clause.outcome) for clause in report.clauses]
        return {
            **bundle_view(found),
            "verdict": report.verdict.model_dump(mode="json"),
            "outcomes": {one: counts.count(one) for one in dict.fromkeys(counts)},
            "claims": [asdict(claim) for claim in report.claims],
            "evidence_head": report.evidence_head,
        }

    def clauses(self, slug: str, asked: OfClauses) -> dict[str, Any]:
        """Clauses of a bundle, what did not pass first."""
        report = bundle_files.report_of(self.one_bundle(slug))
        whole = [*report.troubled, *(one for one in report.clauses if one.outcome == "pass")]
        found = [one for one in whole if asked.outcome in ("", str(one.outcome))]
        return _listed(page_of(found, asked), lambda one: one.model_dump(mode="json"))

    def report(self, slug: str, asked: Nothing) -> Any:
        """`report.json` of a bundle, as it was sealed."""
        return bundle_files.report_of(self.one_bundle(slug)).model_dump(mode="json", by_alias=True)

    def claims(self, asked: Nothing) -> dict[str, Any]:
        """What may be said, by the newest whole bundle of each pack and subject."""
        return {"items": [self.bundle(one.slug, Nothing()) for one in self.newest()]}

    def newest(self) -> list[Bundle]:
        """Of each pack and subject the newest bundle of the whole pack that can be read."""
        found: dict[tuple[str, str], Bundle] = {}
        for one in self.catalogue.bundles():
            if not (one.header.selectors or one.header.problem or one.header.interrupted):
                found.setdefault((one.header.pack, one.header.subject), one)
        return list(found.values())

    def trends(self, asked: OfTrends) -> dict[str, Any]:
        """Each measurement over bundles of one pack and subject, the oldest first."""
        over, found = self.trend(asked)
        names = [name for name in found if asked.q.lower() in name.lower()]
        page = page_of(names, asked)
        return {
            "bundles": [bundle_view(one) for one in over],
            **_listed(page, lambda name: {"clause": name, "points": [
                None if one is None else asdict(one) for one in found[name]]}),
        }  # fmt: skip

    def trend(
        self, asked: OfTrends
    ) -> tuple[list[Bundle], dict[str, list[bundle_files.Point | None]]]:
        """(bundles, clause -> points), the oldest first."""
        readable = [one for one in self.catalogue.bundles() if not one.header.problem]
        pack = asked.pack or (readable[0].header.pack if readable else "")
        mine = [one for one in readable if one.header.pack == pack]
        subject = asked.subject or (mine[0].header.subject if mine else "")
        over = [one for one in mine if one.header.subject == subject][:TREND][::-1]
        return over, bundle_files.trends(over)

    def runs(self, asked: OfRuns) -> dict[str, Any]:
        """Runs, the one that was written last first."""
        return _listed(page_of(self.chosen_runs(asked), asked), _dumped)

    def chosen_runs(self, asked: OfRuns) -> list[Run]:
        """Those that pass the filters."""
        found = [
            run_of(one) for one in self.catalogue.runs() if asked.q.lower() in one.name.lower()
        ]
        return [one for one in found if asked.state in ("", one.state)]

    def run(self, slug: str, asked: Nothing) -> dict[str, Any]:
        """One run as it is now."""
        return _dumped(run_of(self.one_run(slug)))

    def windows(self, slug: str, asked: After) -> dict[str, Any]:
        """All rows of the metric log after a step."""
        rows, problem = self.logs.windows(self.one_run(slug))
        found = [row for row in rows if row["step"] > asked.after]
        return {"items": found, "total": len(rows), "problem": problem}

    def live(self, slug: str, asked: After) -> dict[str, Any]:
        """The run and what its log has after a step; `next` is what to ask for after that.

        Where the log ends before that step the run was resumed, and all of its rows come again.
        """
        rows, problem = self.logs.windows(self.one_run(slug))
        last = rows[-1]["step"] if rows else 0
        after = asked.after if asked.after <= last else 0
        found = [row for row in rows if row["step"] > after]
        return {
            "run": self.run(slug, Nothing()), "windows": found, "again": after < asked.after,
            "next": last, "problem": problem,
        }  # fmt: skip

    def pictures(self, slug: str, asked: OfPictures) -> dict[str, Any]:
        """Rows of the index of samples, the newest first."""
        found, problem = self.tagged(slug, asked.tag)
        return {**_listed(page_of(found, asked), _dumped), "problem": problem}

    def tagged(self, slug: str, tag: str) -> tuple[list[Picture], str]:
        """Pictures with a tag, the newest first, and what is wrong with the index."""
        found, problem = self.logs.pictures(self.one_run(slug))
        return [one for one in reversed(found) if not tag or tag in one.tags], problem

    def all_sessions(self, asked: Nothing) -> dict[str, Any]:
        """Open sampling sessions; they are in memory and nowhere else."""
        return {"kept": "in memory", "items": [one.view() for one in self.sessions.all()]}

    def session(self, slug: str, asked: Nothing) -> dict[str, Any]:
        """One sampling session with its steps."""
        return self.sessions.one(slug).view()

    # -- by name -----------------------------------------------------------------------------------

    def one_bundle(self, slug: str) -> Bundle:
        """The bundle of this name, or Refusal."""
        found = self.catalogue.bundle(slug)
        if found is None:
            raise absent("bundle", slug)
        return found

    def one_run(self, slug: str) -> Place:
        """The run of this name, or Refusal."""
        found = self.catalogue.run(slug)
        if found is None:
            raise absent("run", slug)
        return found


Route = tuple[str, type[Asked], Callable[..., Any]]
ROUTES: tuple[Route, ...] = (
    ("", Nothing, Resources.start),
    ("bundles", OfBundles, Resources.bundles),
    ("bundles/{}", Nothing, Resources.bundle),
    ("bundles/{}/clauses", OfClauses, Resources.clauses),
    ("bundles/{}/report", Nothing, Resources.report),
    ("claims", Nothing, Resources.claims),
    ("trends", OfTrends, Resources.trends),
    ("runs", OfRuns, Resources.runs),
    ("runs/{}", Nothing, Resources.run),
    ("runs/{}/windows", After, Resources.windows),
    ("runs/{}/live", After, Resources.live),
    ("runs/{}/samples", OfPictures, Resources.pictures),
    ("sessions", Nothing, Resources.all_sessions),
    ("sessions/{}", Nothing, Resources.session),
)


def encoded(value: Any) -> bytes:
    """JSON in ASCII, without a number that is not finite and without a character of HTML."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").encode("ascii")


def keys_of(query: str) -> Mapping[str, str]:
    """A query string's keys; raises Refusal for one that is long, broken or has a key twice."""
    if len(query) > LONGEST_QUERY:
        raise Refusal(414, "query", found=f"{len(query)} characters", expected="fewer")
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=16, errors="strict")
    except ValueError:
        raise Refusal(400, "query", found=shown(query), expected="key=value&key=value") from None
    found = dict(pairs)
    if len(found) != len(pairs) or any("\0" in part for pair in pairs for part in pair):
        raise Refusal(400, "query", found=shown(query), expected="each key once, as text")
    return found


def bundle_view(bundle: Bundle) -> dict[str, Any]:
    """A bundle as lists show it."""
    return {"slug": bundle.slug, "name": bundle.name, **bundle.header.model_dump(mode="json")}


def _dumped(model: BaseModel) -> dict[str, Any]:
    return model.model_dump(mode="json", by_alias=True)


def _listed(page: Page, view: Callable[[Any], Any]) -> dict[str, Any]:
    return {
        "items": [view(one) for one in page.items], "total": page.total, "page": page.page,
        "pages": page.pages, "per": page.per,
    }  # fmt: skip


def _matched(pattern: Sequence[str], parts: Sequence[str]) -> list[str] | None:
    if len(pattern) != len(parts):
        return None
    pairs = list(zip(pattern, parts, strict=True))
    if any(want not in ("{}", part) for want, part in pairs):
        return None
    return [part for want, part in pairs if want == "{}"]


def _text(bundle: Bundle) -> str:
    header = bundle.header
    parts = (bundle.name, header.line, header.pack, header.subject, header.started, header.commit)
    return " ".join(str(part) for part in parts).lower()
