"""The tables that are measured: every row is a setting, in the paper's order, the best first.

A row is a name, what it changes, and which row of the paper it stands for. The order itself is a
fact (`specs/facts/ablations.yaml`) that a clause holds these rows against; `None`: the paper has
no such row, and no order is expected.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

# The digits template made small enough for one slow CPU: the loss compares pixels, with no encoder
# in it, and the generator has two blocks of four patches.
TEMPLATE = "digits"
BUDGET = (
    "encoder.pretrain.steps=200",  # of the judge
    "encoder.pretrain.epochs=11",
    "encoder.finetune.steps=50",
    "encoder.finetune.ramp_steps=25",
    "loss.feature_taps=none",
    "generator.patch_size=4",
    "generator.depth=2",
    "optimizer.training_steps=250",
    "optimizer.warmup_steps=20",
    "optimizer.ema_decay=[0.95]",
    "evaluation.samples=1000",
)
COST_S = 25  # seconds of one slow CPU for a run; `wall_s` and `cpu_s` of each are in its record
TAUGHT_COST_S = 40  # with an encoder in the loss, and half the steps
NO_ORDER = "no order in the paper"


@dataclass(frozen=True)
class Row:
    """One setting: what it changes over the budget, and the loss it is trained with.

    paper   the row's name in the fact; None where the paper has none
    kernel  of `drift.variants`; plain: the method's
    """

    name: str
    paper: str | None
    settings: tuple[str, ...] = ()
    kernel: str = "plain"


@dataclass(frozen=True)
class Table:
    """Settings to be compared: a name for the command, the fact with the paper's figures.

    shared  what all rows change over the budget
    cost_s  seconds of one slow CPU for a run
    """

    name: str
    title: str
    at: str
    fact: str
    rows: tuple[Row, ...]
    shared: tuple[str, ...] = ()
    cost_s: int = COST_S

    @property
    def budget(self) -> tuple[str, ...]:
        """What all runs of the table have over the template."""
        return (*BUDGET, *self.shared)

    @property
    def ordered(self) -> bool:
        """Whether the paper has figures for these rows."""
        return all(row.paper is not None for row in self.rows)


def _variant(name: str, paper: str | None = None) -> Row:
    return Row(name, paper, kernel=name)


def _split(labels: int, each: int, paper: str) -> Row:
    settings = (
        f"loss.class_labels={labels}", f"loss.positives={each}", f"loss.generated={each}",
    )  # fmt: skip
    return Row(f"{labels} labels of {each}", paper, settings)


def _law(name: str, power: float, at_one: float) -> Row:
    settings = (
        "cfg.alpha_range=[1.0, 4.0]", f"cfg.alpha_power={power}", f"cfg.point_mass={at_one}",
    )  # fmt: skip
    return Row(name, None, settings)


BALANCE = Table(
    "balance", "Attraction against repulsion", "Table 1", "ablations.table1_antisymmetry",
    (
        Row("V+ - V-", "V+ - V-"),
        _variant("1.5 V+ - V-", "1.5 V+ - V-"),
        _variant("V+ - 1.5 V-", "V+ - 1.5 V-"),
        _variant("2 V+ - V-", "2 V+ - V-"),
        _variant("V+ - 2 V-", "V+ - 2 V-"),
        _variant("V+ only", "V+ only"),
    ),
)  # fmt: skip

POSITIVES = Table(
    "positives", "Positives of a label", "Table 2, left", "ablations.table2_positives",
    tuple(
        Row(f"positives: {count}", paper, (f"loss.positives={count}",))
        for count, paper in ((16, "64"), (8, "32"), (4, "16"), (1, "1"))
    ),
)  # fmt: skip

NEGATIVES = Table(
    "negatives", "A batch of 160 split into labels and samples", "Table 2, right",
    "ablations.table2_negatives",
    (
        _split(10, 16, "Nc 64, Npos 64, Nneg 64"),
        _split(20, 8, "Nc 128, Npos 32, Nneg 32"),
        _split(40, 4, "Nc 256, Npos 16, Nneg 16"),
    ),
)  # fmt: skip

NORMALISATION = Table(
    "normalisation", "Normalisation of the kernel", "Table 11",
    "ablations.table11_kernel_normalisation",
    (
        Row("softmax over x and y", "softmax over x and y"),
        _variant("softmax over y", "softmax over y"),
        _variant("no normalisation", "no normalisation"),
    ),
)  # fmt: skip

TEMPERATURES = Table(
    "temperatures", "One temperature or three", "A.6", "ablations.a6_temperatures",
    (
        Row("all three", "all three"),
        Row("0.05", "0.05", ("loss.temperatures=[0.05]",)),
        Row("0.2", "0.2", ("loss.temperatures=[0.2]",)),
        Row("0.02", "0.02", ("loss.temperatures=[0.02]",)),
    ),
)  # fmt: skip

FOLLOW_UPS = Table(
    "follow-ups", "Ideas that are not the paper's", NO_ORDER, "",
    (
        Row("method", None),
        _variant("decoupled"),
        _variant("decoupled, corrected"),
        _variant("sinkhorn"),
    ),
)  # fmt: skip

# The template's own law against those of Table 8: its ablation column, B/2 and L/2.
GUIDANCE = Table(
    "guidance", "Laws of the guidance scale in training, judged at a scale of one", NO_ORDER, "",
    (
        Row("power 3 on 1 to 1.5, four of five at 1", None),
        _law("power 3 on 1 to 4, half at 1", 3.0, 0.5),
        _law("power 5 on 1 to 4", 5.0, 0.0),
        _law("power 3 on 1 to 4", 3.0, 0.0),
    ),
)  # fmt: skip

LABELS = Table(
    "labels", "Labels of a batch, 16 samples of each", NO_ORDER, "",
    (
        Row("10 labels", None),
        Row("20 labels", None, ("loss.class_labels=20",)),
        Row("5 labels", None, ("loss.class_labels=5",)),
    ),
)  # fmt: skip

# The only table with an encoder in the loss: one of its own for every seed, and never the judge.
FEATURES = Table(
    "features", "Groups of features in the loss", "A.5", "ablations.a5_features",
    (
        Row("(a) to (d)", "a-d"),
        Row("(a) to (c)", "a-c", ("loss.patch_sizes=[2]",)),
        Row("(a) and (b)", "a,b", ("loss.patch_sizes=[]",)),
    ),
    shared=("loss.feature_taps=stem-stages-blocks", "optimizer.training_steps=125"),
    cost_s=TAUGHT_COST_S,
)  # fmt: skip

TABLES: Mapping[str, Table] = {
    one.name: one
    for one in (
        BALANCE, POSITIVES, NEGATIVES, NORMALISATION, TEMPERATURES, FOLLOW_UPS, GUIDANCE, LABELS,
        FEATURES,
    )
}  # fmt: skip
