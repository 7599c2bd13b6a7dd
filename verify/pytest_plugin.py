"""pytest: `pytest --verify` shows each clause of a pack as an item beside the tests.

An item is `contracts/loss/contract.yaml::LOSS-001`, so selection, `--last-failed` and reports of
pytest work with clauses. All clauses that are left after selection run together, in worker
processes of the harness, and leave one sealed bundle; under xdist each process runs its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from verify.report.model import ClauseView, Report
    from verify.spec.pack import LoadedPack

LOADED: pytest.StashKey[LoadedPack] = pytest.StashKey()
REPORTS: pytest.StashKey[dict[str, Report]] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("verify", "clauses of a pack")
    group.addoption("--verify", action="store_true", help="Collect the clauses of the pack, too.")
    group.addoption(
        "--verify-pack",
        metavar="DIR",
        help="Folder of the pack [default: rootdir, or above].",
    )
    group.addoption(
        "--verify-reports", metavar="DIR", help="Folder of bundles [default: reports in rootdir]."
    )
    group.addoption("--verify-subject", metavar="NAME", help="Implementation to audit.")


def pytest_configure(config: pytest.Config) -> None:
    """With `--verify` the pack is read; where no path was named, its contracts are collected."""
    if not config.option.verify:
        return
    from verify.commands.common import audited_subject, sound_pack
    from verify.problems import PackError, UsageError
    from verify.spec.root import nearest

    try:
        given = config.option.verify_pack
        loaded = sound_pack(Path(given or nearest(config.rootpath) or config.rootpath))
        audited_subject(loaded, config.option.verify_subject)
    except PackError as error:
        raise pytest.UsageError("\n".join(map(str, error.problems))) from None
    except UsageError as error:
        raise pytest.UsageError(str(error)) from None
    config.stash[LOADED] = loaded
    config.stash[REPORTS] = {}
    for tag in sorted({_mark(tag) for clause in loaded.pack.clauses for tag in clause.tags}):
        config.addinivalue_line("markers", f"{tag}: a tag of clauses")
    if config.args_source is not pytest.Config.ArgsSource.ARGS:
        config.args.append(str(loaded.root / "contracts"))


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    loaded = parent.config.stash.get(LOADED, None)
    if loaded is None or file_path.suffix not in (".yaml", ".yml"):
        return None
    stated = [one for one in loaded.stated if loaded.root / one.document.file == file_path]
    return ContractFile.from_parent(parent, path=file_path, clauses=stated) if stated else None


def _mark(tag: str) -> str:
    """A tag as the name of a mark, for `-m`."""
    return tag.replace("-", "_")


class ContractFile(pytest.File):
    """One contract; its clauses are its items."""

    def __init__(self, *, clauses: Iterable[Any], **named: Any) -> None:
        super().__init__(**named)
        self._clauses = clauses

    def collect(self) -> Iterator[ClauseItem]:
        for one in self._clauses:
            item = ClauseItem.from_parent(self, name=one.clause.id, line=one.line)
            for tag in one.clause.tags:
                item.add_marker(_mark(tag))
            yield item


class ClauseItem(pytest.Item):
    """One clause with its falsifiers."""

    def __init__(self, *, line: int, **named: Any) -> None:
        super().__init__(**named)
        self._line = line

    def runtest(self) -> None:
        report = _report(self)
        clause = next(one for one in report.clauses if one.id == self.name)
        self._told(report, clause)

    def _told(self, report: Report, clause: ClauseView) -> None:
        from verify.outcome import Outcome

        survivors = [run for run in report.falsifiers_of(clause.id) if not run.killed]
        if survivors:
            raise ClauseFailedError(
                clause, [f"{run.label} did not turn it red: {run.reason}" for run in survivors],
                report.replay(clause.id),
            )  # fmt: skip
        if clause.outcome is Outcome.PASS:
            return
        if clause.broken or clause.outcome is Outcome.FAIL or clause.owed:
            raise ClauseFailedError(clause, [clause.reason], report.replay(clause.id))
        pytest.skip(f"{clause.outcome}: {clause.reason}")

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        if isinstance(excinfo.value, ClauseFailedError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, self._line - 1, self.name


class ClauseFailedError(Exception):
    """A clause that did not hold: its sentence, what was found, and how to look again."""

    def __init__(self, clause: ClauseView, found: list[str], again: str) -> None:
        lines = [
            f"{clause.id} {clause.outcome}: {clause.statement}",
            *(f"  {one}" for one in found),
            f"  remedy: {clause.remedy}",
            f"  again: {again}",
            f"  {clause.file}:{clause.line}",
        ]
        super().__init__("\n".join(lines))


def _report(item: ClauseItem) -> Report:
    """The report that judges this item; all clauses of the session run with the first of them."""
    known = item.config.stash[REPORTS]
    if item.name not in known:
        from verify.harness import run

        alone = hasattr(item.config, "workerinput")
        chosen = [item] if alone else [i for i in item.session.items if isinstance(i, ClauseItem)]
        options = item.config.option
        root = item.config.stash[LOADED].root
        home = item.config.rootpath if options.verify_pack else root
        report = run(
            root,
            [one.name for one in chosen],
            reports=options.verify_reports or home / "reports",
            evidence=home / "reports" / "evaluations",
            subject=options.verify_subject,
        )
        known.update(dict.fromkeys((one.name for one in chosen), report))
    return known[item.name]
