"""Image folders and archives as sources: what is listed, what is read, what is refused."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from contracts.data import cases
from drift.config import load_template
from drift.data import FolderSource, Loader, folder
from drift.data import crop as cropping
from drift.data.listing import list_images
from drift.data.opening import open_source
from drift.data.source import DataError
from drift.errors import InputError


@pytest.fixture
def images(tmp_path: Path) -> Path:
    return cases.write_folder(tmp_path / "images")


def archive(path: Path, members: dict[str, bytes], mode: str = "w") -> Path:
    path.parent.mkdir(exist_ok=True)
    with tarfile.open(path, mode) as tar:
        for name, data in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return path.parent


PNG = cases.png(cases.noise(0, 20, 20))


def test_classes_are_sorted_by_name_and_kept_as_a_map(images: Path) -> None:
    source = FolderSource(images, 16)
    assert source.class_map == ("carp", "newt", "wren")
    assert source.classes == 3
    assert source.labels.tolist() == [0] * 5 + [1] * 5 + [2] * 5
    assert [entry.name for entry in source.listing.entries] == list(cases.originals())


def test_samples_are_the_files_at_their_places(images: Path) -> None:
    source = FolderSource(images, 16)
    places = torch.tensor([14, 0, 7, 0])
    expected = [cases.cropped(list(cases.originals().values())[i]) for i in places]
    assert torch.equal(source.get(places), torch.stack(expected))
    assert source.get(torch.empty(0, dtype=torch.int64)).shape == (0, 3, 16, 16)


def test_the_digest_is_the_sha256_of_the_manifest_of_files(images: Path) -> None:
    lines = b""
    for name in cases.originals():
        file = hashlib.sha256((images / name).read_bytes()).hexdigest()
        label = sorted(cases.CLASSES).index(name.split("/")[0])
        lines += f"{name}\0{file} {label}\n".encode()
    listing = list_images(images)
    assert listing.manifest_digest(listing.hashes()) == hashlib.sha256(lines).hexdigest()


def test_a_changed_byte_name_size_or_view_is_another_digest(images: Path) -> None:
    digests = {FolderSource(images, 16).digest, FolderSource(images, 16, mirror=True).digest}
    digests |= {FolderSource(images, 8).digest, FolderSource(images, 16, channels=1).digest}
    (images / "newt/4.png").rename(images / "newt/5.png")
    digests.add(FolderSource(images, 16).digest)
    data = bytearray((images / "newt/5.png").read_bytes())
    data[-1] ^= 1
    (images / "newt/5.png").write_bytes(data)
    digests.add(FolderSource(images, 16).digest)
    assert len(digests) == 6


def test_a_file_that_changes_after_the_digest_is_refused(images: Path) -> None:
    source = FolderSource(images, 16)
    assert source.digest
    other = cases.png(cases.noise(99, 16, 16))
    path = images / "carp/0.png"
    assert len(other) == path.stat().st_size, "the length must not give it away"
    path.write_bytes(other)
    with pytest.raises(DataError, match=r"carp/0\.png: found sha256 .* instead of"):
        source.get(torch.tensor([0]))
    path.write_bytes(PNG + b"more")
    with pytest.raises(DataError, match=r"carp/0\.png: found another length"):
        source.get(torch.tensor([0]))


@pytest.mark.parametrize("kept", [0, folder.KEPT_BYTES])
def test_an_image_that_changes_is_decoded_anew_and_a_kept_one_is_as_it_was(
    images: Path, monkeypatch: pytest.MonkeyPatch, kept: int
) -> None:
    monkeypatch.setattr(folder, "KEPT_BYTES", kept)
    source, place = FolderSource(images, 16, mirror=True), torch.tensor([3, 18])
    first = source.get(place)
    first.zero_()  # what a caller does to its samples is nobody else's
    entry = source.listing.entries[3]
    again = source.get(place)
    assert torch.equal(again[0], cases.cropped(cases.originals()[entry.name]))
    assert torch.equal(again[1], again[0].flip(-1))
    plain = np.full_like(cases.originals()[entry.name], 99)
    (images / entry.name).write_bytes(cases.png(plain).ljust(entry.size, b"\0"))
    assert torch.equal(source.get(place)[0], cases.cropped(plain))


def test_samples_that_do_not_fit_are_decoded_each_time(
    images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[str] = []
    square = cropping.square

    def counted(data: bytes, size: int, **more: Any) -> torch.Tensor:
        decoded.append(more["place"])
        return square(data, size, **more)

    monkeypatch.setattr(cropping, "square", counted)
    monkeypatch.setattr(folder, "KEPT_BYTES", 2 * 3 * 16 * 16 * 4)
    source = FolderSource(images, 16, workers=1)
    for _ in range(3):
        source.get(torch.arange(3))
    assert len(decoded) == 2 + 3


def test_a_place_from_the_end_is_an_error_not_another_image(images: Path) -> None:
    with pytest.raises(InputError, match=r"found \[-1, 15\]; expected places in 0 .. 14"):
        FolderSource(images, 16).get(torch.tensor([-1, 3, 15]))


def test_mirrored_pairs_double_the_places_and_an_epoch_shows_both(images: Path) -> None:
    source = FolderSource(images, 16, mirror=True)
    both = source.get(torch.tensor([3, 18]))
    assert torch.equal(both[0].flip(-1), both[1])
    drawn = Loader(source, seed=0).indices(30)
    assert sorted((drawn % 15).tolist()) == sorted([*range(15), *range(15)])


def test_grey_images_have_one_channel(images: Path) -> None:
    for path in images.rglob("*.png"):
        Image.open(path).convert("L").save(path)
    source = FolderSource(images, 16, channels=1)
    assert source.shape == (1, 16, 16)
    assert source.get(torch.tensor([1])).shape == (1, 1, 16, 16)
    source.require_grey()


def test_one_coloured_image_of_a_grey_set_is_refused_before_the_first_step(images: Path) -> None:
    for path in images.rglob("*.png"):
        grey = Image.open(path).convert("L")  # in one file with one channel, in the next with three
        (grey if path.stem in "024" else grey.convert("RGB")).save(path)
    source = FolderSource(images, 16, channels=1)
    source.require_grey()
    (images / "newt/4.png").write_bytes(cases.png(cases.noise(4, 16, 16)))
    data = load_template("digits").data.model_copy(update={"resolution": 16, "dataset": "own"})
    with pytest.raises(DataError, match=r"newt/4\.png: found an image with colours"):
        open_source(images, data, grey=True)
    assert open_source(images, data).shape == (3, 16, 16)


def test_hidden_files_are_not_data_and_folders_may_be_nested_or_linked(
    images: Path, tmp_path: Path
) -> None:
    (images / ".cache").mkdir()
    (images / "carp/.DS_Store").write_bytes(b"x")
    (images / "README").write_text("not in a class")
    (images / "carp/more").mkdir()
    (images / "carp/more/a.PNG").write_bytes(PNG)
    (images / "zander").symlink_to(images / "newt")
    source = FolderSource(images, 16)
    assert source.class_map == ("carp", "newt", "wren", "zander")
    assert torch.bincount(source.labels).tolist() == [6, 5, 5, 5]


def broken_link(images: Path) -> None:
    (images / "carp/x.png").symlink_to(images / "gone.png")


def pipe(images: Path) -> None:
    os.mkfifo(images / "carp/x.png")


def stranger(images: Path) -> None:
    (images / "carp/Thumbs.db").write_bytes(b"x")


def loose(images: Path) -> None:
    (images / "x.png").write_bytes(PNG)


def empty(images: Path) -> None:
    (images / "eel").mkdir()
    (images / "perch").mkdir()


def unnamed(images: Path) -> None:
    folder = Path(os.fsdecode(os.fsencode(images) + b"/\xff"))
    folder.mkdir()
    (folder / "a.png").write_bytes(PNG)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (broken_link, r"carp/x\.png: found something that is not a regular file"),
        (pipe, r"carp/x\.png: found something that is not a regular file"),
        (stranger, r"carp/Thumbs\.db: found a file with the suffix '.db'"),
        (loose, "1 images that are in no class: 'x.png'"),
        (empty, "2 of 5 classes without an image: 'eel', 'perch'"),
        (unnamed, "class name .* expected UTF-8"),
    ],
)
def test_what_is_no_image_of_a_class_is_named(images: Path, damage: object, said: str) -> None:
    damage(images)  # type: ignore[operator]
    with pytest.raises(DataError, match=said):
        FolderSource(images, 16)


def test_a_missing_folder_and_a_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere: found no such folder"):
        FolderSource(tmp_path / "nowhere", 16)
    (tmp_path / "file").write_bytes(PNG)
    with pytest.raises(DataError, match="file: found a file; expected a folder"):
        FolderSource(tmp_path / "file", 16)
    (tmp_path / "bare").mkdir()
    with pytest.raises(DataError, match="bare: found no folders"):
        FolderSource(tmp_path / "bare", 16)


def test_an_archive_gives_the_samples_of_its_members(tmp_path: Path) -> None:
    source = FolderSource(cases.write_archive(tmp_path / "tars"), 16)
    assert source.labels.tolist() == [0, 1, 2] * 5
    names = list(cases.originals())
    expected = [cases.originals()[names[5 * (i % 3) + i // 3]] for i in range(15)]
    assert torch.equal(
        source.get(torch.arange(15)), torch.stack([cases.cropped(levels) for levels in expected])
    )
    assert source.digest == FolderSource(tmp_path / "tars", 16).digest


def test_members_with_other_suffixes_are_metadata(tmp_path: Path) -> None:
    members = {"a/0.json": b"{}", "a/0.cls": b"0\n", "a/0.JPG": PNG, "a/1.txt": b"x"}
    assert len(list_images(archive(tmp_path / "t/0.tar", members))) == 1


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({"0.png": PNG}, r"'0': found an image without a \.cls"),
        ({"0.cls": b"0"}, r"'0': found an image without a \.cls"),
        ({"0.png": PNG, "0.jpg": PNG, "0.cls": b"0"}, "a key that occurs twice"),
        ({"0.png": PNG, "0.cls": b"-1"}, r"0\.cls'?: found '-1'; expected a class index"),
        ({"0.png": PNG, "0.cls": "²".encode()}, "expected a class index"),
        ({"0.png": PNG, "0.cls": b"9" * 400}, "expected a class index"),
        ({"0.png": PNG, "0.cls": b"2"}, "2 of 3 classes without an image"),
        ({"notes.txt": b"x"}, "archives without an image"),
    ],
)
def test_a_hostile_archive_is_refused(tmp_path: Path, members: dict[str, bytes], said: str) -> None:
    with pytest.raises(DataError, match=said):
        list_images(archive(tmp_path / "t/0.tar", members))


def test_a_compressed_or_cut_archive_is_refused(tmp_path: Path) -> None:
    members = {"0.png": PNG, "0.cls": b"0"}
    with pytest.raises(DataError, match="no whole tar archive"):
        list_images(archive(tmp_path / "z/0.tar", members, "w:gz"))
    root = archive(tmp_path / "t/0.tar", members)
    (root / "0.tar").write_bytes((root / "0.tar").read_bytes()[:800])
    with pytest.raises(DataError, match="no whole tar archive"):
        list_images(root)


def test_a_link_in_an_archive_is_not_followed(tmp_path: Path) -> None:
    root = archive(tmp_path / "t/0.tar", {"0.cls": b"0"})
    with tarfile.open(root / "0.tar", "a") as tar:
        entry = tarfile.TarInfo("0.png")
        entry.type, entry.linkname = tarfile.SYMTYPE, "/etc/hostname"
        tar.addfile(entry)
    with pytest.raises(DataError, match="a member that is not a regular file"):
        list_images(root)
