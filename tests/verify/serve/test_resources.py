"""What the studio says of bundles and runs, as JSON and as pages."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.verify.conftest import Finished
from verify.cli import main
from verify.serve.bundles import Point
from verify.serve.catalogue import Catalogue
from verify.serve.charts import curves, trend
from verify.serve.resources import ROUTES
from verify.serve.runs import Log

from .conftest import SECRET, Studio, lines, picture, png, record, row

PAGES = ("/", "/bundles", "/runs", "/trends", "/claims", "/sampling")


def addresses(studio: Studio) -> list[str]:
    """Every address that can be read."""
    names = {"bundles": studio.bundle, "runs": studio.run}
    api = [pattern.replace("{}", names.get(pattern.split("/")[0], "")) for pattern, _, _ in ROUTES]
    bundle, run = names["bundles"], names["runs"]
    return [
        *PAGES, *(f"/api/{one}" for one in api if not one.startswith("sessions/")),
        f"/bundles/{bundle}", f"/runs/{run}", f"/runs/{run}/part", f"/bundles/{bundle}/report.html",
        f"/runs/{run}/samples/step-00000025.png", "/style.css", "/serve.js", "/login",
    ]  # fmt: skip


def test_every_address_answers_with_its_headers_and_without_a_secret(studio: Studio) -> None:
    found = addresses(studio)
    assert len(found) == len(set(found)) > 20
    for address in found:
        answer = studio.client.get(address)
        assert answer.status_code == 200, address
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert SECRET not in answer.text
        assert str(studio.root.parent) not in answer.text


def test_a_bundle_is_listed_with_its_verdict_and_shown_with_its_claims(
    studio: Studio, sealed: Finished
) -> None:
    listed = studio.client.get("/api/bundles").json()
    verdict = sealed.report.verdict
    assert (listed["total"], listed["items"][0]["line"]) == (1, verdict.line)
    shown = studio.client.get(f"/api/bundles/{studio.bundle}").json()
    assert shown["verdict"] == verdict.model_dump(mode="json")
    assert [one["claim"] for one in shown["claims"]] == [one.claim for one in sealed.report.claims]
    page = studio.client.get(f"/bundles/{studio.bundle}").text
    assert verdict.line in page
    for clause in sealed.report.troubled:
        assert f"report.html#{clause.id}" in page


def test_filters_and_pages(studio: Studio, sealed: Finished) -> None:
    for number in range(4):
        name = f"copy-{number}"
        shutil.copytree(sealed.bundle, studio.root / "reports" / name)
    get = studio.client.get
    first = get("/api/bundles?per=2").json()
    assert (first["total"], first["pages"], len(first["items"])) == (5, 3, 2)
    pages = [get(f"/api/bundles?per=2&page={n}").json()["items"] for n in (1, 2, 3, 4)]
    assert [len(items) for items in pages] == [2, 2, 1, 0]
    assert len({one["slug"] for items in pages for one in items}) == 5
    assert get("/api/bundles?q=copy-2").json()["total"] == 1
    assert get("/api/bundles?verdict=GO").json()["total"] == 0
    assert get("/api/bundles?pack=mini&subject=thing&verdict=NO-GO").json()["total"] == 5
    assert "page 2 of 3" in get("/bundles?per=2&page=2").text


def test_a_changed_bundle_is_read_again_and_a_report_that_is_not_as_sealed_is_refused(
    studio: Studio,
) -> None:
    slug = studio.bundle
    folder = next((studio.root / "reports").iterdir())
    report = folder / "report.json"
    report.write_text(report.read_text().replace('"line": "NO-GO', '"line": "GO'))
    os.utime(folder / "manifest.sha256", ns=(1, 1))
    assert studio.client.get("/api/bundles").json()["items"][0]["line"].startswith("GO")
    answer = studio.client.get(f"/api/bundles/{slug}")
    assert answer.status_code == 409
    assert "verify bundle check" in answer.json()["error"]["remedy"]
    assert "not as" not in studio.client.get(f"/bundles/{slug}").text
    assert "another content than the manifest states" in studio.client.get(f"/bundles/{slug}").text


@pytest.mark.parametrize("text", ["", "{", '{"verdict": 1}', '{\n "verdict": {},\n "about": []'])
def test_a_bundle_that_cannot_be_read_is_listed_as_that(studio: Studio, text: str) -> None:
    broken = studio.root / "broken"
    broken.mkdir()
    (broken / "manifest.sha256").write_text("")
    (broken / "report.json").write_text(text)
    found = studio.client.get("/api/bundles").json()["items"]
    assert [bool(one["problem"]) for one in found] == [False, True]
    assert studio.client.get("/bundles").status_code == 200
    assert studio.client.get(f"/bundles/{found[1]['slug']}").status_code == 200


def test_the_catalogue_reads_the_head_of_a_bundle_once(
    sealed: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(sealed.bundle, tmp_path / "one")
    read: list[Path] = []
    real = __import__("verify.serve.catalogue", fromlist=["header_of"]).header_of
    monkeypatch.setattr("verify.serve.catalogue.header_of", lambda at: read.append(at) or real(at))
    catalogue = Catalogue(tmp_path, rest_s=0)
    for _ in range(3):
        assert len(catalogue.bundles()) == 1
    assert len(read) == 1


def test_links_hidden_folders_and_what_is_deep_are_no_part_of_it(
    root: Path, sealed: Finished, tmp_path: Path
) -> None:
    shutil.copytree(sealed.bundle, tmp_path / "elsewhere")
    (root / "linked").symlink_to(tmp_path / "elsewhere")
    shutil.copytree(sealed.bundle, root / ".hidden")
    shutil.copytree(sealed.bundle, root / "a/b/c/d/e")
    assert len(Catalogue(root).bundles()) == 1


@pytest.mark.parametrize(
    ("facts", "state"),
    [
        ({}, "running"),
        ({"pid": 2**22 + 7}, "killed"),
        ({"pid": os.getpid(), "updated": "2001-01-01T00:00:00Z"}, "killed"),  # given away again
        ({"pid": "x"}, "killed"),
        ({"pid": -1}, "killed"),
        ({"pid": 0}, "killed"),
        ({"pid": 2**70}, "killed"),
        ({"status": "completed"}, "completed"),
        ({"status": "interrupted"}, "interrupted"),
        ({"status": "failed", "error": "boom"}, "failed"),
        ({"status": "odd"}, "unknown"),
        ({"step": "x"}, "unknown"),
    ],
)
def test_the_state_of_a_run(studio: Studio, facts: dict[str, Any], state: str) -> None:
    record(studio.root / "runs/digits", **facts)
    found = studio.client.get(f"/api/runs/{studio.run}").json()
    assert found["state"] == state
    assert found["says"]
    assert studio.client.get(f"/api/runs?state={state}").json()["total"] == 1
    page = studio.client.get(f"/runs/{studio.run}").text
    assert f'class="state {state}"' in page
    assert str(facts.get("error", "")) in page


def test_windows_after_a_step_and_again_after_a_resume(studio: Studio) -> None:
    log = studio.root / "runs/digits/metrics/windows.jsonl"
    get = studio.client.get
    live = f"/api/runs/{studio.run}/live"
    assert [one["step"] for one in get(live).json()["windows"]] == [25, 50]
    assert get(f"{live}?after=25").json()["next"] == 50
    with log.open("a") as stream:
        stream.write(json.dumps(row(75)) + "\n" + json.dumps(row(100))[:20])
    assert [one["step"] for one in get(f"{live}?after=50").json()["windows"]] == [75]
    lines(log, [row(25)])
    found = get(f"{live}?after=75").json()
    assert ([one["step"] for one in found["windows"]], found["again"]) == ([25], True)


def test_a_log_is_read_on_from_where_it_was_and_says_which_line_is_no_row(tmp_path: Path) -> None:
    path = tmp_path / "windows.jsonl"
    log = Log(path)
    assert log.rows() == ([], "")
    lines(path, [row(1)])
    assert [one["step"] for one in log.rows()[0]] == [1]
    with path.open("a") as stream:
        stream.write('{"step": NaN}\n' + json.dumps(row(3)) + "\n")
    rows, problem = log.rows()
    assert ([one["step"] for one in rows], problem) == ([1, 3], "the line after step 1 is no row")


def test_pictures_by_tag_and_by_class(studio: Studio) -> None:
    get = studio.client.get
    steps = {
        tag: [
            one["step"] for one in get(f"/api/runs/{studio.run}/samples?tag={tag}").json()["items"]
        ]
        for tag in ("", "every_window", "best_so_far")
    }
    assert steps == {"": [50, 25], "every_window": [50, 25], "best_so_far": [25]}
    page = get(f"/runs/{studio.run}?tag=best_so_far&class=1").text
    assert 'viewBox="0 36.0 36 32.0"' in page
    assert "samples of class one at step 25" in page
    assert "step-00000050.png" not in page


def test_a_picture_is_the_one_that_the_index_states(studio: Studio) -> None:
    address = f"/runs/{studio.run}/samples/step-00000025.png"
    assert studio.client.get(address).content == png()
    (studio.root / "runs/digits/samples/step-00000025.png").write_bytes(png(height=71))
    assert studio.client.get(address).status_code == 409


@pytest.mark.parametrize("changed", [{"schema": "x"}, {"file": "../../x.png"}, {"tags": ["best"]},
                                     {"secret": 1}, {"width": -1}])  # fmt: skip
def test_an_index_of_another_kind_is_said(studio: Studio, changed: dict[str, Any]) -> None:
    lines(studio.root / "runs/digits/samples/index.jsonl", [picture(25, png(), **changed)])
    found = studio.client.get(f"/api/runs/{studio.run}/samples").json()
    assert found["items"] == []
    assert "of another kind" in found["problem"]
    assert "of another kind" in studio.client.get(f"/runs/{studio.run}").text


def test_alarms_figures_and_throughput_are_on_the_page_of_a_run(studio: Studio) -> None:
    page = studio.client.get(f"/runs/{studio.run}").text
    assert "apart: 2% near" in page
    assert "12.5" in page
    assert page.count('<svg class="curves"') == 4
    assert "step 25</text>" in page


def test_trends_are_of_one_pack_and_subject_the_oldest_first(
    studio: Studio, sealed: Finished
) -> None:
    found = studio.client.get("/api/trends").json()
    measured = {one.id: one.measured for one in sealed.report.clauses if one.measured is not None}
    assert {one["clause"]: one["points"][-1]["measured"] for one in found["items"]} == measured
    page = studio.client.get("/trends").text
    assert f'<a href="/bundles/{studio.bundle}"><title>' in page


def test_a_trend_has_a_gap_where_nothing_was_measured(studio: Studio) -> None:
    bundle = Catalogue(studio.root).bundles()[0]
    good = Point("pass", 0.1, 0.2, "units", "s")
    drawn = trend([good, None, good, Point("fail", 9.0, 18.0, "units", "s")], [bundle] * 4)
    assert drawn.count("<circle") == 3
    assert drawn.count("M") >= 2
    assert 'class="over"' in drawn
    assert trend([None], [bundle]) == ""


def test_a_long_log_is_thinned_and_keeps_its_last_window() -> None:
    rows = [row(step) for step in range(1, 5000)]
    drawn = curves("loss", rows, ["loss"])
    assert "step 4999" in drawn
    assert drawn.count("L") < 1100


def test_without_the_libraries_the_command_says_which_extra(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "uvicorn", None)
    monkeypatch.setattr("sys.argv", ["verify", "serve", str(tmp_path)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert "pip install 'drift-verify[serve]'" in capsys.readouterr().err
