"""Checks of samples on disk and of the pipeline's arguments: files whole or not there, streams."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from torch import Tensor

from drift.sample import folder as folders
from drift.sample import output, pipeline, sampler
from drift.sample.pipeline import DriftPipeline, DriftTransformer
from verify.api import CheckContext, Measurement, check, mutant

from ...common.places import folder
from ...common.rows import Refused, Row, judge_rows
from .. import cases
from .drawn import ORIGIN
from .published import published

FACTS = {"b": 1, "a": [2]}


@check("metrics.written")
def written(ctx: CheckContext) -> Measurement:
    """Names that are free and taken, files in pieces, facts of cards, every argument of a call."""
    with folder() as root:
        rows = chain(_names(root), _files(root), _evaluations(root), _labels(), _calls(),
                     _units(), published(root / "published"))  # fmt: skip
        return judge_rows(ctx, rows, "facts of what is written")


def _units() -> Iterator[Row]:
    """What a pipeline shows of samples: [0, 1], cut at both ends; channels last in NumPy."""
    samples = torch.tensor([[-3.0, -1.0, -0.5], [0.5, 1.0, 3.0]])[None, :, None]  # [1, 2, 1, 3]
    unit = [[0.0, 0.0, 0.25], [0.75, 1.0, 1.0]]
    yield "as tensors", lambda: pipeline._shown(samples, "pt")[0, :, 0].tolist(), unit
    array = pipeline._shown(samples, "np")
    yield "as arrays", lambda: (array.shape, array[0, 0].T.tolist()), ((1, 1, 3, 2), unit)
    half = pipeline._shown(samples.bfloat16(), "pt").dtype
    yield "in single precision", lambda: half, torch.float32


def _names(root: Path) -> Iterator[Row]:
    (root / "empty").mkdir()
    (root / "held" / "x").mkdir(parents=True)
    (root / "file").write_text("kept")
    (root / "link").symlink_to(root / "nowhere")
    (root / "other").symlink_to(root / "empty")
    for name in ("new", "empty"):
        yield f"{name} may be taken", partial(output.refuse_to_overwrite, root / name), None
    for name in ("held", "file", "link", "other"):
        taken = partial(output.refuse_to_overwrite, root / name)
        yield f"{name} is taken", taken, Refused(f"{root / name}: found something", "Choose")

    def fresh(place: Path, act: Callable[[Path], object]) -> object:
        with output.fresh(place) as working:
            act(working)
        return place.read_text(), sorted(path.name for path in place.parent.iterdir())

    def fail(working: Path) -> None:
        working.write_text("half")
        raise OSError(28, "No space left on device")

    def overtaken(working: Path) -> None:
        working.write_text("ours")
        (root / "d" / "late").write_text("theirs")

    made = partial(fresh, root / "a" / "b" / "new", lambda working: working.write_text("whole"))
    yield "whole", made, ("whole", ["new"])
    said = Refused("a write that failed (No space left on device)", "Nothing was left behind")
    yield "half", partial(fresh, root / "c" / "new", fail), said
    yield "nothing is left", lambda: list((root / "c").iterdir()), []
    (root / "d").mkdir()
    yield "taken meanwhile", partial(fresh, root / "d" / "late", overtaken), Refused("something")
    yield "theirs is kept", lambda: (root / "d" / "late").read_text(), "theirs"
    yield "a file in its way", partial(fresh, root / "file" / "x", fail), Refused("a write that")


def _files(root: Path) -> Iterator[Row]:
    labels, values = torch.tensor([3, 1]), torch.arange(24.0).reshape(2, 3, 2, 2)

    def tensors(pieces: list[Tensor]) -> object:
        place = root / "s.safetensors"
        with output.safetensors(place, (2, 3, 2, 2), labels, FACTS) as write:
            for piece in pieces:
                write(piece)
        head = place.read_bytes()[:8]
        with safe_open(place, "pt") as held:
            same = [torch.equal(held.get_tensor("labels"), labels),
                    torch.equal(held.get_tensor("samples"), values)]  # fmt: skip
            return held.metadata(), sorted(held.keys()), same, int.from_bytes(head, "little") % 8

    said = {"schema": "drift-samples/1", "facts": '{"a": [2], "b": 1}'}
    wanted = (said, ["labels", "samples"], [True, True], 0)
    yield "tensors in pieces", partial(tensors, [values[:1], values[1:]]), wanted
    yield "tensors at once", partial(tensors, [values.double().float()]), wanted

    def arrays(pieces: list[Tensor]) -> object:
        place = root / "s.npz"
        with output.npz(place, (2, 3, 2, 2), labels, FACTS) as write:
            for piece in pieces:
                write(piece)
        with zipfile.ZipFile(place) as archive:
            kinds = {item.compress_type for item in archive.infolist()}
            comment = json.loads(archive.comment)
        held = np.load(place, allow_pickle=False)
        return sorted(held), held["arr_0"].dtype.str, held["arr_0"].tolist(), held[
            "arr_1"
        ].tolist(), kinds, comment  # fmt: skip

    levels = values.to(torch.uint8)
    stored = (["arr_0", "arr_1"], "|u1", levels.permute(0, 2, 3, 1).tolist(), [3, 1], {0}, FACTS)
    yield "an archive in pieces", partial(arrays, [levels[:1], levels[1:]]), stored
    for name, call, pieces in (
        ("tensors", tensors, [values[:1]]),
        ("arrays", arrays, [levels] * 2),
    ):

        def told(call: Any = call, pieces: Any = pieces) -> str:
            try:
                return f"taken: {call(pieces)}"
            except ValueError as error:
                return str(error)

        count = 12 if name == "tensors" else 48
        yield f"another number of {name}", told, f"found {count} numbers; expected 24"


def _evaluations(root: Path) -> Iterator[Row]:
    """A card has the newest evaluation of these very weights, of the axis proxy, and no other."""
    run = root / "run"
    (run / "evaluations").mkdir(parents=True)
    same = {"checkpoint_sha256": ORIGIN.sha256, "weights": ORIGIN.weights,
            "ema_decay": ORIGIN.ema_decay, "axis": "proxy"}  # fmt: skip
    unlike = ({"axis": "repo-eval"}, {"weights": "raw"}, {"ema_decay": "0.99"},
              {"checkpoint_sha256": "b" * 64})  # fmt: skip
    changed: tuple[dict[str, Any], ...] = ({"n": 0}, {"n": 1}, *unlike)
    for n, changes in enumerate(changed):
        (run / "evaluations" / f"{n}.json").write_text(json.dumps({**same, **changes}))
    (run / "evaluations" / "9.json").write_text("[]")
    yield "the newest", lambda: folders.measured(run, ORIGIN), [{**same, "n": 1}]
    yield "of a file", lambda: folders.measured(run / "evaluations" / "9.json", ORIGIN), []
    record = {
        "axis": "proxy", "samples": 9, "dataset": None, "metrics": {
            "fid_proxy": {"value": 1.5, "interval": [1.0, 2.12345]},
            "fid": {"value": 1.0, "interval": [1.0, 1.0]}},
    }  # fmt: skip
    figure = {"type": "fid_proxy", "value": 1.5, "verified": False,
              "name": "fid_proxy [proxy], 95 % interval 1 to 2.123, 9 samples"}  # fmt: skip
    facts = folders._facts(ORIGIN, "n", [record])
    yield "facts", lambda: (facts["datasets"], facts["model-index"]), (["d"], [
        {"name": "n", "results": [{"task": {"type": "unconditional-image-generation"},
         "dataset": {"name": "unknown", "type": "unknown"}, "metrics": [figure]}]}])  # fmt: skip
    bare = folders._facts(replace(ORIGIN, dataset=None), "n", [])
    yield "no facts", lambda: sorted(bare), ["library_name", "license", "tags"]
    for measured, said in (((), "No figure is part"), ((record,), "axis `proxy`: they compare")):
        text = folders.card(ORIGIN, "n", latents=False, measured=measured)
        yield said, partial(lambda text, said: said in text, text, said), True


def _labels() -> Iterator[Row]:
    for given, wanted in (
        (3, [3]), ([3, 0], [3, 0]), ((1,), [1]), (torch.tensor(2), [2]), (np.int64(4), [4]),
        (torch.tensor([2, 5]), [2, 5]), (np.array([7]), [7]), ([], []), (2**62, [2**62]),
    ):  # fmt: skip
        yield f"labels {given!r}", partial(pipeline._labels, given), wanted  # type: ignore[arg-type]
    for odd in (True, [True], 1.0, [0.5], "3", ["3"], None, [[1]], 2**63):
        call: Any = partial(pipeline._labels, odd)  # type: ignore[arg-type]
        yield f"labels {odd!r}", call, Refused("class_labels: found", "a whole number, or several")
    one, two = torch.Generator(), torch.Generator()
    yield "one stream for all", lambda: [s is one for s in pipeline._streams(one, 2)], [True, True]
    both = pipeline._streams((one, two), 2)
    yield "a stream each", lambda: [both[0] is one, both[1] is two], [True, True]
    fresh = [pipeline._streams(None, 1)[0].initial_seed() for _ in range(2)]
    yield "another seed each time", lambda: fresh[0] != fresh[1], True
    streams: tuple[tuple[str, Any, int], ...] = (
        ("one for two", [one], 2), ("three for two", [one] * 3, 2), ("a number", 3, 1),
        ("a text in it", [one, "x"], 2),
    )  # fmt: skip
    for name, some, count in streams:
        said = Refused("generator: found", f"one, or {count}, each a torch.Generator")
        yield name, partial(pipeline._streams, some, count), said


def _calls() -> Iterator[Row]:
    model = cases.generator()
    held = DriftTransformer.wrapping(model)
    yield "these very weights", lambda: (held.generator is model, held.training), (True, False)
    made: Any = DriftPipeline(held, None, {"0": "zero", "3": "three"})
    names = made.get_label_ids
    yield "names", lambda: (names("three"), names(["zero", "three"])), ([3], [0, 3])
    yield "an unknown name", partial(names, ["three", "ten"]), Refused("label: found ten", "zero")
    bare: Any = DriftPipeline(held)
    yield "no names", partial(bare.get_label_ids, "x"), Refused("x", "this pipeline has no names")
    yield "kept", lambda: (made.config.id2label["3"], bare.config.id2label), ("three", None)
    config = model.config
    drawn = torch.Generator().manual_seed(4)
    inputs = [
        (sampler.draw_noise(config, drawn), sampler.draw_style(config, drawn)) for _ in "abcd"
    ]
    noise, style = (torch.stack(part) for part in zip(*inputs, strict=True))
    with torch.no_grad():
        wanted = model(noise, torch.tensor([3, 3, 1, 1]), torch.full((4,), 1.5), style)

    def call(**more: Any) -> Any:
        stream = torch.Generator().manual_seed(4)
        options = {"num_images_per_prompt": 2, "generator": stream, "guidance_scale": 1.5, **more}
        return made([3, 1], **options)

    latent = call(output_type="latent", return_dict=False)
    yield "a tuple", lambda: (type(latent), len(latent), latent[0].requires_grad), (tuple, 1, False)
    yield "each class twice", lambda: torch.allclose(latent[0], wanted, atol=1e-6), True
    unit = ((wanted + 1) / 2).clamp(0, 1)
    levels = call(output_type="pt").images
    yield "unit", lambda: torch.allclose(levels, unit, atol=1e-6), True
    array = call(output_type="np").images
    yield "arrays", lambda: np.allclose(array, unit.permute(0, 2, 3, 1), atol=1e-6), True
    pictures = call().images
    sizes = {(one.mode, one.size) for one in pictures}
    yield "pictures", lambda: (len(pictures), sizes), (4, {("L", (8, 8))})
    shown = np.stack([np.asarray(one) for one in pictures])
    yield "levels", lambda: int(np.abs(shown - (unit[:, 0] * 255).byte().numpy()).max()) <= 1, True
    first = made(3, generator=torch.Generator().manual_seed(4), output_type="latent").images
    plain = model(noise[:1], torch.tensor([3]), torch.ones(1), style[:1])
    yield "without guidance", lambda: torch.allclose(first, plain, atol=1e-6), True
    for name, more, words in (
        ("no image", {"num_images_per_prompt": 0}, ("num_images_per_prompt: found 0", "1 or more")),
        ("half an image", {"num_images_per_prompt": 1.0}, ("num_images_per_prompt",)),
        ("an odd kind", {"output_type": "jpeg"}, ("found jpeg", "pil, np, pt, latent")),
        ("no guidance", {"guidance_scale": 0.0}, ("guidance_scale",)),
        ("streams of one", {"generator": [torch.Generator()]}, ("one, or 4",)),
    ):  # fmt: skip
        yield name, partial(call, **more), Refused(*words)
    beyond = partial(made, [10], output_type="latent")
    yield "a class beyond", beyond, Refused("10")


@mutant("metrics.taken_names", output, "refuse_to_overwrite")
def taken_names(real: Any, path: Path) -> None:
    """A file that is there is written over."""


@mutant("metrics.short_files", output, "_exactly")
def short_files(real: Any, stream: Any, values: int, dtype: str) -> Any:
    """How much is written is counted by nobody; what lacks is filled up."""

    @contextmanager
    def any_number() -> Iterator[Any]:
        done = []
        yield lambda piece: done.append(stream.write(piece.contiguous().numpy().tobytes()))
        stream.write(bytes(max(0, values * np.dtype(dtype).itemsize - sum(done))))

    return any_number()


@mutant("metrics.any_label", pipeline, "_labels")
def any_label(real: Any, given: Any) -> Any:
    """A truth value is a class."""
    return real(int(given) if isinstance(given, bool) else given)
