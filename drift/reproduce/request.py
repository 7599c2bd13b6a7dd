"""What is reproduced and how it is judged; refused where a later step would lack something."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from drift.config import Template
from drift.errors import DriftError
from drift.reproduce.digests import EMBEDDED, Seen
from drift.reproduce.store import Done

RUN, ENCODER = "run", "encoder.safetensors"  # in the folder of a training


@dataclass(frozen=True)
class Judging:
    """How a run is judged, besides what its template says.

    step     of which checkpoint; None: the last
    alpha    guidance; None: the template's
    encoder  of digits: whose features are used; None: the encoder of the run
    """

    step: int | None = None
    alpha: float | None = None
    samples: int | None = None
    encoder: Done | None = None
    baselines: bool = True
    statistics: Path | None = None
    extractor_weights: Path | None = None
    vae: str | None = None
    vae_revision: str | None = None


@dataclass(frozen=True)
class Request:
    """What is reproduced: a resolved template, its data, a seed, and where everything goes.

    root    the folder of all steps and of the report
    data    latent cache or image folder; `images` instead are encoded first
    shown   samples that are drawn for the eye
    """

    template: Template
    root: Path
    seed: int = 0
    device: str = "cpu"
    data: Path | None = None
    images: Path | None = None
    data_name: str | None = None
    data_licence: str | None = None
    second_encoder: Path | None = None
    checkpoint_every: int = 250
    shown: int = 100
    judging: Judging = Judging()

    @property
    def store(self) -> Path:
        """The folder of the steps."""
        return self.root / "steps"

    @property
    def leaves(self) -> dict[str, Any]:
        """The template's fields by their dotted path, those of its header that count, too."""
        template = self.template
        head = {name: getattr(template, name) for name in ("column", "fidelity", "semantics")}
        return {f"template.{k}": v for k, v in (head | template.leaves()).items()}

    @property
    def folder(self) -> Path | None:
        """Where the images or latents lie: --data, else what the template's file says."""
        inputs = self.template.inputs
        return self.data or (Path(inputs.folder) if inputs else None)

    @property
    def by_encoder(self) -> bool:
        """Whether the features of an encoder judge, and no statistics of real images."""
        inputs, name = self.template.inputs, self.template.data.dataset
        held_out = inputs is not None and inputs.held_out_every is not None
        return name in EMBEDDED or (held_out and self.judging.statistics is None)

    @cached_property
    def seen(self) -> Seen:
        """Digests of data that were read before."""
        return Seen(self.root / "files.json")


def require_whole(request: Request) -> None:
    """Raise DriftError for what the last step would lack, before the first one begins."""
    template, judging = request.template, request.judging
    name = template.data.dataset
    given = request.data or request.images
    if name in EMBEDDED and given:
        raise DriftError("--data", found=str(given), expected=f"none: {name} is embedded")
    if name not in EMBEDDED and (request.folder is None) == (request.images is None):
        raise DriftError(
            "--data, --images", found="both" if given else "neither", expected="one",
            remedy=f"The template is about {template.data.dataset}.",
        )  # fmt: skip
    if request.images and template.data.tokenizer == "none":
        raise DriftError("--images", found="a template of pixels", expected="--data with images")
    if not request.by_encoder and judging.statistics is None:
        raise DriftError(
            "--statistics", found="nothing", expected="statistics of real images",
            remedy="`drift eval REAL --write-statistics FILE --name NAME` makes them.",
        )  # fmt: skip
    if request.second_encoder is None and template.encoder.second_encoder.model != "none":
        raise DriftError(
            "--second-encoder", found="nothing", expected=template.encoder.second_encoder.model
        )
