"""Interactive sampling, with a sampler of a few lines in place of an engine."""

from __future__ import annotations

import base64
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from verify.serve.guard import Guard
from verify.serve.sessions import GROUP, MOST_SESSIONS, Sessions, sampler

from .conftest import png, studio_over

ROOT = Path(__file__).parents[3]
SAMPLER = """
import json, os, sys
assert not [name for name in os.environ if "SECRET" in name]
facts = {"name": "small step 50", "classes": 2, "class_names": ["a", "b"]}
print(json.dumps({"ready": facts}), flush=True)
for line in sys.stdin:
    asked = json.loads(line)
    if asked["class"] > 1:
        print(json.dumps({"error": {"found": "class 2", "expected": "0 to 1"}}), flush=True)
    elif asked["seed"] == 13:
        sys.exit(1)
    elif asked["seed"] == 14:
        print(json.dumps({"png": "bm8="}), flush=True)
    else:
        print(json.dumps({"png": "PNG", "sha256": str(asked["index"])}), flush=True)
"""


def of(text: str, path: Path) -> Sessions:
    path.write_text(text.replace('"PNG"', repr(base64.b64encode(png()).decode())))
    return Sessions(lambda: [sys.executable, "-S", str(path)])


@pytest.fixture
def client(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    monkeypatch.setenv("MY_SECRET", "x")
    found = studio_over(root, Guard(), of(SAMPLER, tmp_path / "sampler.py"))
    with found.client as client:
        yield client


@pytest.fixture
def opened(client: TestClient) -> dict[str, Any]:
    run = client.get("/api/runs").json()["items"][0]["slug"]
    answer = client.post("/api/sessions", json={"run": run})
    assert answer.status_code == 201
    return dict(answer.json())


def step(client: TestClient, session: dict[str, Any], **wanted: Any) -> Any:
    return client.post(f"/api/sessions/{session['slug']}/steps", json={"class": 1, **wanted})


def test_a_session_is_made_stepped_and_deleted_and_says_that_it_is_in_memory(
    client: TestClient, opened: dict[str, Any]
) -> None:
    assert opened["state"] == "ready"
    assert opened["facts"]["class_names"] == ["a", "b"]
    assert "in memory" in opened["kept"]
    found = [step(client, opened, seed=seed).json() for seed in (3, 3, 4)]
    assert [(one["number"], one["seed"], one["index"]) for one in found] == [
        (0, 3, 0), (1, 3, 1), (2, 4, 0),
    ]  # fmt: skip
    address = f"/api/sessions/{opened['slug']}"
    assert client.get(address).json()["steps"] == found
    assert client.get(f"{address}/steps/1.png").content == png()
    assert client.get(f"{address}/steps/3.png").status_code == 404
    assert [one["slug"] for one in client.get("/api/sessions").json()["items"]] == [opened["slug"]]
    assert "in memory only" in client.get("/sampling").text
    assert (
        client.request("DELETE", address, headers={"content-type": "application/json"}).status_code
        == 204
    )
    for gone in (address, f"{address}/steps/1.png"):
        assert client.get(gone).status_code == 404
    assert client.get("/api/sessions").json()["items"] == []


@pytest.mark.parametrize(
    "wanted",
    [{"class": -1}, {"class": "1"}, {"class": 1.0}, {"alpha": 0}, {"alpha": -1.0}, {"seed": -1},
     {"seed": 2**60}, {"alpha": True}, {"more": 1}, {"class": None}, {"class": 2}],
)  # fmt: skip
def test_a_step_that_cannot_be_taken_is_said_and_the_next_one_can(
    client: TestClient, opened: dict[str, Any], wanted: dict[str, Any]
) -> None:
    answer = step(client, opened, **wanted)
    assert answer.status_code == 400
    assert answer.json()["error"]["expected"]
    assert step(client, opened).json()["number"] == 0


def test_a_sampler_that_ends_or_answers_no_picture_is_said(
    client: TestClient, opened: dict[str, Any]
) -> None:
    assert step(client, opened, seed=14).status_code == 502
    assert step(client, opened, seed=13).status_code == 409
    assert step(client, opened).status_code == 409
    assert client.get(f"/api/sessions/{opened['slug']}").json()["state"] == "failed"


def test_there_are_only_so_many(client: TestClient, opened: dict[str, Any]) -> None:
    body = {"run": opened["run"]}
    for _ in range(MOST_SESSIONS - 1):
        assert client.post("/api/sessions", json=body).status_code == 201
    answer = client.post("/api/sessions", json=body)
    assert (answer.status_code, answer.json()["error"]["remedy"]) == (409, "delete one")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("print('{\"error\": {\"found\": \"no checkpoint\"}}')", "no checkpoint"),
        ("print('nonsense')", "a process that has ended"),
        ("", "a process that has ended"),
        ("raise SystemExit(3)", "a process that has ended"),
    ],
)  # fmt: skip
def test_a_sampler_that_cannot_begin_leaves_no_session(
    root: Path, tmp_path: Path, text: str, found: str
) -> None:
    studio = studio_over(root, Guard(), of(text, tmp_path / "sampler.py"))
    answer = studio.client.post("/api/sessions", json={"run": studio.run})
    assert (answer.status_code, answer.json()["error"]["found"]) == (409, found)
    assert studio.client.get("/api/sessions").json()["items"] == []


def test_without_a_sampler_it_is_said_what_to_install(root: Path) -> None:
    studio = studio_over(root, Guard(), Sessions(lambda: None))
    answer = studio.client.post("/api/sessions", json={"run": studio.run})
    assert answer.status_code == 409
    assert "drift-verify[train]" in answer.json()["error"]["remedy"]


def test_the_processes_end_with_the_server(root: Path, tmp_path: Path) -> None:
    sessions = of(SAMPLER, tmp_path / "sampler.py")
    studio = studio_over(root, Guard(), sessions)
    with studio.client as client:
        client.post("/api/sessions", json={"run": studio.run})
        process = sessions.all()[0]._process
        assert process.poll() is None
    assert process.poll() is not None


def test_a_sampler_is_whatever_module_is_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is run and never imported."""
    registered = [EntryPoint("other", "nowhere.to.be.found", GROUP)]
    monkeypatch.setattr("verify.serve.sessions.entry_points", lambda group: registered)
    assert sampler() == [sys.executable, "-m", "nowhere.to.be.found"]
    monkeypatch.setattr("verify.serve.sessions.entry_points", lambda group: [])
    assert sampler() is None


def test_the_engine_registers_its_sampler() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    module = project["entry-points"][GROUP]["drift"]
    assert "def main() -> int:" in (ROOT / f"{module.replace('.', '/')}.py").read_text()
