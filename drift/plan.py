"""What a run will need, before any work is done: parameters, memory, arithmetic, time and cost.

Counted on the meta device, where nothing is allocated: one sample goes through generator and
encoder, its arithmetic is counted operation by operation, and what autograd would keep is added
up. Time and cost follow from a sustained rate that the user states; they are estimates.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.flop_counter import FlopCounterMode

from drift.config import Template, encoder_kwargs, generator_kwargs
from drift.encoder import EncoderConfig, MaskedAutoencoder
from drift.features import FeatureExtractor, freeze
from drift.generator import Generator, GeneratorConfig
from drift.train import build
from drift.train.room import size

FLOAT32 = 4
BACKWARD = 2  # a backward pass costs about two forward ones; one where only inputs need gradients


@dataclass(frozen=True)
class Plan:
    """Figures of a run; bytes unless said."""

    template: str
    steps: int
    generator_parameters: int
    encoder_parameters: int
    samples_per_step: int
    real_per_step: int
    state_bytes: int  # parameters, gradients, both moments, averages
    encoder_bytes: int
    activation_bytes: int  # kept for the backward pass, all samples of a step at once
    queue_bytes: int
    checkpoint_bytes: int
    flops_per_step: float
    forward_flops: float  # generating all samples of a step, and their features
    features: int  # names in the dictionary
    feature_numbers: int  # numbers in all features of one sample

    @property
    def memory_bytes(self) -> int:
        """Everything that is held at the same time."""
        return self.state_bytes + self.encoder_bytes + self.activation_bytes + self.queue_bytes

    def hours(self, flops_per_second: float) -> float:
        """Wall-clock hours at a sustained rate, all devices together."""
        return self.steps * self.flops_per_step / flops_per_second / 3600

    def lines(self, flops_per_second: float, price_per_hour: float | None) -> list[str]:
        """The plan for a person to read."""
        hours = self.hours(flops_per_second)
        lines = [
            f"template       {self.template}, {self.steps} steps",
            f"generator      {self.generator_parameters:,} parameters",
            f"encoder        {self.encoder_parameters:,} parameters, frozen",
            f"a step         {self.samples_per_step:,} generated and {self.real_per_step:,} real "
            f"samples, {self.flops_per_step:.3g} floating-point operations",
            f"memory         {size(self.memory_bytes)}: state {size(self.state_bytes)}, encoder "
            f"{size(self.encoder_bytes)}, activations {size(self.activation_bytes)}, queues "
            f"{size(self.queue_bytes)}",
            f"a checkpoint   {size(self.checkpoint_bytes)}",
            f"time           {hours:.3g} hours at {flops_per_second:.3g} operations a second",
        ]
        if price_per_hour is not None:
            lines.append(
                f"cost           {hours * price_per_hour:,.2f} at {price_per_hour:g} an hour"
            )
        return [*lines, "estimates: counted, not measured; feature losses and data are left out"]


def plan(template: Template) -> Plan:
    """The plan of a template; nothing is allocated but a few numbers."""
    loss, queue = template.loss, template.queue
    generator = Generator(GeneratorConfig.from_reference(generator_kwargs(template)), device="meta")
    encoder = MaskedAutoencoder(
        EncoderConfig.from_reference(encoder_kwargs(template)), device="meta"
    )
    extractor = FeatureExtractor(freeze(encoder), config=build.feature_config(template))
    height, width, channels = template.generator.input_shape
    sample_bytes = height * width * channels * FLOAT32
    generated = loss.class_labels * loss.generated
    real = loss.class_labels * (loss.positives + loss.unconditional)
    one = _meta_inputs(template)
    make_flops, make_bytes = _count(generator, *one)
    feature_flops, feature_bytes = _count(extractor, _meta_sample(template))
    with torch.no_grad():
        found = extractor(_meta_sample(template))
    parameters = _parameters(generator)
    averages = len(template.optimizer.ema_decay)
    queue_samples = queue.per_class_capacity * template.generator.num_classes
    queue_bytes = (queue_samples + queue.global_capacity) * sample_bytes
    state = parameters * FLOAT32 * (4 + averages)
    return Plan(
        template=template.name,
        steps=template.optimizer.training_steps,
        generator_parameters=parameters,
        encoder_parameters=_parameters(encoder),
        samples_per_step=generated,
        real_per_step=real,
        state_bytes=state,
        encoder_bytes=sum(p.numel() * p.element_size() for p in encoder.parameters()),
        activation_bytes=generated * (make_bytes + feature_bytes),
        queue_bytes=queue_bytes,
        checkpoint_bytes=parameters * FLOAT32 * (3 + averages) + queue_bytes,
        flops_per_step=generated * make_flops * (1 + BACKWARD)
        + generated * feature_flops * 2
        + real * feature_flops,
        forward_flops=generated * (make_flops + feature_flops),
        features=len(found),
        feature_numbers=sum(one.numel() for one in found.values()),
    )


def _count(module: nn.Module, *inputs: Tensor) -> tuple[float, int]:
    """(operations, bytes kept for a backward pass) of one sample on the meta device."""
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        if not isinstance(tensor, nn.Parameter):
            kept[id(tensor.untyped_storage())] = tensor.untyped_storage().nbytes()
        return tensor

    with FlopCounterMode(display=False) as counter, saved_tensors_hooks(keep, lambda t: t):
        held = module(*inputs)
    del held
    return float(counter.get_total_flops()), sum(kept.values())


def _meta_inputs(template: Template) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    style = torch.zeros(1, template.generator.style_tokens, dtype=torch.int64, device="meta")
    label = torch.zeros(1, dtype=torch.int64, device="meta")
    return _meta_sample(template), label, torch.ones(1, device="meta"), style


def _meta_sample(template: Template) -> Tensor:
    height, width, channels = template.generator.input_shape
    return torch.zeros(1, channels, height, width, device="meta", requires_grad=True)


def _parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
