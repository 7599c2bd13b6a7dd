"""One reader of image folders: what is refused, what is skipped by name, whose label is whose."""

from __future__ import annotations

import io
import os
import struct
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from contracts.data import cases
from drift.data import crop
from drift.data.classes import class_order, places_of
from drift.data.listing import list_images
from drift.data.source import DataError
from drift.evaluate import given, sources

PNG = cases.png(cases.noise(0, 20, 20))


def shard(first: int = 0, count: int = 5, **more: bytes) -> bytearray:
    """A whole archive of `count` images; `more` are further members."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        members = {f"{i:03d}.png": PNG for i in range(first, first + count)}
        members |= {f"{i:03d}.cls": b"0" for i in range(first, first + count)}
        for name, data in (members | more).items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return bytearray(stream.getvalue())


AT = 2 * (512 + -(-len(PNG) // 512) * 512)  # the header of the third member
END = max(i for i, byte in enumerate(shard()) if byte) // 512 * 512 + 512


def flipped(data: bytearray) -> bytes:
    data[AT + 150] ^= 1
    return bytes(data)


def noisy(data: bytearray) -> bytes:
    data[AT : AT + 512] = np.random.default_rng(0).integers(1, 256, 512, dtype=np.uint8).tobytes()
    return bytes(data)


DAMAGES: dict[str, Callable[[bytearray], bytes]] = {
    "a bit of a header": flipped,
    "a header of noise": noisy,
    "a block of zeros": lambda data: bytes(data[:AT]) + bytes(512) + bytes(data[AT + 512 :]),
    "zeros for a member": lambda data: bytes(data[:AT]) + bytes(1024) + bytes(data[AT + 1024 :]),
    "cut before a header": lambda data: bytes(data[:AT]),
    "cut within a header": lambda data: bytes(data[: AT + 300]),
    "cut within a member": lambda data: bytes(data[: AT + 600]),
    "cut before the end": lambda data: bytes(data[:END]),
    "half of the end": lambda data: bytes(data[: END + 512]),
    "joined with another": lambda data: bytes(data + shard(5)),
    "joined without the end": lambda data: bytes(data[:END]) + b"x" * 512 + bytes(1024),
    "a tail of a lost download": lambda data: bytes(data) + bytes(2 << 20),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_an_archive_that_cannot_be_read_to_its_end_is_refused(tmp_path: Path, damage: str) -> None:
    """tarfile takes a header it cannot read for the end: 10 images became 4, with exit 0."""
    (tmp_path / "s.tar").write_bytes(DAMAGES[damage](shard()))
    with pytest.raises(DataError, match=r"s\.tar: found .* expected one whole"):
        list_images(tmp_path)


def test_an_archive_that_lost_all_its_members_is_refused_among_whole_ones(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(shard())
    (tmp_path / "b.tar").write_bytes(bytes(10240))
    with pytest.raises(DataError, match=r"b\.tar: found one of 2 archives without an image"):
        list_images(tmp_path)


@pytest.mark.parametrize("padding", [1024, 10240, 65536])
def test_a_whole_archive_is_read_however_its_end_is_filled_up(tmp_path: Path, padding: int) -> None:
    (tmp_path / "S.TAR").write_bytes(bytes(shard()[:END]) + bytes(padding))
    assert len(list_images(tmp_path)) == 5


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"./000.png": PNG}, "a key that occurs twice"),
        ({"../9.png": PNG, "../9.cls": b"0"}, "an absolute name or one with"),
        ({"/tmp/9.png": PNG, "/tmp/9.cls": b"0"}, "an absolute name or one with"),
        ({"a.v2.png": PNG, "a.v2.cls": b"0"}, r"'a': found an image without a \.cls"),
    ],
)
def test_names_that_would_lose_an_image_are_refused(
    tmp_path: Path, more: dict[str, bytes], said: str
) -> None:
    (tmp_path / "s.tar").write_bytes(shard(**more))
    with pytest.raises(DataError, match=said):
        list_images(tmp_path)


def test_other_members_of_an_image_are_named_as_left_out(tmp_path: Path) -> None:
    (tmp_path / "s.tar").write_bytes(shard(**{"000.json": b"{}", "000.seg.png": PNG}))
    assert set(list_images(tmp_path).skipped) == {"s.tar/000.json", "s.tar/000.seg.png"}


def folders(root: Path, *names: str, images: int = 2) -> Path:
    for label, name in enumerate(names):
        (root / name).mkdir(parents=True)
        for i in range(images):
            (root / name / f"{i}.png").write_bytes(cases.png(cases.noise(10 * label + i, 16, 16)))
    return root


def put(name: str, data: bytes = b"x") -> Callable[[Path], None]:
    return lambda root: (root / name).write_bytes(data) and None


STRANGERS: dict[str, tuple[Callable[[Path], object], str]] = {
    "an archive beside classes": (put("s.tar", bytes(shard())), "1 archives .* beside 2 folders"),
    "a compressed archive": (put("s.tar.gz"), r"s\.tar\.gz: found a file with the suffix"),
    "a zip": (put("s.ZIP"), "suffix"),
    "a loose image": (put("x.PNG", PNG), "images that are in no class"),
    "a loose tiff": (put("x.tiff"), "suffix '.tiff'"),
    "a tiff in a class": (put("a/x.TIF"), "suffix '.TIF'"),
    "an animation": (put("a/x.gif"), "suffix '.gif'"),
    "a dangling link": (lambda r: (r / "a/x.png").symlink_to("no"), "not a regular file"),
    "a link to itself": (lambda r: (r / "a/x.png").symlink_to("x.png"), "not a regular file"),
    "a dangling class": (lambda r: (r / "c").symlink_to("no"), "c: found something"),
    "a pipe": (lambda r: os.mkfifo(r / "a/x.png"), "not a regular file"),
    "a loose pipe": (lambda r: os.mkfifo(r / "pipe"), "not a regular file"),
    "a loop": (lambda r: (r / "a/again").symlink_to(r / "a"), "in which it lies itself"),
    "a loop to the top": (lambda r: (r / "c").symlink_to(r), "in which it lies itself"),
    "an empty class": (lambda r: (r / "c").mkdir(), "without an image: 'c'"),
}


@pytest.mark.parametrize("stranger", STRANGERS)
def test_training_and_evaluation_refuse_what_one_of_them_would_leave_out(
    tmp_path: Path, stranger: str
) -> None:
    root = folders(tmp_path / "set", "a", "b")
    add, said = STRANGERS[stranger]
    add(root)
    for read in (list_images, sources.from_path):
        with pytest.raises(DataError, match=said):
            read(root)


def test_hidden_names_and_notes_are_left_out_by_name(tmp_path: Path) -> None:
    root = folders(tmp_path, "a", "b")
    folders(root, ".ipynb_checkpoints")
    (root / "README.md").write_text("notes")
    (root / "a/.DS_Store").write_bytes(b"x")
    listing = list_images(root)
    assert listing.skipped == (".ipynb_checkpoints", "README.md", "a/.DS_Store")
    assert len(listing) == 4
    assert "3 names left out as no data: '.ipynb_checkpoints'" in sources.from_path(root).notes[0]


def test_folders_behind_links_are_read(tmp_path: Path) -> None:
    root, store = folders(tmp_path / "set", "a"), folders(tmp_path / "store", "more", "b")
    (root / "a/more").symlink_to(store / "more")
    (root / "b").symlink_to(store / "b")
    assert list_images(root).labels == [0, 0, 0, 0, 1, 1]
    assert sources.from_path(root).count == 6


def test_a_folder_that_cannot_be_entered_is_one_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.listdir

    def refused(path: Path) -> list[str]:
        if Path(path).name == "a":
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "listdir", refused)  # as root, nothing is unreadable
    with pytest.raises(DataError, match=r"a: found Permission denied; expected folders and files"):
        list_images(folders(tmp_path, "a"))


def deep_png(channels: int) -> bytes:
    """16 bits a channel, by hand: Pillow writes only grey ones."""
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[channels]

    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    row = b"\0" + np.full((16, channels), 40_000, ">u2").tobytes()
    head = struct.pack(">IIBBBBB", 16, 16, 16, kind, 0, 0, 0)
    parts = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(row * 16)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def moving(kind: str) -> bytes:
    frames = [Image.fromarray(cases.noise(i, 16, 16)) for i in range(3)]
    stream = io.BytesIO()
    frames[0].save(stream, kind, save_all=True, append_images=frames[1:])
    return stream.getvalue()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (deep_png(1), "kind I;16"),
        (deep_png(2), "kind LA;16B"),
        (deep_png(3), "kind RGB;16B"),
        (deep_png(4), "kind RGBA;16B"),
        (b"P6 16 16 65535\n" + bytes(6 * 256), "kind RGB/65535"),
        (b"P3 1 1 65535\n1 1 1\n", "kind RGB/65535"),
        (moving("PNG"), "an animation of 3 frames"),
        (moving("WEBP"), "an animation of 3 frames"),
        (b"", "0 bytes that begin as no known image"),
    ],
)
def test_depth_and_frames_that_decoding_would_drop_are_refused_by_both_readers(
    tmp_path: Path, data: bytes, said: str
) -> None:
    """A 16-bit grey PNG became white in one reader, a 16-bit colour one passed in the other."""
    with pytest.raises(DataError, match=f"x: found no usable image .*{said}"):
        crop.decode(data, place="x", channels=3)
    (folders(tmp_path, "a") / "a/x.png").write_bytes(data)
    with pytest.raises(DataError, match=rf"a/x\.png: found no usable image .*{said}"):
        sources.from_path(tmp_path)


@pytest.mark.parametrize("data", [b"P6 2 2 255\n" + bytes(12), b"P6 2 2 100\n" + bytes(12)])
def test_eight_bits_are_no_depth(data: bytes) -> None:
    assert crop.decode(data, place="x", channels=3).size == (2, 2)


def test_what_decoding_drops_is_counted_and_named(tmp_path: Path) -> None:
    root = folders(tmp_path, "a")
    photo = Image.fromarray(cases.noise(0, 16, 16))
    exif = photo.getexif()
    exif[crop.ORIENTATION] = 6
    photo.save(root / "a/turned.jpg", exif=exif)
    photo.convert("RGBA").save(root / "a/clear.png")
    notes = sources.from_path(root).notes
    assert any(note.startswith("1 images whose orientation tag is dropped: ") for note in notes)
    assert any(note.startswith("1 images whose transparency is dropped: ") for note in notes)
    said: list[str] = []
    pace = cases.encoding.Pace(say=said.append, workers=1)
    cases.encoded(root, tmp_path / "cache", pace)
    assert "1 images whose orientation tag is dropped" in said


def read(path: Path) -> tuple[torch.Tensor, torch.Tensor]:
    pixels, labels = zip(*sources.from_path(path).batches(), strict=True)
    return torch.cat(pixels), torch.cat(labels)


def test_one_colour_image_gives_all_three_channels_and_none_gives_one(tmp_path: Path) -> None:
    levels = cases.noise(0, 16, 16)
    for name in ("grey", "mixed"):
        folders(tmp_path / name, "a")
        for i in range(2 if name == "grey" else 1):
            Image.fromarray(levels[:, :, 0]).save(tmp_path / name / f"a/{i}.png")
    assert read(tmp_path / "grey")[0].shape == (2, 1, 16, 16)
    pixels, _ = read(tmp_path / "mixed")
    assert pixels.shape == (2, 3, 16, 16)
    assert torch.equal(pixels[0], pixels[0][:1].expand(3, -1, -1))
    assert "1 grey images among colours" in sources.from_path(tmp_path / "mixed").notes[0]


def test_a_palette_and_a_cmyk_image_are_read_as_by_training(tmp_path: Path) -> None:
    root = folders(tmp_path, "a")
    levels = Image.fromarray(cases.noise(3, 16, 16))
    levels.quantize(16).save(root / "a/0.png", transparency=bytes(range(16)))
    levels.convert("CMYK").save(root / "a/1.jpg")
    pixels, _ = read(root)
    for entry, image in zip(list_images(root).entries, pixels, strict=True):
        trained = crop.square((root / entry.name).read_bytes(), 16, crop="none", place="x")
        assert torch.equal(((trained + 1) * 127.5).round().to(torch.uint8), image)


def test_a_file_that_changes_during_an_evaluation_is_refused(tmp_path: Path) -> None:
    images = sources.from_path(folders(tmp_path, "a"))
    (tmp_path / "a/1.png").write_bytes(cases.png(cases.noise(77, 16, 16)))
    with pytest.raises(DataError, match=r"a/1\.png: found"):
        list(images.batches())


def test_classes_that_are_numbers_are_ordered_by_value_and_others_by_code_point() -> None:
    assert class_order(map(str, range(12)), place="x") == tuple(map(str, range(12)))
    assert class_order(["010", "9", "08"], place="x") == ("08", "9", "010")
    assert class_order(["10", "9", "a", "B"], place="x") == ("10", "9", "B", "a")
    for twice in (["7", "07"], ["\u00e9", "e\u0301"]):
        with pytest.raises(DataError, match="x: found the classes"):
            class_order([*twice], place="x")


def test_labels_go_by_name_whatever_stands_beside_it() -> None:
    reference = ("a", "b", "\u00e9")
    assert places_of(["b", "e\u0301"], reference, place="x") == [1, 2]
    assert places_of(["1", "010"], tuple(map(str, range(12))), place="x") == [1, 10]
    assert places_of(["images"], reference, place="x") is None
    with pytest.raises(DataError, match="1 of 2 classes that the reference does not have: 'd'"):
        places_of(["a", "d"], reference, place="x")


def test_evaluated_folders_are_given_the_labels_of_the_reference(tmp_path: Path) -> None:
    images = sources.from_path(folders(tmp_path / "fake", "b", "c"))
    found = sources.named(images, ("a", "b", "c"), "fake")
    assert torch.cat([labels for _, labels in found.batches()]).tolist() == [1, 1, 2, 2]
    found = sources.named(images, None, "fake")
    assert torch.cat([labels for _, labels in found.batches()]).unique().tolist() == [-1]
    assert "labels left out: 'b', 'c' meet a reference without classes" in found.notes[0]


def test_an_archive_is_evaluated_under_the_numbers_it_states(tmp_path: Path) -> None:
    cases.write_archive(tmp_path)
    crops = tmp_path / "square"
    crops.mkdir()
    (crops / "s.tar").write_bytes(shard(**{"9.png": PNG, "9.cls": b"1"}))
    assert read(crops)[1].tolist() == [0, 0, 0, 0, 0, 1]
    with pytest.raises(given.SourceError, match="found class 1; expected one of the reference's 1"):
        list(sources.named(sources.from_path(crops), ("a",), "s").batches())


def test_tensors_do_not_hide_class_folders(tmp_path: Path) -> None:
    folders(tmp_path, "a")
    (tmp_path / "samples.safetensors").write_bytes(b"x")
    with pytest.raises(given.SourceError, match=r"samples\.safetensors beside 'a'"):
        sources.from_path(tmp_path)


def test_a_copy_of_an_archive_is_refused_and_names_that_begin_anew_are_said(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(shard())
    (tmp_path / "b.tar").write_bytes(shard(4))
    with pytest.raises(DataError, match=r"b\.tar: b\.tar/004\.png: found the image that 'a\.tar'"):
        list_images(tmp_path)
    other = shard(count=0, **{"000.png": cases.png(cases.noise(7, 20, 20)), "000.cls": b"0"})
    (tmp_path / "b.tar").write_bytes(other)
    found = list_images(tmp_path)
    assert len(found) == 6
    assert found.notes == (
        "1 names read again, by a link or from another archive: 'b.tar/000.png'",
    )


def test_an_archive_reached_by_a_link_as_well_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(shard())
    (tmp_path / "b.tar").symlink_to("a.tar")
    with pytest.raises(DataError, match="expected each image once"):
        list_images(tmp_path)


@pytest.mark.parametrize("link", ["folder", "file", "hard"])
def test_images_that_two_names_lead_to_are_said(tmp_path: Path, link: str) -> None:
    root = folders(tmp_path, "a", "b")
    links = {
        "folder": lambda: (root / "c").symlink_to(root / "a"),
        "file": lambda: (root / "b/9.png").symlink_to(root / "a/0.png"),
        "hard": lambda: os.link(root / "a/0.png", root / "b/9.png"),
    }
    links[link]()
    again = {"folder": "2 names read again", "file": "1 names", "hard": "1 names"}[link]
    for notes in (list_images(root).notes, sources.from_path(root).notes):
        assert any(note.startswith(again) for note in notes), notes


@pytest.mark.parametrize("data", [b"", b"<html>no such file</html>", b"GIF89a"])
def test_bytes_that_are_no_image_are_told_without_an_address(data: bytes) -> None:
    with pytest.raises(DataError) as caught:
        crop.decode(data, place="x.png", channels=3)
    assert "0x" not in str(caught.value)
    assert f"{len(data)} bytes that begin as no known image" in str(caught.value)
