"""The shipped tracks: an evaluation as the engine writes it, promoted or held back."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from drift.config import fingerprint, load_template
from drift.evaluate import bootstrap, extractors, fid, records, statistics
from drift.evaluate.figures import Figure
from verify.promotion.judge import judge
from verify.promotion.model import PromotionFile
from verify.promotion.record import Blocker, read_draft
from verify.spec.floors import floors
from verify.spec.pack import LoadedPack, load

ROOT = Path(__file__).parents[2]
OWN = fingerprint(load_template("latent-b2"))
WIDTH = 4


@pytest.fixture(scope="module")
def loaded() -> LoadedPack:
    return load(ROOT)


def sha(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def facts(seed: int) -> records.Facts:
    """Facts of the protocol, on statistics that are not pinned: repo-eval."""
    return records.Facts(
        samples=50_000, seeds=(seed,), alpha=1.0, labels=records.BALANCED, weights="ema",
        checkpoint_sha256="c" * 64, step=200_000, template_fingerprint=OWN, column="B2",
        dataset=records.IMAGENET, extractor=records.FID_INCEPTION,
        extractor_sha256=records.INCEPTION_SHA256, resize=records.PAPER_RESIZE,
        statistics_sha256="5" * 64, source="run", source_sha256="d" * 64,
    )  # fmt: skip


def evaluate(folder: Path, seed: int, **changes: Any) -> dict[str, Any]:
    """A record by the engine's own writer, with the components of its FID."""
    drawn = np.random.default_rng(seed).standard_normal((64, WIDTH))
    real = np.random.default_rng(99).standard_normal((64, WIDTH))
    ours, theirs = fid.moments(drawn), fid.moments(real)
    value = fid.frechet(ours, theirs)
    known = replace(facts(seed), **changes)
    contract = statistics.Contract(
        known.extractor, known.extractor_sha256, known.resize, known.rounding, 64, "blobs", "e" * 64
    )
    digest = statistics.digest({"mu": theirs.mean, "sigma": theirs.covariance}, contract)
    resampled = (value - 0.1, value + 0.1)
    half = bootstrap.Z * bootstrap.deviation(resampled)
    figure = Figure(
        value=value, low=max(0.0, value - half), high=value + half, interval="x", definition="x",
        count=known.samples, better="lower",
    )  # fmt: skip
    components = {
        "fid/mu": ours.mean, "fid/sigma": ours.covariance,
        "fid/reference_mu": theirs.mean, "fid/reference_sigma": theirs.covariance,
        "fid/resampled": np.asarray(resampled),
    }  # fmt: skip
    path = folder / f"seed-{seed}.json"
    known = replace(known, statistics=asdict(contract), statistics_sha256=digest)
    made = records.record_of(known, {"fid": figure})
    records.write(path, made, components)
    beside = path.with_name(path.stem + records.SUFFIX)
    return {
        "evaluation": {"file": path.name, "sha256": sha(path)},
        "arrays": {"file": beside.name, "sha256": sha(beside)},
    }


def promoted(folder: Path, components: list[dict[str, Any]]) -> Path:
    """A record that says of its evaluations what they say."""
    read = [json.loads((folder / one["evaluation"]["file"]).read_text()) for one in components]
    (folder / "model.safetensors").write_bytes(b"model")
    data = {
        "schema": "verify/promoted-run/1",
        "run": "b2",
        "snapshot": {"code": "a" * 64, "checkpoint": read[0]["checkpoint_sha256"]},
        "track": "latent-b2",
        "packaging": {
            "format": "safetensors", "file": "model.safetensors",
            "sha256": sha(folder / "model.safetensors"),
        },
        "size": {"parameters": 1, "bytes": 5},
        "score": {
            "metric": "fid",
            "value": float(np.mean([one["metrics"]["fid"]["value"] for one in read])),
            "axis": read[0]["axis"],
            "samples": read[0]["samples"],
            "seeds": [seed for one in read for seed in one["seeds"]],
        },
        "components": components,
        "runtime": {"steps": read[0]["step"], "seconds": 1.0, "hardware": "one core"},
        "commands": ["drift train b2"],
        "evidence": {"bundle": "none", "sha256": "b" * 64},
    }  # fmt: skip
    path = folder / "promoted.yaml"
    path.write_text(yaml.safe_dump(data, sort_keys=False), encoding="utf-8")
    return path


def blockers(path: Path, loaded: LoadedPack) -> list[Blocker]:
    draft, malformed = read_draft(path)
    assert malformed == []
    return judge(draft, loaded, path.parent / "reports")


def test_floors_of_the_tracks_are_those_of_the_paper(loaded: LoadedPack) -> None:
    (file,) = [file for _, file in loaded.of(PromotionFile)]
    found = {track.id: floors(track.floors, loaded.pack) for track in file.tracks}
    assert {name: (one.steps, one.samples, one.seeds) for name, one in found.items()} == {
        "latent-b2": (200_000, 50_000, 3),
        "latent-l2": (200_000, 50_000, 3),
    }


def test_three_evaluations_are_held_back_by_axis_evidence_and_the_width_of_their_components(
    tmp_path: Path, loaded: LoadedPack
) -> None:
    """No statistics are pinned (DEC-0114), so the engine labels them repo-eval; four numbers an
    image are not what the extractor gives."""
    path = promoted(tmp_path, [evaluate(tmp_path, seed) for seed in range(3)])
    found = blockers(path, loaded)
    assert (found[1].place, found[1].found) == ("score.axis", "repo-eval")
    *unsigned, width = found[2:]
    assert [one.found for one in unsigned] == [
        f"seed-{seed}.json: unsigned (no signature)" for seed in range(3)
    ]
    assert "EVAL-RECORDS fail: " in width.found
    assert "fid-inception-2015-12-05 gives 2048 numbers" in width.found
    assert found[0].place == "evidence.bundle"


def test_a_score_that_its_moments_do_not_give_is_named(tmp_path: Path, loaded: LoadedPack) -> None:
    """Mean and covariance are computed again by EVAL-RECORDS, in a worker."""
    components = [evaluate(tmp_path, seed, extractor=extractors.TINY) for seed in range(3)]
    first = tmp_path / components[0]["evaluation"]["file"]
    data = json.loads(first.read_text(encoding="utf-8"))
    data["metrics"]["fid"]["value"] -= 0.05
    first.write_text(json.dumps(data), encoding="utf-8")
    components[0]["evaluation"]["sha256"] = sha(first)
    found = [str(one) for one in blockers(promoted(tmp_path, components), loaded)]
    assert any("EVAL-RECORDS fail: " in text and "its components give" in text for text in found)


def test_a_short_run_on_part_of_the_samples_lists_every_floor(
    tmp_path: Path, loaded: LoadedPack
) -> None:
    short = evaluate(tmp_path, 0, step=100, samples=5000, weights="raw")
    found = [one.found for one in blockers(promoted(tmp_path, [short]), loaded)]
    for part in ("steps 100", "samples 5,000", "seeds 1", "proxy", "'raw'"):
        assert any(text.startswith(part) for text in found), (part, found)


def test_the_tracks_ask_for_the_fingerprints_of_the_shipped_templates(loaded: LoadedPack) -> None:
    (file,) = [file for _, file in loaded.of(PromotionFile)]
    asked = {track.id: track.protocol["template_fingerprint"] for track in file.tracks}
    assert asked == {name: fingerprint(load_template(name)) for name in asked}


@pytest.mark.parametrize(
    "other",
    [
        fingerprint(load_template("latent-l2")),
        *(pytest.param(one, marks=pytest.mark.nightly) for one in (None, "f" * 64)),
    ],
)
def test_a_record_of_another_template_under_the_name_of_the_column_is_held_back(
    tmp_path: Path, loaded: LoadedPack, other: str | None
) -> None:
    component = evaluate(tmp_path, 0, template_fingerprint=other)
    places = [one.place for one in blockers(promoted(tmp_path, [component]), loaded)]
    assert "components[0].template_fingerprint" in places
