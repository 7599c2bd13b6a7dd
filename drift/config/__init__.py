"""Training templates: typed configuration, its reading, and what it means to the engine."""

from drift.config.engine import require_buildable, unbuildable
from drift.config.overrides import override
from drift.config.problems import FieldProblem, TemplateError
from drift.config.reading import (
    INPUTS,
    load_template,
    parse_template,
    template_names,
)
from drift.config.reference import activation_kwargs, encoder_kwargs, generator_kwargs
from drift.config.sections import (
    SECTIONS,
    Cfg,
    Data,
    Encoder,
    Evaluation,
    Finetune,
    Generator,
    Inputs,
    Loss,
    Optimizer,
    Pretrain,
    Queue,
    SecondEncoder,
)
from drift.config.template import Deviation, Template, fingerprint

__all__ = [
    "INPUTS",
    "SECTIONS",
    "Cfg",
    "Data",
    "Deviation",
    "Encoder",
    "Evaluation",
    "FieldProblem",
    "Finetune",
    "Generator",
    "Inputs",
    "Loss",
    "Optimizer",
    "Pretrain",
    "Queue",
    "SecondEncoder",
    "Template",
    "TemplateError",
    "activation_kwargs",
    "encoder_kwargs",
    "fingerprint",
    "generator_kwargs",
    "load_template",
    "override",
    "parse_template",
    "require_buildable",
    "template_names",
    "unbuildable",
]
