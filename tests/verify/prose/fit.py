"""Fits the learnt part of the net of claims to the labelled sentences: writes data/weights.json.

`python tests/verify/prose/fit.py` fits to every set but the part of voices.yaml that is held out.
`--leave-out SET` fits to all others and says how SET is told by what has not seen it; it writes
nothing. A text of several sentences is an overclaim if one of them is: the fit takes the one that
reads most like it (Andrews, Tsochantaridis, Hofmann 2002).
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.optimize import minimize
from scipy.sparse import csr_matrix

from verify.prose import learned
from verify.prose.reading import parse

if __package__:
    from .conftest import HERE, Entry, entries, voices
else:
    sys.path.append(str(Path(__file__).parent))
    from conftest import HERE, Entry, entries, voices

WEIGHTS = Path(learned.__file__).parent / "data" / "weights.json"
INDEPENDENT = (
    "independent",
    "independent_second",
    "independent_third",
    "independent_fourth",
    "independent_fifth",
)
SINGLE = (
    *INDEPENDENT,
    "sentences",
    "unseen",
    "earlier",
    "siblings",
    "practice",
    "practice_second",
    "practice_third",
    "ours",
)
PHRASINGS = ("first", "second", "third", "fourth", "fifth")
RIDGE, UNIT, ROUNDS = 0.1, 0.08, 80
LEAST = 3  # units of a weight that is written
# Sets that were written after a set and because of it say nothing of how new ones are told.
AFTER = ("siblings", "practice", "practice_second", "practice_third")


def sets() -> Iterator[tuple[str, Entry]]:
    """Every text that is fitted to, with the name of its set."""
    for name in SINGLE:
        for entry in entries(f"{name}.yaml"):
            yield name, entry
    for part in PHRASINGS:
        for entry in entries("phrasings.yaml", part):
            yield f"phrasings {part}", entry
    for entry in voices("tuned"):
        yield "voices", entry


def digest() -> str:
    """Of what the weights follow from: the sets, and the features of a sentence."""
    files = sorted({f"{name}.yaml" for name in SINGLE} | {"phrasings.yaml", "voices.yaml"})
    made = sorted(learned.features("We don't claim 1.54, nor is it ours: 图像很好.", "prose"))
    read = [(HERE / name).read_bytes() for name in files] + ["\n".join(made).encode()]
    return hashlib.sha256(b"\0".join(read)).hexdigest()[:16]


@dataclass(frozen=True)
class Table:
    """Features of each sentence [N, F], the text that each belongs to [N], labels of texts [T]."""

    rows: csr_matrix
    text: np.ndarray
    overclaim: np.ndarray
    source: np.ndarray
    names: list[str]

    def tops(self, weights: np.ndarray) -> np.ndarray:
        """Of each text the log odds of its sentence that reads most like a claim."""
        found = np.full(len(self.overclaim), -np.inf)
        np.maximum.at(found, self.text, self.rows @ weights[:-1] + weights[-1])
        return found


def table() -> Table:
    """All texts read."""
    texts = list(sets())
    read = [(at, sentence) for at, (_, entry) in enumerate(texts)
            for sentence in parse(entry.text, f"a.{entry.format}").sentences]  # fmt: skip
    found = [learned.features(sentence.text, sentence.form) for _, sentence in read]
    count = Counter(one for features in found for one in features)
    names = sorted(one for one, n in count.items() if n > 1)
    place = {one: at for at, one in enumerate(names)}
    cells = [(row, place[one], len(features) ** -0.5)
             for row, features in enumerate(found) for one in features if one in place]  # fmt: skip
    row, column, value = (np.array(part) for part in zip(*cells, strict=True))
    return Table(
        rows=csr_matrix((value, (row, column)), shape=(len(found), len(names))),
        text=np.array([at for at, _ in read]),
        overclaim=np.array([entry.overclaim for _, entry in texts]),
        source=np.array([name for name, _ in texts]),
        names=names,
    )


def fit(data: Table, used: np.ndarray) -> np.ndarray:
    """Weights and bias from the texts that are used [T]."""
    label, rows = data.overclaim[data.text], used[data.text]
    first = _fit(data.rows[rows], label[rows], np.zeros(data.rows.shape[1] + 1))
    odds, best = data.rows @ first[:-1] + first[-1], dict[int, int]()
    for row in np.flatnonzero(rows & label):
        at = data.text[row]
        if at not in best or odds[row] > odds[best[at]]:
            best[at] = row
    rows = rows & ~label
    rows[list(best.values())] = True
    return _fit(data.rows[rows], label[rows], first)


def _fit(rows: csr_matrix, label: np.ndarray, start: np.ndarray) -> np.ndarray:
    sign = np.where(label, 1.0, -1.0)

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        odds = sign * (rows @ weights[:-1] + weights[-1])
        slope = -sign / (1 + np.exp(odds))
        down = np.append(rows.T @ slope + RIDGE * weights[:-1], slope.sum())
        return np.logaddexp(0, -odds).sum() + RIDGE / 2 * weights[:-1] @ weights[:-1], down

    return minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": ROUNDS}).x


def as_data(data: Table, weights: np.ndarray) -> dict[str, object]:
    """The weights as whole numbers of units, features by weight."""
    listed = defaultdict[int, list[str]](list)
    for name, weight in zip(data.names, np.rint(weights[:-1] / UNIT).astype(int), strict=True):
        if abs(weight) > LEAST:
            listed[int(weight)].append(name)
    of = {str(weight): listed[weight] for weight in sorted(listed)}
    return {
        "fitted_to": digest(),
        "bias": round(float(weights[-1]), 3),
        "unit": UNIT,
        "weights": of,
    }


def written(found: dict[str, object]) -> str:
    """The file of weights: a line for each weight."""
    head = [f"{json.dumps(name)}: {json.dumps(found[name])}" for name in found if name != "weights"]
    body = [f"{json.dumps(weight)}: {json.dumps(listed, ensure_ascii=False)}"
            for weight, listed in found["weights"].items()]  # fmt: skip
    return "{" + ",\n".join(head) + ',\n"weights": {\n' + ",\n".join(body) + "}}\n"


def left_out(data: Table, name: str) -> tuple[int, ...]:
    """Of a set that the fit has not seen: hits, of overclaims, alarms, of innocent texts."""
    weights = fit(data, ~np.isin(data.source, (name, *AFTER)))
    told, real = data.tops(weights)[data.source == name], data.overclaim[data.source == name]
    hit = told > learned.CLAIM
    counts = (hit & real, real, hit & ~real, ~real)
    return tuple(int(count.sum()) for count in counts)


def main(name: str = "") -> None:
    """Fit and write, or say how a set that is left out is told."""
    data = table()
    if name:
        print(name, *left_out(data, name))
        return
    found = as_data(data, fit(data, np.ones(len(data.overclaim), bool)))
    WEIGHTS.write_text(written(found), encoding="utf-8")
    print(f"{WEIGHTS.name}: {sum(map(len, found['weights'].values()))} features")


if __name__ == "__main__":
    main(*sys.argv[2:])
