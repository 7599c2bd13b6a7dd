"""The card of an artefact: what it is made from, and whether the one beside it holds."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from verify.card.compare import difference, hiding
from verify.card.model import CARD, CardFile
from verify.card.render import Source
from verify.known import Bundle
from verify.outcome import Outcome
from verify.problems import UsageError
from verify.prose.evidence import gather
from verify.prose.reading import parse
from verify.prose.result import Lint, lint
from verify.release.finding import Finding, Run, failed, unknown
from verify.release.model import ByCard
from verify.release.situation import Artefact, Situation
from verify.release.texts import of_lint
from verify.spec.model import Budget
from verify.spec.pack import LoadedPack
from verify.spec.places import read_text

BUDGET = Budget(seconds=60.0)


def card(by: ByCard, now: Situation, artefact: Artefact, run: Run) -> Finding:
    """The card beside an artefact: there, as current evidence renders it, without overclaims."""
    if now.bundle is None or now.bundle.report is None:
        return unknown("there is no intact bundle to make a card from")
    path = artefact.path.parent / by.file.replace("{stem}", artefact.path.stem)
    if not path.is_file():
        return unknown(f"there is no {path.name} beside {artefact.name}")
    text = read_text(path, path.name)
    if not isinstance(text, str):
        return failed(f"{path.name}: {text.found}")
    try:
        source = source_of(now.loaded, now.bundle, artefact, run)
    except UsageError as error:
        return unknown(str(error))
    differs = difference(text, source)
    if differs is not None:
        return failed(f"{path.name}: {differs}", integrity=True)
    hidden = hiding(text)
    if hidden is not None:
        return failed(f"{path.name}: {hidden}")
    return of_lint(linted(text, path.name, now.loaded, now.bundle, now.today), "no evidence")


def linted(text: str, name: str, loaded: LoadedPack, bundle: Bundle, today: date) -> Lint:
    """The overclaim lint of a card's text."""
    evidence = gather(loaded.pack, bundle.report, bundle.name)
    return lint([parse(text, name)], evidence, today)


def source_of(loaded: LoadedPack, bundle: Bundle, artefact: Artefact | None, run: Run) -> Source:
    """What a card is made from; raises UsageError where the artefact cannot be described."""
    if bundle.report is None:
        raise UsageError(f"{bundle.name}: {bundle.damage}")
    file = _file(loaded)
    return Source(
        file=file,
        bundle=bundle.name,
        manifest_sha256=bundle.manifest_sha256,
        report=bundle.report,
        artefact=artefact.name if artefact else None,
        artefact_sha256=artefact.sha256 if artefact else None,
        facts=_facts(file, artefact, run) if artefact else {},
    )


def _file(loaded: LoadedPack) -> CardFile:
    for _, file in loaded.of(CardFile):
        return file
    raise UsageError(
        f"{loaded.root}: found no {CARD}; expected the fixed words of a card; remedy: write it "
        "(`verify schema card`)"
    )


def _facts(file: CardFile, artefact: Artefact, run: Run) -> Mapping[str, str]:
    """What the pack's own check reads from an artefact."""
    if file.describe is None:
        return {}
    verdict = run("card", file.describe, {"artefact": str(artefact.path)}, BUDGET)
    facts = verdict.details.get("facts")
    if verdict.outcome is not Outcome.PASS or not isinstance(facts, dict):
        raise UsageError(f"{artefact.name} cannot be described: {verdict.reason}")
    return {str(label): str(text) for label, text in facts.items()}
