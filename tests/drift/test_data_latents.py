"""Latent caches as sources: what is read, and what is never read."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from contracts.data import cases
from drift.data import LatentSource, Loader
from drift.data.manifest import labels_of, read_manifest, runs_of
from drift.data.source import DataError
from drift.errors import InputError

MANIFEST = "manifest.json"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("made")
    cases.encoded(cases.write_folder(root / "images"), root / "cache")
    return root


@pytest.fixture
def cache(made: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage: 15 images of 3 classes in shards of 6, 6 and 3."""
    return Path(shutil.copytree(made / "cache", tmp_path / "cache"))


def edit(cache: Path, change: Callable[[dict[str, Any]], None]) -> None:
    described = json.loads((cache / MANIFEST).read_text())
    change(described)
    (cache / MANIFEST).write_text(json.dumps(described))


def test_latents_are_read_in_any_order_across_shards(cache: Path) -> None:
    shards = [load_file(path) for path in sorted(cache.glob("*.safetensors"))]
    stored = torch.cat([shard[side] for side in ("latents", "mirrored") for shard in shards])
    places = torch.randperm(30, generator=torch.Generator().manual_seed(0))
    source = LatentSource(cache)
    assert torch.equal(source.get(places), stored[places])
    assert source.get(places).dtype == torch.float32
    assert source.get(places[:0]).shape == (0, 4, 8, 8)


def test_the_pair_counts_twice_unless_only_one_is_asked_for(cache: Path) -> None:
    pair, single = LatentSource(cache), LatentSource(cache, mirror=False)
    assert pair.labels.tolist() == single.labels.tolist() * 2
    assert pair.digest != single.digest
    assert torch.equal(pair.get(torch.arange(15)), single.get(torch.arange(15)))
    with pytest.raises(InputError, match=r"places in 0 \.\. 14"):
        single.get(torch.tensor([15]))


def test_the_pair_of_a_cache_without_mirrored_latents_is_refused(
    made: Path, tmp_path: Path
) -> None:
    cases.encoded(made / "images", tmp_path / "single", mirrored=False)
    assert len(LatentSource(tmp_path / "single").labels) == 15
    with pytest.raises(DataError, match="found no mirrored latents"):
        LatentSource(tmp_path / "single", mirror=True)


def test_half_precision_is_read_as_float32_within_its_rounding(made: Path, tmp_path: Path) -> None:
    cases.encoded(made / "images", tmp_path / "half", dtype="float16")
    half = LatentSource(tmp_path / "half").get(torch.arange(30))
    full = LatentSource(made / "cache").get(torch.arange(30))
    assert torch.equal(half, full.half().float())


def test_a_flipped_byte_is_found_at_the_first_use_of_its_shard_only(cache: Path) -> None:
    path = cache / "shard-00002.safetensors"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 16
    path.write_bytes(data)
    source = LatentSource(cache)
    source.get(torch.arange(12))
    with pytest.raises(
        DataError, match=r"shard-00002\.safetensors: found sha256 .*; expected sha256"
    ):
        source.get(torch.tensor([12]))
    with pytest.raises(DataError, match="shard-00002"):
        source.verify()


def test_a_shard_replaced_during_a_run_is_checked_again(cache: Path) -> None:
    source = LatentSource(cache)
    before = source.get(torch.tensor([0, 6]))
    shutil.copy(cache / "shard-00001.safetensors", cache / "new")
    (cache / "new").replace(cache / "shard-00000.safetensors")
    with pytest.raises(DataError, match="shard-00000"):
        source.get(torch.tensor([0]))
    assert torch.equal(source.get(torch.tensor([6]))[0], before[1])


def test_a_shard_deleted_during_a_run_is_one_clear_error(cache: Path) -> None:
    source = LatentSource(cache)
    (cache / "shard-00000.safetensors").unlink()
    with pytest.raises(DataError, match=r"shard-00000\.safetensors: found No such file"):
        source.get(torch.tensor([0]))


def test_missing_and_cut_shards_are_found_at_opening(cache: Path) -> None:
    path = cache / "shard-00001.safetensors"
    data = path.read_bytes()
    path.write_bytes(data[:-1])
    with pytest.raises(DataError, match=f"found {len(data) - 1} bytes; expected {len(data)} bytes"):
        LatentSource(cache)
    path.unlink()
    with pytest.raises(DataError, match=r"shard-00001\.safetensors: found no file"):
        LatentSource(cache)


def test_an_unfinished_cache_is_refused_and_says_what_to_do(cache: Path) -> None:
    def unfinished(described: dict[str, Any]) -> None:
        described["complete"] = False
        described["shards"] = described["shards"][:2]

    edit(cache, unfinished)
    with pytest.raises(DataError, match=r"found 2 of 3 shards; .* it goes on where it stopped"):
        LatentSource(cache)


def test_labels_that_were_edited_in_the_manifest_are_not_believed(cache: Path) -> None:
    def relabelled(described: dict[str, Any]) -> None:
        described["shards"][0]["labels"] = [[1, 1], [0, 5]]

    edit(cache, relabelled)
    with pytest.raises(DataError, match=r"shard-00000.* other labels than the manifest's"):
        LatentSource(cache).get(torch.tensor([0]))


EDITS: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "another schema": (lambda d: d.update(schema="drift-latents/2"), "schema"),
    "an unknown key": (lambda d: d.update(extra=1), "extra"),
    "a path out of the folder": (
        lambda d: d["shards"][0].update(file="../shard-00000.safetensors"),
        "shards.0.file",
    ),
    "an absolute path": (lambda d: d["shards"][0].update(file="/etc/passwd"), "shards.0.file"),
    "a string for a number": (lambda d: d["shards"][0].update(count="6"), "shards.0.count"),
    "shards in another order": (lambda d: d["shards"].reverse(), "not numbered"),
    "a shard twice": (lambda d: d["shards"].append(d["shards"][-1]), "not numbered"),
    "a missing shard": (lambda d: d["shards"].pop(), "do not add up"),
    "another number of images": (lambda d: d["origin"].update(images=14), "do not add up"),
    "too few labels": (lambda d: d["shards"][0].update(labels=[[0, 5]]), "another number of rows"),
    "no labels": (lambda d: d["shards"][0].update(labels=[]), "another number of rows"),
    "a label without a class": (lambda d: d["classes"].pop(), "a label without a class"),
    "a class without an image": (lambda d: d["classes"].append("x"), "a class has no image"),
    "a short digest": (lambda d: d["shards"][0].update(sha256="ab"), "shards.0.sha256"),
    "a factor of zero": (lambda d: d["settings"].update(scaling_factor=0.0), "scaling_factor"),
    "a branch for a revision": (lambda d: d["settings"].update(vae_revision="main"), "revision"),
    "no origin": (lambda d: d["origin"].update(digest=None), "the origin no digest"),
}


@pytest.mark.parametrize("name", EDITS)
def test_a_manifest_that_contradicts_itself_is_refused(cache: Path, name: str) -> None:
    change, said = EDITS[name]
    edit(cache, change)
    with pytest.raises(DataError, match=said) as caught:
        LatentSource(cache)
    assert MANIFEST in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        '{"schema": "drift-latents/1", "schema": 1}',
        "NaN",
        "\ufeff{}",
        "[" * 9999,
    ],
)
def test_a_manifest_that_is_no_strict_json_is_refused(cache: Path, text: str) -> None:
    (cache / MANIFEST).write_text(text)
    with pytest.raises(DataError, match=MANIFEST):
        LatentSource(cache)


def test_other_shapes_than_the_manifest_states_are_refused(cache: Path) -> None:
    edit(cache, lambda d: d["settings"].update(shape=[4, 4, 16]))
    with pytest.raises(DataError, match=r"shard-00000.*found tensors"):
        LatentSource(cache).get(torch.tensor([0]))


def test_a_folder_without_a_manifest_is_no_cache(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"manifest\.json: found No such file.*drift encode"):
        LatentSource(tmp_path)


def test_the_digest_follows_the_data_and_not_the_versions(cache: Path) -> None:
    before = LatentSource(cache).digest
    edit(cache, lambda d: d["versions"].update(torch="9.9"))
    assert LatentSource(cache).digest == before
    edit(cache, lambda d: d["shards"][0].update(sha256="0" * 64))
    assert LatentSource(cache).digest != before


def test_a_loader_over_a_cache_resumes_at_its_position(cache: Path) -> None:
    source = LatentSource(cache)
    whole, labels = Loader(source, seed=4).take(70)
    first = Loader(source, seed=4)
    first.take(41)
    later, rest = Loader(LatentSource(cache), seed=4, position=first.position).take(29)
    assert torch.equal(whole[41:], later)
    assert torch.equal(labels[41:], rest)


def test_runs_of_labels_are_undone() -> None:
    for labels in ([], [0], [2, 2, 2], [0, 1, 0, 0, 3]):
        assert labels_of(runs_of(labels)) == labels


def test_the_manifest_says_what_was_encoded_how_and_by_what(cache: Path) -> None:
    manifest = read_manifest(cache)
    assert manifest.classes == ("carp", "newt", "wren")
    assert manifest.settings.vae_sha256 == cases.tokenizer().sha256
    assert manifest.settings.scaling_factor == 0.18215
    assert (manifest.settings.posterior, manifest.settings.mirrored) == ("sample", True)
    assert (manifest.settings.crop, manifest.settings.resolution) == ("adm-centre", 16)
    assert [shard.count for shard in manifest.shards] == [6, 6, 3]
    assert set(manifest.versions) == {"drift", "torch", "diffusers", "PIL"}
