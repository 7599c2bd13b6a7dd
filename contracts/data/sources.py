"""Checks of sources: crop, pixels, labels, refusals, the order of a run, and the digits."""

from __future__ import annotations

import hashlib
import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from drift import digits
from drift.data import tokenizer
from drift.data.source import TensorSource
from drift.errors import DriftError
from verify.api import CheckContext, Measurement, check

from ..common.places import folder
from . import cases
from . import crop as data_crop


@check("data.crop", needs=("adm_centre",))
def crop(ctx: CheckContext) -> Measurement:
    """The engine's crop of noise against the NumPy one, for awkward sizes."""
    for width, height, size in ctx.params["sizes"]:
        levels = cases.noise(width * height, width, height)
        expected = data_crop.centre_crop(levels, size).astype(int)
        found = np.asarray(ctx.subject.adm_centre(Image.fromarray(levels), size)).astype(int)
        if found.shape != expected.shape:
            return ctx.decide(False, f"{width} x {height} to {size}: shape {found.shape}")
        off = float(np.abs(found - expected).max())
        if off:
            reason = f"{width} x {height} to {size}: {off:g} levels off"
            return ctx.decide(False, reason, measured=off, unit="levels")
    return ctx.decide(True, f"{len(ctx.params['sizes'])} sizes equal", measured=0.0, unit="levels")


@check("data.pixels", needs=("FolderSource",))
def pixels(ctx: CheckContext) -> Measurement:
    """Level v of channel c is v / 127.5 - 1 at channel c, as float32; mirrored at i + N."""
    with folder() as root:
        source = ctx.subject.FolderSource(cases.write_folder(root), cases.SIZE, mirror=True)
        expected = torch.stack([cases.cropped(v) for v in cases.originals().values()])
        found = source.get(torch.arange(len(source.labels)))
        again = ctx.subject.FolderSource(root, cases.SIZE, mirror=True).digest
        same = source.digest == again
    both = torch.cat([expected, expected.flip(-1)])
    if found.dtype != torch.float32 or found.shape != both.shape:
        return ctx.decide(
            False, f"{found.dtype} {tuple(found.shape)}, expected {tuple(both.shape)}"
        )
    off = float((found - both).abs().max())
    if not same:
        return ctx.decide(False, "the same folder has two digests")
    return ctx.decide(
        off == 0, f"{len(both)} samples, {off:g} off", measured=off, unit="of [-1, 1]"
    )


@check("data.labels", needs=("FolderSource", "LatentSource", "encode_latents"))
def labels(ctx: CheckContext) -> Measurement:
    """However samples are listed, stored, sharded and shuffled, each has the label of its class."""
    names = list(cases.originals())
    truth = [sorted(cases.CLASSES).index(name.split("/")[0]) for name in names]
    crops = [cases.cropped(levels) for levels in cases.originals().values()]
    latents = cases.tokenizer().scaling_factor * cases.posterior(torch.stack(crops))[0]
    with folder() as root:
        homes = {
            "folder": cases.write_folder(root / "folder"),
            "archive": cases.write_archive(root / "archive"),
        }
        for kind, home in homes.items():
            cases.encoded(home, root / f"cache-{kind}", posterior="mean", mirrored=False)
            sources = (
                (ctx.subject.FolderSource(home, cases.SIZE), torch.stack(crops)),
                (ctx.subject.LatentSource(root / f"cache-{kind}"), latents),
            )
            for source, known in sources:
                try:
                    samples, stated = ctx.subject.Loader(source, seed=ctx.seed).take(len(truth) * 2)
                except DriftError as error:
                    return ctx.decide(False, f"{kind}: {error}")
                distance = torch.cdist(
                    samples.flatten(1),
                    known.flatten(1),
                    compute_mode="donot_use_mm_for_euclid_dist",  # the other one is not exact
                )
                true = torch.tensor(truth)[distance.argmin(1)]
                wrong = int((true != stated).sum())
                if wrong or float(distance.min(1).values.max()) > 1e-3:
                    where = f"{kind}, {type(source).__name__}"
                    return ctx.decide(False, f"{where}: {wrong} of {len(true)} labels are others'")
    return ctx.decide(True, f"{2 * len(truth)} draws from each of 4 sources have their own labels")


@check("data.order", needs=("Loader",))
def order(ctx: CheckContext) -> Measurement:
    """Read at once, in pieces, or from a later position: the same; every epoch shows all once."""
    from hypothesis import Phase, find, settings
    from hypothesis import strategies as st

    case = st.tuples(
        st.integers(1, 23), st.integers(0, 5), st.lists(st.integers(0, 17), max_size=9)
    )

    def broken(drawn: tuple[int, int, list[int]]) -> bool:
        return _broken_order(ctx.subject.Loader, *drawn) is not None

    from hypothesis.errors import NoSuchExample

    phases = (Phase.generate, Phase.shrink) if ctx.shrink else (Phase.generate,)
    chosen = settings(
        max_examples=4 * ctx.examples, derandomize=True, database=None, deadline=None, phases=phases
    )
    try:
        size, seed, pieces = find(case, broken, settings=chosen)
    except NoSuchExample:
        return ctx.decide(True, f"{4 * ctx.examples} orders: chunks, resumes and epochs agree")
    reason = _broken_order(ctx.subject.Loader, size, seed, pieces)
    return ctx.decide(False, f"{size} samples, seed {seed}, pieces {pieces}: {reason}")


def _broken_order(loader: Any, size: int, seed: int, pieces: list[int]) -> str | None:
    source = TensorSource(
        torch.arange(float(size)).reshape(size, 1, 1, 1), torch.zeros(size, dtype=torch.int64), 1
    )
    total = sum(pieces)
    whole = loader(source, seed=seed).indices(3 * size + total).tolist()
    reader = loader(source, seed=seed)
    read: list[int] = []
    for piece in pieces:
        # a fresh loader at the position so far is what a resumed run has
        fresh = loader(source, seed=seed, position=reader.position).indices(piece).tolist()
        now = reader.indices(piece).tolist()
        if now != fresh:
            return f"resumed at {len(read)}, other samples follow"
        read += now
        if reader.position != len(read):
            return f"position {reader.position} after {len(read)} samples"
    if read != whole[:total]:
        return "in pieces, the order is another"
    epochs = [whole[i * size : (i + 1) * size] for i in range(3)]
    if any(sorted(epoch) != list(range(size)) for epoch in epochs):
        return "an epoch is no permutation"
    if size >= 12 and (epochs[0] == epochs[1] or epochs[0] == list(range(size))):
        return "epochs are not shuffled anew"
    other = loader(source, seed=seed + 1).indices(size).tolist()
    return "another seed, the same order" if size >= 12 and other == epochs[0] else None


@check("data.refusals", needs=("FolderSource",))
def refusals(ctx: CheckContext) -> Measurement:
    """Each bad data set is one error that names the place and why; nothing is left out silently."""
    cases_ = (*_bad_files(), ("no revision", "--revision", "none", ""))
    with folder() as root:
        for i, (name, place, word, data) in enumerate(cases_):
            try:
                _open_bad(root / str(i), place, data, ctx.subject.FolderSource)
            except DriftError as error:
                if place not in str(error) or word not in str(error) or not error.expected:
                    return ctx.decide(False, f"{name}: no {place} or {word!r} in: {error}")
            except Exception as error:
                return ctx.decide(False, f"{name}: {type(error).__name__}, not one clear error")
            else:
                return ctx.decide(False, f"{name} was accepted")
    return ctx.decide(True, f"{len(cases_)} bad data sets, each one error that names its place")


def _bad_files() -> tuple[tuple[str, str, str, bytes | str], ...]:
    """(what it is, what the error has to name, a word it has to say, what lies there)."""
    good = cases.png(cases.noise(0, 40, 40))
    jpeg, deep = io.BytesIO(), io.BytesIO()
    Image.fromarray(cases.noise(0, 64, 64)).save(jpeg, "JPEG")
    Image.fromarray(np.full((20, 20), 40_000, np.uint16)).save(deep, "PNG")
    return (
        ("a truncated PNG", "a/x.png", "truncated", good[:-200]),
        ("a truncated JPEG", "a/x.jpg", "truncated", jpeg.getvalue()[:2000]),
        ("a damaged PNG", "a/x.png", "broken", good[:60] + b"\xff\xff" + good[62:]),
        ("no image at all", "a/x.jpg", "no known image", b"<html>404</html>"),
        ("an empty file", "a/x.png", "0 bytes", b""),
        ("a large bomb", "a/x.png", "pixels", _bomb(60_000)),
        ("a small bomb", "a/x.png", "9000 x 9000 pixels", _bomb(9_000)),
        ("a side of one pixel", "a/x.png", "unequal", cases.png(cases.noise(0, 1, 400_000))),
        ("16 bits a channel", "a/x.png", "I;16", deep.getvalue()),
        ("a file that is no image", "a/notes.txt", "suffix", b"two are mislabelled"),
        ("an image in no class", "x.png", "in no class", good),
        ("an empty class", "b", "without an image", "folder"),
        ("a missing data set", "nowhere", "no such folder", "nothing"),
    )


def _open_bad(home: Path, place: str, data: bytes | str, source: Any) -> None:
    """A data set of one good image and `place`, opened and read; raises what the engine raises."""
    if place == "--revision":
        tokenizer.open_tokenizer("owner/name", offline=True)  # no check asks the network
    (home / "a").mkdir(parents=True)
    (home / "a" / "good.png").write_bytes(cases.png(cases.noise(0, 40, 40)))
    if isinstance(data, bytes):
        (home / place).write_bytes(data)
    elif data == "folder":
        (home / place).mkdir()
    else:
        home = home / place
    opened = source(home, cases.SIZE)
    opened.get(torch.arange(len(opened.labels)))


def _bomb(side: int) -> bytes:
    """A PNG of a few hundred bytes that says it has side x side pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + checksum

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    body = zlib.compress(b"\0" * 100_000, 9)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
    )


@check("data.digits", needs=("load_digits", "DigitsSource"))
def digits_pinned(ctx: CheckContext) -> Measurement:
    """The installed images against the digest in the contract; the split has no image twice."""
    try:
        training, held_out = ctx.subject.load_digits()
        sources = [ctx.subject.DigitsSource(), ctx.subject.DigitsSource(held_out=True)]
    except DriftError as error:
        return ctx.decide(False, str(error))
    levels = torch.cat([training.images, held_out.images]) * 8 + 8
    order = digits.held_out_mask(len(levels)).long().argsort(stable=True).argsort()
    digest = hashlib.sha256()
    for tensor in (levels[order], torch.cat([training.labels, held_out.labels])[order]):
        digest.update(tensor.to(torch.uint8).numpy().tobytes())
    counts = [len(training.labels), len(held_out.labels)]
    found = {
        "sha256": digest.hexdigest(),
        "counts": counts,
        "range": [float(levels.min()), float(levels.max())],
        "classes": [sorted(set(part.labels.tolist())) for part in (training, held_out)],
        "shape": [list(source.shape) for source in sources],
    }
    expected = {
        "sha256": ctx.params["sha256"],
        "counts": [ctx.params["training"], ctx.params["held_out"]],
        "range": [0.0, 16.0],
        "classes": [list(range(10))] * 2,
        "shape": [[1, 8, 8]] * 2,
    }
    wrong = [f"{k}: {found[k]}, pinned {expected[k]}" for k in found if found[k] != expected[k]]
    axis = "proxy" if ctx.fact("paper:data.digits") is None else "paper-eval"
    reason = "; ".join(wrong) or f"{sum(counts)} images; figures on them are on the axis {axis}"
    return ctx.decide(not wrong, reason, details=found)
