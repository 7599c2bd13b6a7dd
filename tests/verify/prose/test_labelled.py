"""How well overclaims are told, on sentences labelled before any rule was written.

The split is by sha256 of the id (see labelled.yaml). Rules were tuned on one half only; both are
printed, and both have to reach the figures that were promised.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import pytest

from verify.prose import classify
from verify.prose.accuracy import HELD_OUT, Accuracy
from verify.prose.patterns import assertions
from verify.prose.scene import Scene
from verify.prose.support import Bench

from .conftest import HERE, Labelled, read_labelled, ruled

LABELS = ("overclaim", "needs-attribution", "attributed", "backed", "not-a-claim")
FLAGGED = frozenset(("overclaim", "needs-attribution"))
RECALL, PRECISION = 0.95, 0.85


@dataclass(frozen=True)
class Figures:
    """Counts of (label, ruling)."""

    pairs: Counter[tuple[str, str]]

    def _count(self, labelled: bool, flagged: bool) -> int:
        return sum(
            count
            for (label, ruling), count in self.pairs.items()
            if (label in FLAGGED) is labelled and (ruling in FLAGGED) is flagged
        )

    @property
    def recall(self) -> float:
        """Share of what should be flagged that is."""
        return self._count(True, True) / (self._count(True, True) + self._count(True, False))

    @property
    def precision(self) -> float:
        """Share of what is flagged that should be; 0 where nothing is."""
        flagged = self._count(True, True) + self._count(False, True)
        return self._count(True, True) / flagged if flagged else 0.0

    @property
    def exact(self) -> int:
        """Sentences whose ruling is their label."""
        return sum(count for (label, ruling), count in self.pairs.items() if label == ruling)

    def table(self, title: str) -> str:
        """The confusion table: a row a label, a column a ruling."""
        rows = ["".join(f"{name:>19}" for name in (title, *LABELS))]
        for label in LABELS:
            counts = "".join(f"{self.pairs[label, ruling]:>19}" for ruling in LABELS)
            rows.append(f"{label:>19}{counts}")
        total = sum(self.pairs.values())
        return "\n".join(
            [
                *rows,
                f"recall {self.recall:.3f}, precision {self.precision:.3f} of what should be "
                f"flagged; {self.exact} of {total} with the very label",
            ]
        )


def measure(items: Iterable[Labelled], bench: Bench) -> Figures:
    """Every sentence in its file, ruled and counted."""
    return Figures(Counter((item.label, ruled(item, bench)) for item in items))


@pytest.fixture(scope="module")
def halves() -> dict[str, list[Labelled]]:
    """The half that rules were tuned on, and the half that they were not."""
    items = read_labelled()
    return {
        "tuned on": [item for item in items if not item.held_out],
        "held out": [item for item in items if item.held_out],
    }


def test_the_set_is_large_enough_and_split_in_halves(halves: dict[str, list[Labelled]]) -> None:
    items = [item for half in halves.values() for item in half]
    assert len({item.id for item in items}) == len(items) >= 160
    assert {item.label for item in items} == set(LABELS)
    for half in halves.values():
        assert 0.4 <= len(half) / len(items) <= 0.6
        assert {item.label for item in half} == set(LABELS)
        assert {item.format for item in half} >= {"md", "tex"}
    texts = {item.text for item in items}
    assert len(texts) >= len(items) - 10  # some texts recur, with another context


@pytest.mark.parametrize("name", ["tuned on", "held out"])
def test_recall_and_precision_of_what_should_be_flagged(
    name: str, halves: dict[str, list[Labelled]], bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    figures = measure(halves[name], bench)
    with capsys.disabled():
        print(f"\n{figures.table(name)}")
    assert figures.recall >= RECALL
    assert figures.precision >= PRECISION


def test_the_figures_that_every_report_states_are_those_of_the_half_no_rule_was_tuned_on(
    halves: dict[str, list[Labelled]], bench: Bench
) -> None:
    figures = measure(halves["held out"], bench)
    measured = Accuracy(
        round(figures.recall, 3), round(figures.precision, 3), len(halves["held out"])
    )
    assert measured == HELD_OUT


def _no_shields(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Scene, "shielded", lambda self: False)


def _no_figures(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("verify.prose.scene.figures", lambda *args, **kwargs: ())


def _no_parity(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(classify, "_parity", lambda scene: ())


def _no_superiority(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(assertions, "SUPERIORITY", ())


def _nobody_is_quoted(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Scene, "quoted", lambda self, **kwargs: ())


@pytest.mark.parametrize(
    "spoil", [_no_shields, _no_figures, _no_parity, _no_superiority, _nobody_is_quoted]
)
def test_the_measurement_notices_a_broken_classifier(
    spoil: Callable[[pytest.MonkeyPatch], None],
    monkeypatch: pytest.MonkeyPatch,
    halves: dict[str, list[Labelled]],
    bench: Bench,
) -> None:
    spoil(monkeypatch)
    figures = measure(halves["tuned on"], bench)
    assert figures.recall < RECALL or figures.precision < PRECISION


def test_labels_are_those_the_file_declares() -> None:
    head = (HERE / "labelled.yaml").read_text(encoding="utf-8").split("items:")[0]
    assert all(label in head for label in LABELS)
