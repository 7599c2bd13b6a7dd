"""Samples given by hand: every array that would be clipped, rounded or left out is refused."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from drift.errors import DriftError
from drift.evaluate import sources
from drift.sample import output

LEVELS = np.random.default_rng(0).integers(0, 256, (6, 8, 8, 3)).astype(np.uint8)
SIGNED = torch.from_numpy(LEVELS).permute(0, 3, 1, 2).contiguous().float() / 127.5 - 1
NUMBERS = np.arange(6) % 3


def wrong_samples() -> dict[str, torch.Tensor]:
    spoilt = SIGNED.clone()
    spoilt[4, 0, 0, 0] = float("nan")
    beyond = SIGNED.clone()
    beyond[5, 0, 0, 0] = 1.2
    return {
        "0 to 255": (SIGNED + 1) * 127.5,
        "0 to 1": (SIGNED + 1) / 2,
        "half the scale": SIGNED / 2,
        "standardised": SIGNED * 2.2,
        "overshoot in the last sample": beyond,
        "nan": spoilt,
        "int16": (SIGNED * 100).to(torch.int16),
        "int8": (SIGNED * 100).to(torch.int8),
        "int64": (SIGNED * 100).to(torch.int64),
        "channels last": SIGNED.permute(0, 2, 3, 1).contiguous(),
        "four channels": torch.zeros(6, 4, 8, 8),
        "one image": SIGNED[0],
        "none": SIGNED[:0],
    }


@pytest.mark.parametrize("kind", wrong_samples())
def test_tensors_of_another_kind_are_refused_with_file_and_field(tmp_path: Path, kind: str) -> None:
    save_file({"samples": wrong_samples()[kind]}, tmp_path / "s.safetensors")
    with pytest.raises(DriftError, match=r"s\.safetensors: samples: found "):
        sources.from_path(tmp_path / "s.safetensors")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_tensors_of_the_stated_scale_are_measured(tmp_path: Path, dtype: torch.dtype) -> None:
    labels = torch.from_numpy(NUMBERS).to(torch.int32)
    save_file({"samples": SIGNED.to(dtype), "labels": labels}, tmp_path / "s.safetensors")
    pixels, found = zip(*sources.from_path(tmp_path / "s.safetensors").batches(), strict=True)
    assert torch.cat(pixels).dtype == torch.uint8
    assert torch.cat(found).tolist() == NUMBERS.tolist()


def test_what_the_sampler_wrote_may_overshoot(tmp_path: Path) -> None:
    wide = SIGNED * 1.5
    labels = torch.from_numpy(NUMBERS)
    with output.safetensors(
        tmp_path / "s.safetensors", tuple(wide.shape), labels, {"seeds": [0]}
    ) as write:
        write(wide)
    assert sources.from_path(tmp_path / "s.safetensors").count == 6


WRONG_LABELS = {
    "short": NUMBERS[:5],
    "long": np.arange(7) % 3,
    "one-hot": np.eye(3)[NUMBERS],
    "one-hot of integers": np.eye(3, dtype=np.int64)[NUMBERS],
    "fractional": NUMBERS + 0.5,
    "whole but floating": NUMBERS.astype(np.float32),
    "a column": NUMBERS[:, None],
    "a number": np.int64(1),
    "negative": NUMBERS - 1,
    "huge": NUMBERS + 10**12,
    "beyond int64": NUMBERS.astype(np.uint64) + np.uint64(2**63),
    "booleans": NUMBERS == 1,
    "text": np.array(["a"] * 6),
    "objects": np.array([1, 2, 3, 1, 2, None]),
}


@pytest.mark.parametrize("kind", WRONG_LABELS)
def test_labels_of_another_kind_are_refused_with_file_and_field(tmp_path: Path, kind: str) -> None:
    np.savez(tmp_path / "s.npz", LEVELS, WRONG_LABELS[kind])
    with pytest.raises(DriftError, match=r"s\.npz: arr_1: found "):
        sources.from_path(tmp_path / "s.npz")


@pytest.mark.parametrize("kind", ["short", "one-hot", "fractional", "negative", "huge"])
def test_labels_beside_tensors_are_held_to_the_same(tmp_path: Path, kind: str) -> None:
    labels = torch.from_numpy(np.ascontiguousarray(WRONG_LABELS[kind]))
    save_file({"samples": SIGNED, "labels": labels}, tmp_path / "s.safetensors")
    with pytest.raises(DriftError, match=r"s\.safetensors: labels: found "):
        sources.from_path(tmp_path / "s.safetensors")


@pytest.mark.parametrize(
    "array",
    [
        LEVELS.astype(np.float32) / 255,
        LEVELS.astype(np.int16),
        LEVELS.transpose(0, 3, 1, 2),
        np.asfortranarray(LEVELS),
        LEVELS[..., :2],
        LEVELS[:0],
    ],
)
def test_arrays_of_another_kind_are_refused_with_file_and_field(
    tmp_path: Path, array: np.ndarray
) -> None:
    np.savez(tmp_path / "s.npz", array)
    with pytest.raises(DriftError, match=r"s\.npz: arr_0: found "):
        sources.from_path(tmp_path / "s.npz")


def says(shape: tuple[int, ...], name: str = "arr_0.npy") -> bytes:
    """A .npz whose header states another shape than its bytes have."""
    member, stream = io.BytesIO(), io.BytesIO()
    head = {"descr": "|u1", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(member, head)
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(name, member.getvalue() + LEVELS.tobytes())
    return stream.getvalue()


def whole(**arrays: np.ndarray) -> bytearray:
    stream = io.BytesIO()
    np.savez(stream, LEVELS, **arrays)
    return bytearray(stream.getvalue())


def flipped(at: int) -> bytes:
    data = whole()
    data[at] ^= 255
    return bytes(data)


@pytest.mark.parametrize(
    "data",
    [
        says((100, 8, 8, 3)),
        says((5, 8, 8, 3)),
        says((6, 8, 8, 3), "samples.npy"),
        says((10**9, 10**5, 10**5, 3)),
        flipped(600),
        bytes(whole()[:-30]),
        bytes(whole()[:500]),
        b"PK",
        b"",
    ],
    ids=["more", "fewer", "renamed", "huge", "a byte", "no directory", "cut", "two bytes", "empty"],
)
def test_a_damaged_archive_is_one_error_before_anything_is_measured(
    tmp_path: Path, data: bytes
) -> None:
    (tmp_path / "s.npz").write_bytes(data)
    with pytest.raises(DriftError, match=r"s\.npz"):
        sources.from_path(tmp_path / "s.npz")


def test_arrays_that_are_not_looked_at_are_named(tmp_path: Path) -> None:
    (tmp_path / "s.NPZ").write_bytes(whole(labels=NUMBERS))
    found = sources.from_path(tmp_path / "s.NPZ")
    assert found.notes == ("1 arrays left out: 'labels.npy'",)
    save_file({"samples": SIGNED, "y": torch.zeros(6)}, tmp_path / "s.safetensors")
    assert sources.from_path(tmp_path / "s.safetensors").notes == ("1 tensors left out: 'y'",)


def test_a_file_that_is_cut_after_it_was_opened_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "s.npz").write_bytes(whole())
    images = sources.from_path(tmp_path / "s.npz")
    (tmp_path / "s.npz").write_bytes(bytes(whole()[:500]))
    with pytest.raises(DriftError, match=r"s\.npz: found a file that cannot be read"):
        list(images.batches())


@pytest.mark.parametrize("wrong", [(SIGNED + 1) * 127.5, (SIGNED + 1) / 2, SIGNED * 100])
def test_a_file_that_calls_itself_the_samplers_is_of_no_other_scale(
    tmp_path: Path, wrong: torch.Tensor
) -> None:
    facts = {"schema": output.SCHEMA, "facts": '{"classes": 3}'}
    save_file({"samples": wrong}, tmp_path / "s.safetensors", metadata=facts)
    with pytest.raises(DriftError, match="samples: found values from"):
        sources.from_path(tmp_path / "s.safetensors")


@pytest.mark.parametrize(
    ("facts", "place"),
    [
        ("[1]", "facts: found"),
        ('{"alpha": NaN}', "facts: found the number NaN"),
        ('{"alpha": 1e999}', "beyond the range"),
        ('{"alpha": 1, "alpha": 2}', "twice in one object"),
        ('{"alpha":', "strict JSON"),
        ('{"classes": "a"}', "facts: classes: found"),
        ('{"classes": true}', "facts: classes: found"),
        ('{"classes": -3}', "facts: classes: found"),
        ('{"class_names": 5}', "facts: class_names: found"),
        ('{"class_names": [1, 2]}', "facts: class_names: found"),
        ('{"tokenizer": 3}', "facts: tokenizer: found"),
        ('{"dataset": []}', "facts: dataset: found"),
        ('{"bypasses": 5}', "facts: bypasses: found"),
        ('{"bypasses": "none"}', "facts: bypasses: found"),
    ],
)
@pytest.mark.parametrize("kind", ["npz", "safetensors"])
def test_facts_of_another_kind_are_refused_with_their_name(
    tmp_path: Path, facts: str, place: str, kind: str
) -> None:
    path = tmp_path / f"s.{kind}"
    if kind == "npz":
        path.write_bytes(whole())
        with zipfile.ZipFile(path, "a") as archive:
            archive.comment = facts.encode() if facts.startswith("{") else b"{" + facts.encode()
        place = place if facts.startswith("{") else "strict JSON"
    else:
        save_file({"samples": SIGNED}, path, metadata={"schema": output.SCHEMA, "facts": facts})
    with pytest.raises(DriftError, match=place):
        sources.from_path(path)


def test_labels_beyond_the_names_of_their_classes_are_refused() -> None:
    pixels = torch.from_numpy(LEVELS).permute(0, 3, 1, 2)
    found = sources.Images(
        6, lambda: [(pixels, torch.from_numpy(NUMBERS))], "", {"class_names": ["a", "b"]}
    )
    with pytest.raises(
        DriftError, match="labels: found class 2; expected one of its own 2 classes"
    ):
        list(sources.named(found, ("a", "b", "c"), "x").batches())


@pytest.mark.parametrize("kind", ["npz", "folder"])
def test_bytes_on_a_scale_from_0_to_1_are_refused(tmp_path: Path, kind: str) -> None:
    """Floats in [0, 1] that were cast to bytes are black with a few dots; all black is measured."""
    for name, levels in {"dots": LEVELS > 128, "black": LEVELS < 0}.items():
        if kind == "npz":
            np.savez(tmp_path / f"{name}.npz", levels.astype(np.uint8))
            found = sources.from_path(tmp_path / f"{name}.npz")
        else:
            (tmp_path / name).mkdir()
            for i, image in enumerate(levels.astype(np.uint8)):
                Image.fromarray(image).save(tmp_path / name / f"{i}.png")
            found = sources.from_path(tmp_path / name)
        if name == "black":
            list(found.batches())
            continue
        with pytest.raises(DriftError, match="levels of 0 and 1 only"):
            list(found.batches())


@pytest.mark.parametrize("name", ["arr_0.npy", "arr_1.npy"])
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_an_array_that_is_there_twice_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "s.npz"
    np.savez(path, LEVELS, NUMBERS)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(name, archive.read(name))
    with pytest.raises(DriftError, match=rf"s\.npz: {name[:5]}: found .* expected one array"):
        sources.from_path(path)


@pytest.mark.parametrize("more", [-8, 8, 1, 8 * 6])
def test_labels_of_another_length_than_their_header_says_are_refused(
    tmp_path: Path, more: int
) -> None:
    path, stream = tmp_path / "s.npz", io.BytesIO()
    np.save(stream, NUMBERS)
    np.savez(path, LEVELS)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("arr_1.npy", (stream.getvalue() + bytes(100))[: more - 100])
    with pytest.raises(DriftError, match=rf"s\.npz: arr_1: found {48 + more} bytes; expected 48"):
        sources.from_path(path)
