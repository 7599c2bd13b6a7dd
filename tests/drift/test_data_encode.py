"""`drift encode`: the command, what it refuses, and what a kill leaves behind."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import torch

from contracts.data import cases
from drift import cli
from drift.data import LatentSource, encode, posterior, tokenizer
from drift.data.source import DataError

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("encode")
    cases.write_folder(root / "images")
    cases.tokenizer().model.save_pretrained(root / "vae")
    return root


def arguments(root: Path, out: Path, *more: str) -> list[str]:
    """The smallest run: 15 images in shards of 6."""
    small = ("--vae", str(root / "vae"), "--resolution", "16", "--per-shard", "6", "--batch", "4")
    return ["encode", str(root / "images"), "--out", str(out), "--device", "cpu", *small, *more]


def test_a_cache_is_made_kept_and_the_same_again(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(arguments(root, tmp_path / "a")) == 0
    said = capsys.readouterr()
    assert "15 images of 3 classes in 3 shards" in said.out
    assert "15 of 15, " in said.err
    first = cases.contents(tmp_path / "a")
    assert cli.run(arguments(root, tmp_path / "a")) == 0
    assert "3 of 3 finished shards verified and kept" in capsys.readouterr().err
    assert cli.run(arguments(root, tmp_path / "b", "--workers", "1")) == 0
    assert cases.contents(tmp_path / "a") == cases.contents(tmp_path / "b") == first
    source = LatentSource(tmp_path / "a")
    source.verify()
    assert source.manifest.settings.vae == "local:vae"
    assert source.manifest.settings.vae_sha256 == cases.tokenizer().sha256


def test_a_dry_run_counts_measures_and_writes_nothing(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(arguments(root, tmp_path / "a", "--dry-run", "--dtype", "float16")) == 0
    out = capsys.readouterr().out
    # two latents of 4x8x8 in two bytes, a label of 8 and a digest of 32
    assert f"{15 * (2 * 256 * 2 + 40):,} bytes" in out
    assert "3 shards" in out
    assert "images/s, measured on 4 images on cpu" in out
    assert not (tmp_path / "a").exists()


def test_the_size_that_is_announced_is_the_size_that_is_written(tmp_path: Path, root: Path) -> None:
    from drift.data.latents import image_bytes

    manifest = cases.encoded(root / "images", tmp_path / "a")
    headers = 8 * len(manifest.shards)
    for shard in manifest.shards:
        headers += int.from_bytes((tmp_path / "a" / shard.file).read_bytes()[:8], "little")
    written = sum(shard.bytes for shard in manifest.shards)
    assert written == 15 * image_bytes(manifest.settings) + headers


def test_other_settings_or_images_do_not_go_on_with_a_cache(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(arguments(root, tmp_path / "a")) == 0
    before = cases.contents(tmp_path / "a")
    assert cli.run(arguments(root, tmp_path / "a", "--seed", "1", "--posterior", "mean")) == 2
    message = capsys.readouterr().err
    assert "settings.seed is 0 in the cache, 1 here" in message
    assert "settings.posterior is 'sample' in the cache, 'mean' here" in message
    shutil.copytree(root / "images", tmp_path / "images")
    (tmp_path / "images/newt/9.png").write_bytes(cases.png(cases.noise(0, 20, 20)))
    with pytest.raises(DataError, match=r"origin\.images is 15 in the cache, 16 here"):
        cases.encoded(tmp_path / "images", tmp_path / "a", per_shard=6)
    assert cases.contents(tmp_path / "a") == before


def test_where_it_is_piped_progress_is_that_of_training_and_says_what_was_there(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(arguments(root, tmp_path / "a")) == 0
    said = [one for one in capsys.readouterr().err.splitlines() if one.startswith("encode ")]
    assert said[0] == "encode images: 0 of 15"
    assert re.fullmatch(r"encode images: 15 of 15, [0-9.,e+]+ images/s, 0 s left", said[-1])
    assert cli.run(arguments(root, tmp_path / "a")) == 0
    assert "encode images: 15 of 15\n" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--vae", "stabilityai/sd-vae-ft-ema"), "--revision: found none; expected a commit"),
        (("--vae", "a/b", "--revision", "main"), "--revision: found main"),
        (("--vae", "a/b", "--revision", "A" * 40), "40 hexadecimal digits in lower case"),
        (("--vae", "no such folder"), "--vae: found 'no such folder'"),
        (("--revision", "0" * 40), "--revision: found 000"),
        (("--resolution", "17"), "--resolution: found 17; expected a multiple of 2"),
        (("--device", "cuda:99"), "--device: found cuda:99"),
    ],
)
def test_bad_options_are_refused_before_anything_is_written(
    root: Path, tmp_path: Path, more: tuple[str, str], said: str,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    assert cli.run(arguments(root, tmp_path / "a", *more)) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "a").exists()


def test_the_default_is_the_pinned_tokenizer_and_no_network_is_one_clear_error(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    asked = []
    monkeypatch.setattr(tokenizer, "_load", lambda vae, revision, offline: asked.append(
        (vae, revision)) or cases.tokenizer().model)  # fmt: skip
    opened = tokenizer.open_tokenizer()
    assert asked == [("stabilityai/sd-vae-ft-mse", "31f26fdeee1355a5c34592e401dd41e45d25a493")]
    assert (opened.revision, opened.scaling_factor) == (asked[0][1], 0.18215)
    monkeypatch.undo()
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(DataError, match=r"autoencoder stabilityai/sd-vae-ft-mse: found .* --vae"):
        tokenizer.open_tokenizer(offline=True)


def edited(root: Path, tmp_path: Path, **changes: object) -> Path:
    """A copy of the autoencoder with another configuration."""
    copy = Path(shutil.copytree(root / "vae", tmp_path / "vae"))
    config = json.loads((copy / "config.json").read_text()) | changes
    (copy / "config.json").write_text(json.dumps(config))
    return copy


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"layers_per_block": 2}, "missing_keys"),
        ({"latent_channels": 8}, "expected config.json and"),
        ({"shift_factor": 0.1}, "shift_factor: found 0.1; expected none"),
        ({"block_out_channels": "x"}, "expected config.json and"),
    ],
)
def test_parameters_that_do_not_fit_their_configuration_are_refused(
    root: Path, tmp_path: Path, changes: dict[str, object], said: str
) -> None:
    """diffusers would go on with random numbers in place of what is missing."""
    with pytest.raises(DataError, match=said):
        tokenizer.open_tokenizer(str(edited(root, tmp_path, **changes)))


def test_a_pickle_is_never_loaded(root: Path, tmp_path: Path) -> None:
    copy = edited(root, tmp_path)
    weights = copy / "diffusion_pytorch_model.safetensors"
    torch.save(cases.tokenizer().model.state_dict(), copy / "diffusion_pytorch_model.bin")
    weights.unlink()
    with pytest.raises(DataError, match=r"diffusion_pytorch_model\.safetensors"):
        tokenizer.open_tokenizer(str(copy))


def test_a_damaged_image_stops_with_its_name_and_keeps_finished_shards(
    root: Path, tmp_path: Path
) -> None:
    images = Path(shutil.copytree(root / "images", tmp_path / "images"))
    good = (images / "wren/2.png").read_bytes()
    (images / "wren/2.png").write_bytes(b"\0" * len(good))
    with pytest.raises(DataError, match=r"wren/2\.png: found no usable image"):
        cases.encoded(images, tmp_path / "a")
    names = ["manifest.json", "shard-00000.safetensors", "shard-00001.safetensors"]
    assert sorted(cases.contents(tmp_path / "a")) == names
    (images / "wren/2.png").write_bytes(good)
    cases.encoded(images, tmp_path / "a")
    cases.encoded(root / "images", tmp_path / "b")
    assert cases.contents(tmp_path / "a") == cases.contents(tmp_path / "b")


def test_a_damaged_first_image_leaves_no_folder(root: Path, tmp_path: Path) -> None:
    images = Path(shutil.copytree(root / "images", tmp_path / "images"))
    (images / "carp/0.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"carp/0\.png"):
        cases.encoded(images, tmp_path / "a/b")
    assert not (tmp_path / "a/b").exists()


def test_a_latent_that_is_not_finite_names_its_image(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """65,520 is infinite in float16."""
    monkeypatch.setattr(posterior, "scaled", lambda latents, factor: latents * 1e6)
    with pytest.raises(DataError, match=r"carp/0\.png: found a latent that is not finite in torch"):
        cases.encoded(root / "images", tmp_path / "a", dtype="float16")


def test_a_disk_that_is_too_small_is_found_before_any_work(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encode, "free_bytes", lambda out: 1000)
    monkeypatch.setattr(encode, "shard_tensors", None)
    with pytest.raises(DataError, match="found 1,000 bytes free; expected 31,320 bytes for 15"):
        cases.encoded(root / "images", tmp_path / "a")
    assert not (tmp_path / "a").exists()


def test_a_folder_of_somebody_else_is_left_alone(root: Path, tmp_path: Path) -> None:
    """Also its hidden temporary files: only a cache is swept of what killed writers left."""
    (tmp_path / "thesis.tex").write_text("x")
    (tmp_path / ".thesis.tex.tmp").write_text("x")
    with pytest.raises(DataError, match=r"found 'thesis\.tex' and no manifest"):
        cases.encoded(root / "images", tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".thesis.tex.tmp", "thesis.tex"]


def test_two_encoders_do_not_write_to_one_folder(root: Path, tmp_path: Path) -> None:
    descriptor = os.open(tmp_path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        with pytest.raises(DataError, match="another `drift encode` at work"):
            cases.encoded(root / "images", tmp_path)
    finally:
        os.close(descriptor)
    cases.encoded(root / "images", tmp_path)


def test_archives_are_encoded_under_their_labels(tmp_path: Path) -> None:
    cases.encoded(cases.write_archive(tmp_path / "tars"), tmp_path / "a", mirrored=False)
    source = LatentSource(tmp_path / "a")
    assert source.labels.tolist() == [0, 1, 2] * 5
    assert source.class_map == ("0", "1", "2")


def test_exact_convolutions_return_the_callers_choice() -> None:
    before = torch.backends.cudnn.conv.fp32_precision
    with posterior.exact_convolutions():
        assert torch.backends.cudnn.conv.fp32_precision == "ieee"
    assert torch.backends.cudnn.conv.fp32_precision == before


KILLED = """
    import os, signal, sys
    from drift import cli
    from drift.state import atomic

    calls = [0]

    def killed(descriptor, original=os.fsync):
        calls[0] += 1
        if calls[0] == int(sys.argv[1]):
            os.kill(os.getpid(), signal.SIGKILL)
        original(descriptor)

    atomic.os.fsync = killed  # after the bytes are written, before the name
    sys.exit(cli.run(sys.argv[2:]))
"""


def test_kill_9_inside_a_write_leaves_no_half_shard(root: Path, tmp_path: Path) -> None:
    """Killed while the third file, the second shard, is written; then the same command again."""
    cases.encoded(root / "images", tmp_path / "whole")
    out = tmp_path / "killed"
    # per file two calls of fsync, of the file and of the folder: the fifth is the second shard's
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(KILLED), "5", *arguments(root, out)],
        capture_output=True, env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert run.returncode == -signal.SIGKILL, run.stderr
    left = cases.contents(out)
    temporary = [name for name in left if name.endswith(".tmp")]
    assert len(temporary) == 1
    assert sorted(left.keys() - temporary) == ["manifest.json", "shard-00000.safetensors"]
    with pytest.raises(DataError, match="found 1 of 3 shards"):
        LatentSource(out)
    assert cli.run(arguments(root, out)) == 0
    whole = cases.contents(tmp_path / "whole")
    shards = {name: data for name, data in cases.contents(out).items() if name != "manifest.json"}
    assert shards == {name: data for name, data in whole.items() if name != "manifest.json"}
