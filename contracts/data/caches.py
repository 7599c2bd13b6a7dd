"""Checks of a latent cache's books: manifests by hand, what an encoding says, what stops it."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any
from unittest.mock import patch

from PIL import Image

from drift import atomic
from drift.data import encode as encoding
from drift.data import latents, manifest
from drift.data.dataset import Dataset
from drift.data.latents import LatentSource
from drift.data.listing import list_images
from drift.data.manifest import Manifest, read_manifest
from verify.api import CheckContext, Measurement, check, mutant

from ..common.places import folder
from ..common.rows import Refused, Row, judge_rows
from . import cases

A64, B64 = "a" * 64, "b" * 64
SETTINGS: dict[str, Any] = {
    "vae": "owner/name", "vae_revision": "c" * 40, "vae_sha256": A64, "scaling_factor": 0.5,
    "posterior": "sample", "mirrored": True, "crop": "adm-centre", "resolution": 16,
    "shape": [4, 8, 8], "dtype": "float32", "seed": 0, "per_shard": 2,
}  # fmt: skip


def _good() -> dict[str, Any]:
    """Five images of two classes in three shards, the last of them not full."""
    runs = ([[0, 2]], [[0, 1], [1, 1]], [[1, 1]])
    return {
        "schema": "drift-latents/1", "complete": True, "settings": dict(SETTINGS),
        "origin": {"images": 5, "outline": A64, "digest": B64},
        "dataset": {"name": "unknown", "licence": "unknown"}, "classes": ["a", "b"],
        "shards": [
            {"file": f"shard-{i:05d}.safetensors", "sha256": A64, "bytes": 9,
             "count": sum(n for _, n in held), "labels": held} for i, held in enumerate(runs)
        ],
        "versions": {"drift": "1"},
    }  # fmt: skip


def _edited(changes: dict[str, Any]) -> dict[str, Any]:
    """`a.b.0` -> value."""
    whole = _good()
    for place, value in changes.items():
        *above, last = [int(one) if one.isdigit() else one for one in place.split(".")]
        at: Any = whole
        for one in above:
            at = at[one]
        at[last] = value
    return whole


TAKEN: tuple[dict[str, Any], ...] = (
    {}, {"complete": False, "origin.images": 6}, {"complete": False, "origin.digest": None},
    {"complete": False, "shards": []}, {"settings.vae": "x" * 4096}, {"settings.dtype": "float16"},
    {"settings.posterior": "mean"}, {"settings.mirrored": False},
    {"settings.vae": "local:x", "settings.vae_revision": "none"},
    {"dataset.name": "own", "dataset.licence": "MIT"},
)  # fmt: skip
REFUSED: tuple[tuple[dict[str, Any], str], ...] = (
    ({"shards.0.count": 3}, "another number of rows"),
    ({"shards.2.labels.0.0": 2}, "a label without a class"),
    ({"complete": False, "shards.2.labels.0.0": 2}, "a label without a class"),
    ({"shards.1.file": "shard-00003.safetensors"}, "not numbered 0, 1, 2"),
    ({"origin.images": 6}, "do not add up to the images"),
    ({"classes": ["a", "b", "c"]}, "a class has no image"),
    ({"origin.digest": None}, "the origin no digest"),
    ({"origin.images": 0}, "origin.images"), ({"shards.0.bytes": 0}, "shards.0.bytes"),
    ({"shards.0.labels.0.0": -1}, "shards.0.labels"), ({"shards.0.file": "../x"}, "shards.0.file"),
    ({"shards.0.sha256": "a" * 63}, "shards.0.sha256"), ({"origin.outline": "A" * 64}, "outline"),
    ({"settings.vae": ""}, "settings.vae"), ({"settings.vae": "x" * 4097}, "settings.vae"),
    ({"settings.vae_revision": "main"}, "vae_revision"), ({"settings.seed": -1}, "settings.seed"),
    ({"settings.scaling_factor": 0.0}, "scaling_factor"), ({"settings.crop": "squash"}, "crop"),
    ({"settings.shape": [4, 0, 8]}, "settings.shape"), ({"settings.per_shard": 0}, "per_shard"),
    ({"settings.dtype": "float64"}, "dtype"), ({"settings.posterior": "both"}, "posterior"),
    ({"settings.mirrored": 1}, "mirrored"), ({"settings.more": 1}, "settings.more"),
    ({"more": 1}, "more"), ({"schema": "drift-latents/2"}, "schema"),
    ({"classes": [""]}, "classes"),
    ({"dataset.name": "two words"}, "dataset.name"), ({"dataset.licence": "a;b"}, "licence"),
)  # fmt: skip


@check("data.manifests")
def manifests(ctx: CheckContext) -> Measurement:
    """Manifests taken and refused, one edit each; digests by their definition; counts by hand."""
    with folder() as root:
        rows = chain(_manifests(root), _texts(root), _digests(), _counts(), _room(root))
        return judge_rows(ctx, rows, "facts of manifests")


def _manifests(root: Path) -> Iterator[Row]:
    for changes in TAKEN:
        whole = _edited(changes)
        yield f"{changes}", partial(_read_back, root, json.dumps(whole)), whole
    for changes, word in REFUSED:
        text = json.dumps(_edited(changes))
        said = Refused("manifest.json", word, "(1 problems)", "drift-latents/1", "encode again")
        yield f"{changes}", partial(_read_back, root, text), said


def _read_back(root: Path, text: str) -> object:
    """As it is read, as it would be written again."""
    (root / "manifest.json").write_text(text)
    return json.loads(read_manifest(root).text)


def _texts(root: Path) -> Iterator[Row]:
    text = json.dumps(_good())
    for name, wrong, word in (
        ("a key twice", text.replace('"seed": 0', '"seed": 0, "seed": 1'), "'seed' twice"),
        ("NaN", text.replace("0.5", "NaN"), "NaN"), ("no JSON", text[:-1], "at character"),
    ):  # fmt: skip
        yield name, partial(_read_back, root, wrong), Refused("manifest.json", word, "strict JSON")

    def limited(most: int) -> object:
        with patch.object(manifest, "MAX_BYTES", most):
            return _read_back(root, text)

    yield "as long as may be", partial(limited, len(text)), _good()
    yield "longer", partial(limited, len(text) - 1), Refused("a huge file")
    yield "the longest", lambda: manifest.MAX_BYTES, 1 << 28
    yield "none", lambda: read_manifest(root / "no"), Refused("manifest of a latent", "Check the")


def _canonical(value: object) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _digests() -> Iterator[Row]:
    good = Manifest.model_validate_json(json.dumps(_good()))
    held = {k: v for k, v in _good().items() if k not in ("versions", "dataset")}
    local = _edited({"settings.vae": "local:x", "settings.vae_revision": "none"})
    ours = Manifest.model_validate_json(json.dumps(local)).settings
    yield "digest", lambda: good.digest, _canonical(held)
    yield "digest of settings", lambda: good.settings.digest, _canonical(SETTINGS)
    yield "a commit pins", lambda: good.settings.pinned, "c" * 40
    yield "parameters pin a local one", lambda: ours.pinned, A64
    yield (
        "a local name is none",
        lambda: ours.digest,
        _canonical(SETTINGS | {"vae": "local:", "vae_revision": "none"}),
    )
    yield "numbers of shards", lambda: [one.index for one in good.shards], [0, 1, 2]


def _counts() -> Iterator[Row]:
    settings = Manifest.model_validate_json(json.dumps(_good())).settings
    half = settings.model_copy(update={"dtype": "float16", "mirrored": False})
    runs = ((3, 2), (5, 1), (3, 1))
    yield "runs", lambda: manifest.runs_of([3, 3, 5, 3]), runs
    yield "no runs", lambda: manifest.runs_of([]), ()
    yield "labels", lambda: manifest.labels_of(runs), [3, 3, 5, 3]
    yield "a name", lambda: manifest.shard_name(7), "shard-00007.safetensors"
    for images, wanted in ((5, [2, 2, 1]), (4, [2, 2]), (1, [1]), (2, [2])):
        yield f"sizes of {images}", partial(manifest.sizes, images, 2), wanted
    yield "bytes of an image", lambda: latents.image_bytes(settings), 2 * 4 * 256 + 40
    yield "of a small one", lambda: latents.image_bytes(half), 2 * 256 + 40


def _room(root: Path) -> Iterator[Row]:
    """What is left of a disk, and what a refused write says."""
    settings = Manifest.model_validate_json(json.dumps(_good())).settings
    bytes_of = 3 * latents.image_bytes(settings)

    def free(count: int) -> None:
        with patch.object(encoding, "free_bytes", lambda out: count):
            encoding.require_space(root, settings, 3)

    yield "just room", partial(free, bytes_of), None
    said = Refused(f"{bytes_of - 1:,} bytes free", f"{bytes_of:,} bytes for 3", "float16")
    yield "a byte too few", partial(free, bytes_of - 1), said
    yield "room of what is not there", lambda: encoding.free_bytes(root / "x" / "y") > 0, True
    for code, words in (
        (errno.ENOSPC, ("a full disk",)), (errno.EDQUOT, ("a full disk",)),
        (errno.EACCES, ("a file that cannot be written (", "permission for 3 bytes")),
    ):  # fmt: skip
        yield f"error {code}", partial(_failing, root / "x", code), Refused(*words, "are kept")


# an encoding


@check("data.books", needs=("encode_latents", "LatentSource"))
def books(ctx: CheckContext) -> Measurement:
    """What an encoding tells while it runs and writes down; what it says when it goes on or not."""
    with folder() as root:
        home = root / "images"
        for name, mode in (("b/x", "RGBA"), ("a/y", "RGB"), ("a/z", "RGB")):
            (home / name).parent.mkdir(parents=True, exist_ok=True)
            Image.new(mode, (18, 16), (9, 99, 199, 50)[: len(mode)]).save(home / f"{name}.png")
        rows = chain(_encoded(home, root), _gone_on(home, root), _stopped(home, root))
        return judge_rows(ctx, rows, "facts of an encoding")


def _paced(**more: Any) -> tuple[encoding.Pace, list[int], list[str]]:
    done: list[int] = []
    said: list[str] = []
    pace = encoding.Pace(batch=1, workers=1, on_images=done.append, say=said.append, **more)
    return pace, done, said


def _encoded(home: Path, root: Path) -> Iterator[Row]:
    pace, done, said = _paced()
    made = cases.encoded(home, root / "cache", pace, per_shard=2)
    tokenizer = cases.tokenizer()
    source = LatentSource(root / "cache")
    yield "images done", lambda: done, [0, 1, 2, 2, 3, 3]
    yield "what is dropped", lambda: said, ["1 images whose transparency is dropped"]
    yield "settings", lambda: json.loads(made.settings.model_dump_json()), {
        **SETTINGS, "vae": "local:small", "vae_revision": "none", "vae_sha256": tokenizer.sha256,
        "scaling_factor": 0.18215,
    }  # fmt: skip
    yield "labels", lambda: [one.labels for one in made.shards], [((0, 2),), ((1, 1),)]
    yield "kept books", lambda: read_manifest(root / "cache").text, made.text
    yield "complete", lambda: made.complete, True
    yield "versions", lambda: sorted(made.versions), ["PIL", "diffusers", "drift", "torch"]
    yield "the autoencoder", lambda: source.autoencoder, {
        "name": "local:small", "revision": tokenizer.sha256, "sha256": tokenizer.sha256,
        "scaling_factor": 0.18215,
    }  # fmt: skip
    yield "what is read", lambda: (source.classes, source.class_map, source.shape), (
        2, ("a", "b"), (4, 8, 8)
    )  # fmt: skip
    text = f"drift-latents/1 {made.digest} mirror=True"
    yield "which latents", lambda: source.digest, hashlib.sha256(text.encode()).hexdigest()
    one_way = LatentSource(root / "cache", mirror=False)
    yield "one way", lambda: (one_way.labels.tolist(), source.labels.tolist()), (
        [0, 0, 1], [0, 0, 1] * 2
    )  # fmt: skip
    verified: list[int] = []

    def verifying() -> list[int]:
        source.verify(verified.append)
        return verified

    yield "verified", verifying, [1, 2]
    shard, real = root / "cache" / made.shards[0].file, latents.verify_shard

    def touched(*given: Any) -> Any:
        found = real(*given)
        os.utime(shard, ns=(1, 1))
        return found

    def meanwhile() -> None:
        with patch.object(latents, "verify_shard", touched):
            LatentSource(root / "cache").verify()

    refused = Refused(str(shard), "a change while it was read", "nobody writes", "again")
    yield "a shard that changes meanwhile", meanwhile, refused


def _gone_on(home: Path, root: Path) -> Iterator[Row]:
    """The same command again, under another name of the data, and with other settings."""

    def again(**settings: Any) -> tuple[list[int], list[str]]:
        pace, done, said = _paced()
        cases.encoded(home, root / "cache", pace, per_shard=2, **settings)
        return done, said

    kept = "2 of 2 finished shards verified and kept"
    yield "again", again, ([3], [kept])
    yield (
        "another seed",
        partial(again, seed=1),
        Refused("settings.seed is 0 in the cache, 1 here", "same settings", "another --out"),
    )
    yield "no mirror", partial(again, mirrored=False), Refused("settings.mirrored is True")
    with patch.object(encoding, "_versions", lambda: {"drift": "0"}):
        other = again()[1]
    begun = "begun with other versions, which the manifest keeps: {"
    own = Dataset(name="own", licence="MIT")
    tokenizer = cases.tokenizer()
    settings = encoding.settings_for(tokenizer, resolution=cases.SIZE, per_shard=2)
    encoding.encode(list_images(home), root / "cache", tokenizer, settings, _paced()[0], own)
    named = read_manifest(root / "cache").dataset
    yield "under a name", lambda: named, own
    yield "other versions", lambda: (other[0].startswith(begun), other[1:]), (True, [kept])
    (root / "cache" / "shard-00001.safetensors").write_bytes(b"")
    mended = again()
    yield "a lost shard", lambda: (mended[0], len(mended[1]), mended[1][0][:14]), (
        [2, 3, 3], 3, "encoded again:"
    )  # fmt: skip


def _stopped(home: Path, root: Path) -> Iterator[Row]:
    (root / "full").mkdir()
    (root / "full" / "notes.txt").write_bytes(b"")
    (root / "file").write_bytes(b"")
    small = partial(cases.encoded, home, per_shard=2)
    yield "another's folder", partial(small, root / "full"), Refused("'notes.txt' and no manifest")
    yield "a file", partial(small, root / "file"), Refused("a folder that can be written")

    def locked() -> object:
        with patch.object(atomic, "locked", side_effect=atomic.LockedError):
            return small(root / "locked")

    yield "two at work", locked, Refused("another `drift encode`", "one at a time")
    settings = encoding.settings_for(cases.tokenizer(), resolution=16)
    wrong = partial(small, root / "new", resolution=15)
    yield "a side that does not divide", wrong, Refused("--resolution: found 15", "multiple of 2")
    dataset = Dataset(name="imagenet")
    pace = _paced()[0]
    given = (list_images(home), root / "new", cases.tokenizer(), settings, pace, dataset)
    as_imagenet = partial(encoding.encode, *given)
    yield "no ImageNet", as_imagenet, Refused("3 images of 2 classes under the name imagenet")
    yield "nothing is left", lambda: (root / "new").exists(), False


def _failing(path: Path, code: int) -> None:
    with patch.object(atomic, "write_bytes", side_effect=OSError(code, "said")):
        encoding.write(path, b"123")


# A cache is gone on with under any settings.
OTHER_SETTINGS_TAKEN = mutant(
    "data.other_settings_taken", encoding, _require_same=lambda out, found, fresh: None
)


@mutant("data.drops_unsaid", encoding._Books, "add")
def drops_unsaid(real: Callable[..., Any], self: Any, made: Any) -> Any:
    """What decoding leaves out is counted by nobody."""
    return real(self, {**made, "dropped": {}})


OTHER_VALUES = (
    # A manifest is taken as it is.
    mutant("data.books_unread", Manifest, _require_whole=lambda self: None),
    # A disk is as large as one wishes.
    mutant("data.space_unasked", encoding, require_space=lambda out, settings, images: None),
    # Only latents count.
    mutant("data.bytes_without_labels", latents, image_bytes=lambda settings: 2048),
)
