"""drift.artifacts.stamping: metadata patched in place, no tensor byte touched."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from safetensors.torch import save_file

from contracts.artifact.cases import (
    generator,
    saved,
)
from drift.artifacts import schema, stamping
from drift.artifacts.errors import ArtifactError
from drift.artifacts.header import data_chunks, read_header
from drift.artifacts.stamping import stamp
from drift.artifacts.store import load_artifact


def data_of(path: Path) -> bytes:
    return b"".join(data_chunks(read_header(path)))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("architecture", "drift-generator"),
        ("width", "32"),
        ("depth", "2"),
        ("patch_size", "2"),
        ("in_channels", "4"),
        ("source_sha256", "ab" * 32),
        ("source_layout", "flax-msgpack"),
        ("weights", "raw"),
        ("template", "latent-b2@0123"),
        ("data", "digits@0123"),
        ("created", "2026-11-21T10:00:00+00:00"),
        ("tokenizer", "stabilityai/sd-vae-ft-mse@" + "0" * 40),
        ("evaluation", '{"axis":"proxy","metric":"fid","samples":5000,"value":30.5}'),
        ("tier", "C"),
        ("licence", "MIT"),
    ],
)
def test_a_stamp_sets_its_field_and_touches_no_other_and_no_tensor_byte(
    tmp_path: Path, field: str, value: str
) -> None:
    path = saved(tmp_path, generator())
    before, data = dict(read_header(path).metadata or {}), data_of(path)
    result = stamp(path, {field: value})
    after = dict(read_header(path).metadata or {})
    assert data_of(path) == data
    assert result.data_sha256 == hashlib.sha256(data).hexdigest()
    assert after[field] == value
    assert json.loads(after.pop("stamped")) == [field]
    after.pop(field)
    before.pop(field, None)
    assert after == before
    load_artifact(path, require_metadata=True)


def test_stamps_add_up_and_a_later_one_replaces(tmp_path: Path) -> None:
    path = saved(tmp_path, generator())
    stamp(path, {"licence": "MIT"})
    stamp(path, {"tier": "C", "licence": "BSD-3-Clause"})
    metadata = read_header(path).metadata or {}
    assert metadata["licence"] == "BSD-3-Clause"
    assert json.loads(metadata["stamped"]) == ["licence", "tier"]


@pytest.mark.parametrize(
    ("patch", "message"),
    [
        ({}, "an empty patch"),
        ({"nonsense": "1"}, "the field 'nonsense'"),
        ({"probe": "{}"}, "the field 'probe'"),
        ({"tensors_sha256": "0" * 64}, "the field 'tensors_sha256'"),
        ({"width": ""}, "width"),
        ({"width": "-64"}, "width"),
        ({"width": "6.4e1"}, "width"),
        ({"width": "9" * 5000}, "width"),
        ({"licence": ""}, "licence"),
        ({"licence": "a\nb"}, "licence"),
        ({"tier": "S"}, "tier"),
        ({"created": "yesterday"}, "created"),
        ({"created": "2026-11-21T10:00:00"}, "created"),
        ({"config": "[1]"}, "config"),
        ({"evaluation": '{"axis": "fid"}'}, "evaluation"),
        ({"source_sha256": "abc"}, "source_sha256"),
        ({"blocks": "[1,two]"}, "blocks"),
        ({"licence": "MIT", "width": "x"}, "width"),
    ],
)
def test_a_stamp_that_says_nothing_or_nonsense_leaves_the_file_as_it_is(
    tmp_path: Path, patch: dict[str, str], message: str
) -> None:
    path = saved(tmp_path, generator())
    before = path.read_bytes()
    with pytest.raises(ArtifactError, match=message):
        stamp(path, patch)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_a_stamp_whose_copy_differs_replaces_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved(tmp_path, generator())
    before = path.read_bytes()
    real = stamping.data_chunks

    def broken(header: object, *args: object) -> object:
        for chunk in real(header, *args):  # type: ignore[arg-type]
            flip = header.path != path  # type: ignore[attr-defined]
            yield bytes([chunk[0] ^ 1]) + chunk[1:] if flip else chunk

    # the copy does not hold what was written to it, as on a failing disk
    monkeypatch.setattr(stamping, "data_chunks", broken)
    with pytest.raises(ArtifactError, match="other tensor bytes"):
        stamp(path, {"licence": "MIT"})
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_a_stamp_keeps_the_files_permissions(tmp_path: Path) -> None:
    path = saved(tmp_path, generator())
    path.chmod(0o640)
    stamp(path, {"licence": "MIT"})
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_bare_file_can_be_stamped(tmp_path: Path) -> None:
    path = tmp_path / "bare.safetensors"
    save_file(generator().state_dict(), path)
    stamp(path, {"width": "32", "licence": "MIT"})
    assert (read_header(path).metadata or {})["schema"] == schema.SCHEMA
