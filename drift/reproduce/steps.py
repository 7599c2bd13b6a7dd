"""The steps from images to a report, each of them a command of this program.

What a step depends on is listed where the step is made. A field of a template that only says how
many samples are judged, and at which guidance, changes no training.
"""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Iterable, Mapping
from contextlib import chdir
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import yaml

from drift import atomic
from drift.config import Template, fingerprint
from drift.config.template import OWN_SCHEMA
from drift.reproduce import digests, report
from drift.reproduce.request import ENCODER, RUN, Judging, Request
from drift.reproduce.store import Done, Step

COMPUTE = ("torch", "numpy", "safetensors", "scikit-learn")
ENCODE = (*COMPUTE, "diffusers", "pillow")
JUDGE = (*COMPUTE, "scipy", "torch-fidelity")
TEMPLATE, RECORD, DATA = "template.yaml", "record.json", "data.json"
WINDOW = 25  # steps, as in `drift train`
ASKED_LATER = ("evaluation.samples", "evaluation.alpha", "evaluation.weights")
STEP_FILES = f"{RUN}/checkpoints/step-*.safetensors"
AGAIN = "whatever the key says"  # an attempt of the same key is always gone on with
LOG = f"{RUN}/metrics/windows.jsonl"


def data(request: Request) -> Step:
    """The real samples: `drift encode` of --images, else the digest of what is there."""
    if request.images is not None:
        return _latents(request, request.images)
    stated = request.template.inputs
    name, folder = request.template.data.dataset, request.folder
    inputs = {
        "data": digests.of_embedded(name) if folder is None else request.seen.tree(folder),
        "every so many-th held out": stated.held_out_every if stated else None,
        "stated licence": stated.licence if stated else None,
        **_named(request),
    }

    def act(folder: Path) -> str:
        atomic.write_text(folder / DATA, json.dumps(inputs, indent=1, sort_keys=True) + "\n")
        return "# the data are there"

    return Step("data", inputs, (DATA,), act, resumes=AGAIN)


def _latents(request: Request, images: Path) -> Step:
    """`drift encode` of --images."""
    stated, judging = request.template.data, request.judging
    inputs = {
        "images": request.seen.tree(images),
        "template.data.resolution": stated.resolution,
        "template.data.posterior": stated.posterior,
        "template.data.mirror": stated.mirror,
        **_named(request),
        **_tokenizer(request),
        **_common(request, "encode", ENCODE),
    }

    def act(folder: Path) -> str:
        pinned = _given(vae=judging.vae, revision=None if _local(judging) else judging.vae_revision)
        posterior = stated.posterior if stated.posterior in ("sample", "mean") else "sample"
        return _drift(
            "encode", images, "--out", folder / "cache", *pinned,
            "--resolution", stated.resolution, "--posterior", posterior,
            "--no-mirror" if stated.mirror == "none" else "--mirror",
            "--seed", request.seed, "--device", request.device,
            *_given(name=request.data_name, licence=request.data_licence),
        )  # fmt: skip

    return Step("data", inputs, ("cache/*",), act, resumes=AGAIN)


def pretrain(request: Request, known: Mapping[str, str]) -> Step:
    """`drift pretrain`: of the template the encoder, the data, and what shape a sample has."""
    about = ("encoder.", "data.", "generator.input_shape", "generator.num_classes",
             "column", "fidelity")  # fmt: skip
    inputs = {
        **{
            name: value for name, value in request.leaves.items()
            if name.removeprefix("template.").startswith(about) and ".second_encoder." not in name
        },
        **known,
        **_common(request, "pretrain", COMPUTE),
    }  # fmt: skip
    act = partial(training, request, "pretrain")
    outputs = (f"{RUN}/{ENCODER}", STEP_FILES, LOG)
    return Step("pretrain", inputs, outputs, act, resumes=fingerprint(request.template))


def train(request: Request, known: Mapping[str, str], encoder: Done) -> Step:
    """`drift train`: the whole template but for what is asked when its run is judged."""
    later = {f"template.{name}" for name in ASKED_LATER}
    inputs = {
        **{name: value for name, value in request.leaves.items() if name not in later},
        **known,
        "encoder": encoder.contents[f"{RUN}/{ENCODER}"],
        "second encoder": _of(request.second_encoder),
        "steps between checkpoints": request.checkpoint_every,
        **_common(request, "train", COMPUTE),
    }

    def act(folder: Path) -> str:
        return training(
            request, "train", folder, "--encoder", encoder.folder / RUN / ENCODER,
            *pace(request),
            *_given(second_encoder=request.second_encoder),
        )  # fmt: skip

    outputs = (STEP_FILES, LOG, f"{RUN}/template.json")
    return Step("train", inputs, outputs, act, resumes=fingerprint(request.template))


def sample(request: Request, run: Done) -> Step:
    """`drift sample`: a grid for the eye, and the tensors behind it."""
    evaluation, judging = request.template.evaluation, request.judging
    shows = request.template.data.tokenizer == "none" or judging.vae is not None
    out = "samples" if shows else "samples.safetensors"
    inputs = {
        "weights": run.contents[step_file(request.template.optimizer.training_steps)],
        "samples": request.shown,
        "template.evaluation.alpha": evaluation.alpha,
        "template.evaluation.weights": evaluation.weights,
        **_tokenizer(request),
        **_common(request, "sample", COMPUTE),
    }

    def act(folder: Path) -> str:
        return _inside(
            folder, "sample", Path("..") / run.folder.name / RUN, "--out", out,
            "--count", request.shown, "--alpha", evaluation.alpha,
            "--weights", evaluation.weights, "--seed", request.seed,
            "--device", request.device, *_decoder(judging, out),
        )  # fmt: skip

    return Step("sample", inputs, (f"{out}/*" if shows else out,), act)


def evaluate(request: Request, run: Done, encoder: Done) -> Step:
    """`drift eval`: the record of the run's figures, with its components."""
    judging, asked = request.judging, request.template.evaluation
    step = judging.step or request.template.optimizer.training_steps
    alpha = asked.alpha if judging.alpha is None else judging.alpha
    samples = judging.samples or asked.samples
    judge = judging.encoder or encoder
    inputs = {
        **{k: v for k, v in request.leaves.items() if k.startswith("template.evaluation.")},
        "template.evaluation.samples": samples,
        "template.evaluation.alpha": alpha,
        "weights": run.contents[step_file(step)],
        "step": step,
        "encoder": judge.contents[f"{RUN}/{ENCODER}"],
        "baselines": judging.baselines,
        "statistics": _of(judging.statistics),
        "extractor": _of(judging.extractor_weights),
        **_tokenizer(request),
        **_common(request, "eval", JUDGE),
    }

    def act(folder: Path) -> str:
        features = Path("..") / judge.folder.name / RUN / ENCODER
        given = {
            "statistics": judging.statistics, "extractor_weights": judging.extractor_weights,
            "encoder": features if request.by_encoder else None,
            "data": request.data if request.template.inputs else None,
            "dataset": "images" if judging.statistics else None,
        }  # fmt: skip
        return _inside(
            folder, "eval", Path("..") / run.folder.name / RUN, "--out", RECORD, "--step", step,
            "--count", samples, "--alpha", alpha, "--weights", asked.weights,
            "--seed", request.seed, "--device", request.device, *_given(**given),
            "--baselines" if judging.baselines else "--no-baselines",
            *_decoder(judging, "images"),
        )  # fmt: skip

    return Step("evaluate", inputs, (RECORD, "record.*.safetensors"), act)


def summary(request: Request, done: Iterable[Done]) -> Step:
    """The report, from the records of all steps and from nothing else."""
    steps = tuple(done)
    inputs = {
        "template": fingerprint(request.template),
        **{f"{one.name}: {name}": digest for one in steps for name, digest in one.contents.items()},
        **{f"key of {one.name}": one.key for one in steps},
        **_behind("drift.reproduce.report", request.root / "code.json"),
    }
    act = partial(report.write, request.template, request.seed, steps)
    return Step("report", inputs, (report.TEXT, report.DATA), act, resumes=AGAIN)


def known_of(made: Done) -> dict[str, str]:
    """The data, as an input of what follows."""
    return {"data": digests.of_value(dict(made.contents))}


def with_data(request: Request, made: Done) -> Request:
    """The request with the latents that were made for it."""
    return replace(request, data=made.folder / "cache") if request.images else request


def training(
    request: Request, command: str, folder: Path, *more: object, anew: bool = False
) -> str:
    """`drift pretrain` or `drift train`, unless `anew` from where an earlier attempt left it."""
    template = folder / TEMPLATE
    atomic.write_text(template, yaml.safe_dump(_stated(request.template), sort_keys=False))
    resumes = not anew and any(folder.glob(STEP_FILES))
    done = _drift(
        command, template, "--out", folder / RUN, "--seed", request.seed,
        "--device", request.device, *more,
        *_given(data=request.data, data_name=request.data_name, data_licence=request.data_licence),
        *(["--resume"] if resumes else []),
    )  # fmt: skip
    return done.replace(f"{folder.parent}/", "")  # as it is typed among the steps


def _stated(template: Template) -> dict[str, Any]:
    """A template as its file states it, together with where its own images lie."""
    found = template.model_dump(mode="json", by_alias=True)
    if template.inputs is None:
        return found
    return {**found, "schema": OWN_SCHEMA, "inputs": template.inputs.model_dump(mode="json")}


def _inside(folder: Path, *words: object) -> str:
    """`_drift` in a step's own folder: what it writes then names no path of this machine."""
    with chdir(folder):
        return f"(cd {folder.name} && {_drift(*words)})"


def _drift(*words: object) -> str:
    """Carry out a command of this program in this process -> the command, as one would type it."""
    from drift.cli import cli

    arguments = [str(word) for word in words]
    cli.main(args=arguments, prog_name="drift", standalone_mode=False)
    return shlex.join(["drift", *(one for one in arguments if one != "--resume")])


def _common(request: Request, command: str, packages: tuple[str, ...]) -> dict[str, Any]:
    """Seed, device, libraries, and the code behind a command."""
    return {
        "seed": request.seed,
        "device": request.device,
        **digests.programs(*packages),
        **_behind(f"drift.commands.{command}", request.root / "code.json"),
    }


@cache
def _behind(module: str, kept: Path) -> dict[str, str]:
    """`code_behind` as it was when this process first asked: that is the code it has loaded."""
    return digests.code_behind(module, kept)


def _named(request: Request) -> dict[str, Any]:
    return {"name of the data": request.data_name, "licence of the data": request.data_licence}


def _local(judging: Judging) -> bool:
    return judging.vae is not None and Path(judging.vae).is_dir()


def _tokenizer(request: Request) -> dict[str, Any]:
    vae, judging = request.judging.vae, request.judging
    known = request.seen.tree(Path(vae)) if vae and _local(judging) else vae
    return {"autoencoder": known, "revision of the autoencoder": judging.vae_revision}


def _decoder(judging: Judging, out: str) -> list[str]:
    pinned = out.endswith(".safetensors") or judging.vae is None
    return [] if pinned else _given(vae=judging.vae, vae_revision=judging.vae_revision)


def pace(request: Request) -> list[object]:
    """Options of checkpoints and windows: a window that a checkpoint cuts would have another row
    after a kill."""
    every = request.checkpoint_every
    return ["--checkpoint-every", every, "--window", math.gcd(every, WINDOW)]


def step_file(step: int) -> str:
    """Where the checkpoint of a step lies in the folder of a training."""
    return STEP_FILES.replace("*", f"{step:08d}")


def _of(path: Path | None) -> str | None:
    return None if path is None else digests.of_file(path)


def _given(**options: object) -> list[str]:
    """--name value of each option that has a value."""
    return [
        word
        for name, value in options.items()
        if value is not None
        for word in (f"--{name.replace('_', '-')}", str(value))
    ]
