"""A proxy's calibration: its fit reproduces, its error is honest, and it ranks spending only."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from verify.figures.axes import AxisError, measured
from verify.figures.calibration import MIN_PAIRS, Calibration, fit, read_calibration
from verify.figures.evaluation import EvaluationRecord, read_evaluation
from verify.figures.triage import rank
from verify.problems import IntegrityError, PackError, UsageError

from .conftest import Result

Cli = Callable[..., Result]
LAWS = settings(max_examples=200)
POINTS = [(10.0, 3.1), (14.0, 4.0), (20.0, 5.2), (26.0, 6.3), (31.0, 7.4), (40.0, 9.2)]
values = st.floats(-1e3, 1e3).map(lambda x: round(x, 3))
points = st.lists(st.tuples(values, values), min_size=MIN_PAIRS, max_size=9)


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def manifest(at: list[tuple[float, float]] = POINTS, **changes: Any) -> dict[str, Any]:
    line = fit(at)
    assert line is not None
    return {
        "schema": "verify/calibration/1",
        "title": "Digits' FID against the paper's",
        "proxy_metric": "fid_proxy",
        "metric": "fid",
        "better": "lower",
        "use": "spend-triage",
        "where": {"extractor": "digits"},
        "pairs": [
            {
                "checkpoint": sha(f"c{n}"),
                "proxy": {"value": x, "axis": "proxy", "samples": 1000, "seeds": [n],
                          "record": sha(f"p{n}")},
                "paper_eval": {"value": y, "axis": "paper-eval", "samples": 50_000, "seeds": [n],
                               "record": sha(f"q{n}")},
            }
            for n, (x, y) in enumerate(at)
        ],
        "relation": {"kind": "linear", "slope": line.slope, "intercept": line.intercept},
        "error": {"maximum": line.maximum, "safety_factor": 2.5},
        **changes,
    }  # fmt: skip


def written(folder: Path, data: dict[str, Any]) -> Path:
    """As strict YAML: floats with a point."""
    path = folder / "calibration.yaml"
    path.write_text(yaml.safe_dump(data, sort_keys=False), encoding="utf-8")
    return path


def record(folder: Path, name: str, value: float, **changes: Any) -> Path:
    data = {
        "axis": "proxy", "metrics": {"fid_proxy": {"value": value}}, "samples": 1000, "seeds": [0],
        "extractor": "digits", "checkpoint_sha256": sha(name), **changes,
    }  # fmt: skip
    path = folder / f"{name}.json"
    path.write_text(json.dumps(data), encoding="utf-8")
    return path


@pytest.fixture
def calibration(tmp_path: Path) -> Calibration:
    return read_calibration(written(tmp_path, manifest()))


# -- the fit --------------------------------------------------------------------------------------


def test_the_line_is_that_of_ordinary_least_squares() -> None:
    import numpy

    found = fit(POINTS)
    assert found is not None
    x, y = (numpy.array(column) for column in zip(*POINTS, strict=True))
    slope, intercept = numpy.polyfit(x, y, 1)
    assert (found.slope, found.intercept) == pytest.approx((slope, intercept))


def test_the_error_is_the_largest_on_a_pair_that_the_line_was_not_fitted_to() -> None:
    worst = 0.0
    for at, (x, y) in enumerate(POINTS):
        without = fit(POINTS[:at] + POINTS[at + 1 :])
        assert without is not None
        worst = max(worst, abs(y - without.slope * x - without.intercept))
    found = fit(POINTS)
    assert found is not None
    assert found.maximum == pytest.approx(worst)


@given(st.floats(0.01, 50).map(lambda x: round(x, 3)), values)
@LAWS
def test_pairs_on_a_line_give_that_line_without_error(slope: float, intercept: float) -> None:
    found = fit([(float(x), slope * x + intercept) for x in range(MIN_PAIRS)])
    assert found is not None
    assert found.slope == pytest.approx(slope, rel=1e-6)
    assert found.maximum < 1e-9 * (1 + abs(intercept) + slope)


@given(points)
@LAWS
def test_the_error_bounds_every_pair_and_the_line_rises(at: list[tuple[float, float]]) -> None:
    found = fit(at)
    assume(found is not None)
    assert found is not None
    assert found.slope > 0
    for x, y in at:
        assert abs(y - found.slope * x - found.intercept) <= found.maximum * (1 + 1e-9) + 1e-9


def test_a_line_that_one_pair_decides_or_that_falls_is_no_calibration(tmp_path: Path) -> None:
    assert fit([(1.0, float(y)) for y in range(5)]) is None
    assert fit([(1.0, 0.0)] * 4 + [(2.0, 5.0)]) is None
    assert fit([(float(x), float(-x)) for x in range(5)]) is None
    data = manifest()
    for pair, (_, y) in zip(data["pairs"], reversed(POINTS), strict=True):
        pair["paper_eval"]["value"] = y
    with pytest.raises(PackError, match="expected a line that rises"):
        read_calibration(written(tmp_path, data))


# -- the manifest ---------------------------------------------------------------------------------


def test_the_margin_is_the_recomputed_error_times_the_factor(calibration: Calibration) -> None:
    line = fit(POINTS)
    assert line is not None
    assert calibration.margin == pytest.approx(2.5 * line.maximum)
    assert calibration.span == (10.0, 40.0)


EDITS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "relation.slope": lambda data: data["relation"].update(slope=data["relation"]["slope"] * 1.001),
    "relation.intercept": lambda data: data["relation"].update(intercept=0.0),
    "error.maximum": lambda data: data["error"].update(maximum=data["error"]["maximum"] / 2),
}


@pytest.mark.parametrize("name", EDITS)
def test_an_edited_fit_does_not_reproduce(tmp_path: Path, cli: Cli, name: str) -> None:
    data = manifest()
    EDITS[name](data)
    with pytest.raises(IntegrityError, match=f"{name}: found .*; expected .* the pairs give"):
        read_calibration(written(tmp_path, data))
    assert cli("calibrate", tmp_path / "calibration.yaml").code == 4


@given(st.integers(0, 5), st.sampled_from(["proxy", "paper_eval"]), st.floats(0.01, 5))
@LAWS
def test_an_edited_pair_does_not_reproduce_the_fit(
    tmp_path_factory: pytest.TempPathFactory, at: int, side: str, by: float
) -> None:
    data = copy.deepcopy(manifest())
    data["pairs"][at][side]["value"] += round(by, 2)
    with pytest.raises(IntegrityError):
        read_calibration(written(tmp_path_factory.getbasetemp(), data))


def drop(*path: Any) -> Callable[[dict[str, Any]], None]:
    def change(data: dict[str, Any]) -> None:
        for part in path[:-1]:
            data = data[part]
        del data[path[-1]]

    return change


def put(value: Any, *path: Any) -> Callable[[dict[str, Any]], None]:
    def change(data: dict[str, Any]) -> None:
        for part in path[:-1]:
            data = data[part]
        data[path[-1]] = value

    return change


FIRST = sha("p0")
REFUSED: dict[str, tuple[Callable[[dict[str, Any]], None], str]] = {
    "a bare scalar": (put(3.1, "pairs", 0, "proxy"), r"pairs\[0\]\.proxy: found 3\.1"),
    "a bare pair": (put([1.0, 2.0], "pairs", 0), r"pairs\[0\]: found \[1\.0, 2\.0\]"),
    "no axis": (drop("pairs", 0, "proxy", "axis"), "found no axis"),
    "sides exchanged": (put("paper-eval", "pairs", 1, "proxy", "axis"), r"pairs\[1\]\.proxy\.axis"),
    "smoke as paper-eval": (put("smoke", "pairs", 1, "paper_eval", "axis"), r"paper_eval\.axis"),
    "quoted": (put("external", "pairs", 1, "paper_eval", "axis"), r"paper_eval\.axis"),
    "no samples": (drop("pairs", 2, "paper_eval", "samples"), "found no samples"),
    "no seeds": (put([], "pairs", 2, "proxy", "seeds"), r"proxy\.seeds"),
    "no record": (drop("pairs", 3, "proxy", "record"), "found no record"),
    "no digest": (put("abc", "pairs", 3, "proxy", "record"), r"proxy\.record"),
    "too few pairs": (drop("pairs", slice(4, None)), f"at least {MIN_PAIRS}"),
    "for a claim": (put("claims", "use"), "use: found \"claims\"; expected 'spend-triage'"),
    "an unsafe factor": (put(1.5, "error", "safety_factor"), "greater than or equal to 2"),
    "a repeated record": (put(FIRST, "pairs", 4, "proxy", "record"), "a second time"),
    "a repeated seed": (put([1, 1], "pairs", 4, "proxy", "seeds"), "found a seed twice"),
    "another relation": (put("spline", "relation", "kind"), r"relation\.kind"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_paired_measurement_is_refused_with_its_place(
    tmp_path: Path, cli: Cli, name: str
) -> None:
    change, expected = REFUSED[name]
    data = manifest()
    change(data)
    with pytest.raises(PackError, match=expected):
        read_calibration(written(tmp_path, data))
    assert cli("calibrate", tmp_path / "calibration.yaml").code == 2


def test_the_same_checkpoint_twice_adds_no_evidence(tmp_path: Path) -> None:
    data = manifest()
    data["pairs"][5]["checkpoint"] = data["pairs"][0]["checkpoint"]
    with pytest.raises(PackError, match=r"pairs\[5\]\.checkpoint: found .* a second time"):
        read_calibration(written(tmp_path, data))


def test_pairs_that_the_proxy_ranks_the_other_way_are_shown(tmp_path: Path, cli: Cli) -> None:
    """A short horizon once picked the width that lost at the long one."""
    at = [(1.0, 2.0), (2.0, 1.5), (3.0, 3.0), (4.0, 4.2), (5.0, 5.1)]
    path = written(tmp_path, manifest(at))
    assert [(a.proxy.value, b.proxy.value) for a, b in read_calibration(path).flips()] == [(1, 2)]
    assert "rank flip: fid_proxy 1 < 2, but fid 2 > 1.5" in cli("calibrate", path).out


# -- ranking --------------------------------------------------------------------------------------


def ranked(calibration: Calibration, folder: Path, given: list[float]) -> Any:
    records = [read_evaluation(record(folder, f"r{n}", x)) for n, x in enumerate(given)]
    return rank(calibration, records)


def test_a_gap_below_the_margin_is_uncertain_and_one_above_is_not(
    calibration: Calibration, tmp_path: Path
) -> None:
    gap = calibration.margin / calibration.fit.slope
    near = ranked(calibration, tmp_path, [15.0, 15.0 + 0.99 * gap])
    assert [len(one.uncertain) for one in near.candidates] == [1, 1]
    far = ranked(calibration, tmp_path, [15.0, 15.0 + 1.01 * gap])
    assert [len(one.uncertain) for one in far.candidates] == [0, 0]


@given(st.lists(st.floats(-20, 80), min_size=1, max_size=6))
@LAWS
def test_ranking_is_by_the_proxy_uncertainty_is_mutual_and_never_outside_the_span(
    tmp_path_factory: pytest.TempPathFactory, given_: list[float]
) -> None:
    calibration = read_calibration(written(tmp_path_factory.getbasetemp(), manifest()))
    records = [
        EvaluationRecord(
            Path(f"r{n}"), sha(f"r{n}"),
            {"axis": "proxy", "metrics": {"fid_proxy": {"value": x}}, "samples": 9, "seeds": [0],
             "extractor": "digits"},
        )
        for n, x in enumerate(given_)
    ]  # fmt: skip
    found = rank(calibration, records).candidates
    assert [one.proxy.value for one in found] == sorted(given_)
    for one in found:
        for other in found:
            if one is other:
                continue
            mutual = other.name in one.uncertain
            assert mutual == (one.name in other.uncertain)
            near = abs(one.guess - other.guess) <= calibration.margin
            assert mutual == (near or not (one.inside and other.inside))
        assert one.inside == (10.0 <= one.proxy.value <= 40.0)


def test_only_the_calibrated_proxy_is_ranked(calibration: Calibration, tmp_path: Path) -> None:
    wrong = {
        "axis": ({"axis": "smoke"}, r"fid_proxy 12 \[smoke\]; expected .* proxy axis"),
        "better": ({"axis": "paper-eval"}, r"\[paper-eval\]; expected .* proxy axis"),
        "label": ({"axis": None}, "found the axis None"),
        "extractor": ({"extractor": "other"}, "extractor: found 'other'; expected 'digits'"),
    }
    for name, (changes, expected) in wrong.items():
        made = read_evaluation(record(tmp_path, name, 12.0, **changes))
        with pytest.raises(AxisError, match=expected):
            rank(calibration, [made])
    bare = read_evaluation(record(tmp_path, "bare", 12.0, metrics={"fid_proxy": 12.0}))
    with pytest.raises(UsageError, match="expected a number"):
        rank(calibration, [bare])


def test_a_ranking_says_what_it_is_for_and_holds_nothing_a_claim_could_use(
    calibration: Calibration, tmp_path: Path, cli: Cli
) -> None:
    files = [record(tmp_path, name, x) for name, x in (("a", 30.0), ("b", 12.0), ("c", 90.0))]
    out = tmp_path / "ranking.json"
    chosen = [part for file in files for part in ("--rank", file)]
    result = cli("calibrate", tmp_path / "calibration.yaml", *chosen, "--output", out)
    assert result.code == 0
    assert "ranking for spend-triage, no claim:" in result.out
    assert "1. " + str(files[1]) in result.out
    assert "outside the calibrated values" in result.out
    data = json.loads(out.read_text(encoding="utf-8"))
    assert (data["schema"], data["use"]) == ("verify/ranking/1", "spend-triage")
    assert [one["file"] for one in data["candidates"]] == [str(files[n]) for n in (1, 0, 2)]
    keys = {key for one in data["candidates"] for key in one} | set(data)
    assert not keys & {"tier", "claim", "claims", "axis", "score", "value"}
    with pytest.raises(AxisError, match="found the axis None"):
        measured(data["candidates"][0]["guess"], data["candidates"][0].get("axis"), "fid")


def test_a_guess_is_no_measurement(calibration: Calibration) -> None:
    """It has no axis, so no comparison with a measured number takes it."""
    guess = calibration.predict(measured(20.0, "proxy", "fid_proxy"))
    with pytest.raises(AxisError, match="the bare number"):
        _ = measured(5.0, "paper-eval", "fid") < guess  # type: ignore[operator]


def test_records_are_looked_up_by_digest_and_compared(tmp_path: Path, cli: Cli) -> None:
    folder = tmp_path / "records"
    folder.mkdir()
    data = manifest()
    for n, pair in enumerate(data["pairs"]):
        for side, metric in (("proxy", "fid_proxy"), ("paper_eval", "fid")):
            stated = pair[side]
            path = record(
                folder, f"{side}{n}", 0.0, axis=stated["axis"], samples=stated["samples"],
                seeds=stated["seeds"], checkpoint_sha256=pair["checkpoint"],
                metrics={metric: {"value": stated["value"]}},
            )  # fmt: skip
            stated["record"] = hashlib.sha256(path.read_bytes()).hexdigest()
    path = written(tmp_path, data)
    looked = cli("calibrate", path, "--records", folder)
    assert (looked.code, "records compared" in looked.out) == (0, True)
    assert "not looked up" in cli("calibrate", path).out
    other = cli("calibrate", written(tmp_path, data | {"where": {"extractor": "other"}}),
                "--records", folder)  # fmt: skip
    assert other.code == 4
    assert "extractor: found 'digits'; expected 'other', the proxy that was" in other.err
    data["pairs"][0]["paper_eval"]["samples"] = 60_000
    wrong = cli("calibrate", written(tmp_path, data), "--records", folder)
    assert wrong.code == 4
    assert "pairs[0].paper_eval: samples: found 60000; expected 50000" in wrong.err
    (folder / "proxy3.json").unlink()
    data["pairs"][0]["paper_eval"]["samples"] = 50_000
    gone = cli("calibrate", written(tmp_path, data), "--records", folder)
    assert (gone.code, "pairs[3].proxy: found no record" in gone.err) == (4, True)


# -- hostile input --------------------------------------------------------------------------------


def test_values_whose_sums_leave_float64_give_no_line() -> None:
    assert fit([(1e200 * n, 1e200 * n) for n in range(1, 7)]) is None
    assert fit([(float(n), 1.7e308) for n in range(1, 7)]) is None


@pytest.mark.parametrize("text", ["[" * 100_000, '{"metrics": ' + "[" * 100_000])
def test_a_record_nested_without_end_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "deep.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match="found no JSON record"):
        read_evaluation(path)


def test_a_device_is_no_record_and_is_never_read(tmp_path: Path) -> None:
    """/dev/zero says that it has no bytes, and gives them for ever."""
    link = tmp_path / "record.json"
    link.symlink_to("/dev/zero")
    with pytest.raises(UsageError, match="found no file"):
        read_evaluation(link)


def test_a_number_beyond_float64_is_refused_with_its_place(tmp_path: Path) -> None:
    path = record(tmp_path, "huge", 1.0, metrics={"fid_proxy": {"value": 10**400}})
    with pytest.raises(AxisError, match="a number beyond float64"):
        read_evaluation(path).number("fid_proxy")
