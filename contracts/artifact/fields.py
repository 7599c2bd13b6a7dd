"""Checks of metadata: what each field takes, and what each statement earns in the score."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path

from drift.artifacts import claims, quality, schema
from drift.artifacts.header import Header, read_header
from drift.config.bounds import LARGEST
from verify.api import CheckContext, Measurement, check, mutant

from ..common.places import folder
from ..common.rows import Refused, Row, judge_rows
from . import cases

EVALUATION = '{"axis":"proxy","metric":"fid","samples":10,"value":1.5}'
# Field -> texts it takes, each with what it is stored as, and texts it does not.
FIELDS: Mapping[str, tuple[Mapping[str, str], tuple[str, ...]]] = {
    "architecture": ({"drift-mae": "drift-mae"}, ("mae", "")),
    "config": ({'{"b": 1, "a": [2]}': '{"a":[2],"b":1}'}, ("[]", "{", '{"a":1,"a":2}',
        '{"a":NaN}')),
    "width": ({"1": "1", "0032": "32", "16777216": "16777216"},
              ("0", "16777217", "-1", "1.0", " 1", "123456789", "")),
    "depth": ({"7": "7"}, ("0",)), "patch_size": ({"2": "2"}, ("x",)), "in_channels": ({"4": "4"},
        ("",)),
    "blocks": ({"[3, 4]": "[3,4]", "1": "[1]", " 1,2 ": "[1,2]",
        ",".join("1" * 64): str([1] * 64).replace(" ", "")},
               ("[]", "1,,2", "0", ",".join("1" * 65))),
    "source_sha256": ({"AB" * 32: "ab" * 32}, ("a" * 63, "a" * 65, "g" * 64)),
    "source_layout": ({" x ": "x", "x" * 200: "x" * 200}, ("", "  ", "x" * 201, "a\nb")),
    "weights": ({"ema": "ema", "raw": "raw"}, ("EMA",)), "tier": ({"none": "none", "A": "A"},
        ("D",)),
    "created": ({"2026-11-21T10:00:00+00:00": "2026-11-21T10:00:00+00:00"},
                ("2026-11-21T10:00:00", "yesterday")),
    "evaluation": (
        {EVALUATION: EVALUATION, EVALUATION.replace("1.5", "2"): EVALUATION.replace("1.5", "2")},
        (EVALUATION.replace("proxy", "best"), EVALUATION.replace('"fid"', "1"), "[]",
         EVALUATION.replace("10", '"10"'), EVALUATION.replace("1.5", "true"),
         EVALUATION.replace('"samples":10,', ""), EVALUATION.replace(',"value":1.5', ""))),
}  # fmt: skip


@check("artifact.fields")
def fields(ctx: CheckContext) -> Measurement:
    """Texts taken and refused, their stored form, what they are read as."""
    return judge_rows(ctx, chain(_stored(), _parsed()), "texts of fields")


def _stored() -> Iterator[Row]:
    for name, (taken, refused) in FIELDS.items():
        for text, stored in taken.items():
            yield (
                f"{name} {text[:40]!r}",
                partial(schema.normal_value, name, text, place="p"),
                stored,
            )
        said = Refused(f"p: {name}", schema.FIELDS[name].expected)
        for text in refused:
            yield f"{name} {text[:40]!r}", partial(schema.normal_value, name, text, place="p"), said
    unknown = partial(schema.normal_value, "more", "1", place="p")
    yield "an unknown field", unknown, Refused("the field 'more'", "architecture", "--help")
    patch_ = {"width": "08", "tier": "B"}
    yield "two fields", lambda: schema.validated(patch_, place="p"), {"width": "8", "tier": "B"}
    yield "an option", lambda: schema.FIELDS["patch_size"].option, "--patch-size"
    yield "the most JSON", lambda: (schema.MAX_JSON, schema.MAX_TEXT, LARGEST), (
        1 << 16, 200, 1 << 24
    )  # fmt: skip


def _parsed() -> Iterator[Row]:
    held = {"width": "08", "blocks": "[1, 2]", "config": '{"a":1}', "tier": "A", "depth": "x",
            "evaluation": EVALUATION, "more": "1", "weights": "?"}  # fmt: skip
    for name, wanted in (
        ("width", 8), ("blocks", [1, 2]), ("config", {"a": 1}), ("tier", "A"), ("depth", None),
        ("evaluation", json.loads(EVALUATION)), ("more", None), ("patch_size", None),
    ):  # fmt: skip
        yield f"parsed {name}", partial(schema.parsed, held, name), wanted
    yield "not understood", lambda: schema.not_understood(held), ["depth", "weights"]
    stamped = {"stamped": '["width", "more", "tier"]'}
    yield "stamped", lambda: claims.stamped_fields(stamped), ["width", "tier"]
    yield "stamped badly", lambda: claims.stamped_fields({"stamped": "{"}), []
    yield "stamped oddly", lambda: claims.stamped_fields({"stamped": '{"width": 1}'}), []
    for name, wanted in (
        ("mae_w640", [640]), ("width-64", [64]), ("width_64x", []), ("mae_latent_640", [640]),
        ("MAE-Pixel-ablation-256.safetensors", [256]), ("raw640", []), ("w6", []), ("w123456", []),
        ("w32-w64", [32, 64]), ("encoder", []), ("mae_640", []),
    ):  # fmt: skip
        yield f"the name {name}", partial(claims.width_in_name, name), wanted
    command = partial(claims.stamp_command, Path("a b"), {"patch_size": "2", "tier": "A"})
    yield "a command", command, "drift stamp 'a b' --patch-size 2 --tier A"


# the score


@check("artifact.points")
def points(ctx: CheckContext) -> Measurement:
    """What each statement of a whole file earns, changed or left out alone."""
    with folder() as place:
        path = cases.saved(place, cases.generator())
        other = cases.saved(place, cases.autoencoder(), "mae.safetensors")
        rows = chain(_whole(path), _advised(path, other), _alone(path), _contradicted(path))
        return judge_rows(ctx, rows, "scores")


GOOD = {
    "source_sha256": "ab" * 32, "source_layout": "x", "weights": "ema", "template": "t",
        "data": "d",
    "tokenizer": "none", "tier": "A", "licence": "MIT",
    "evaluation": EVALUATION.replace("proxy", "paper-eval"),
}  # fmt: skip


def _earned(header: Header, **changes: str | None) -> dict[str, tuple[float, float, str]]:
    """Name -> points, points possible, note."""
    held = {**(header.metadata or {}), **GOOD, **changes}
    metadata = {name: value for name, value in held.items() if value is not None}
    found = quality.assess(replace(header, metadata=metadata))
    return {
        item.name: (round(item.earned, 6), round(item.possible, 6), item.note)
        for part in found.components
        for item in part.items
    }


def _whole(path: Path) -> Iterator[Row]:
    header = read_header(path)
    possible = {
        "architecture": 4, "config": 6, "width": 2.5, "depth": 2.5, "patch_size": 2.5,
        "in_channels": 2.5, "source_sha256": 8, "weights": 5, "template": 4, "source_layout": 3,
        "data": 3, "created": 2, "tokenizer": 15, "measurement": 12, "tier": 3, "licence": 10,
        "digest": 8, "finite": 3, "probe": 4,
    }  # fmt: skip
    notes = {"measurement": "measured on paper-eval", "probe": "recorded; reproduced on every load"}
    wanted = {name: (float(n), float(n), notes.get(name, "")) for name, n in possible.items()}
    yield (
        "all of it",
        lambda: {k: (float(a), float(b), c) for k, (a, b, c) in _earned(header).items()},
        wanted,
    )
    found = quality.assess(replace(header, metadata={**(header.metadata or {}), **GOOD}))
    said = found.as_dict()
    yield "as JSON", lambda: {k: said[k] for k in ("schema", "score", "architecture", "layout",
        "command")}, {
        "schema": "drift-quality/1", "score": 100, "architecture": "drift-generator",
        "layout": "drift", "command": "",
    }  # fmt: skip
    yield "its parts", lambda: {k: (v["earned"], v["possible"]) for k,
        v in said["components"].items()}, {
        "identity": (20.0, 20), "provenance": (25, 25), "tokenizer": (15, 15),
        "evaluation": (15, 15), "licence": (10, 10), "integrity": (15, 15),
    }  # fmt: skip
    yield "its digest", lambda: said["tensors_sha256"], (header.metadata or {})["tensors_sha256"]
    yield "its tensors", lambda: said["evidence"]["width"], 32


ALONE: tuple[tuple[str, str, str | None, float, str], ...] = (  # item, field, value, points, note
    ("tokenizer", "tokenizer", None, 0, "unknown"), ("tokenizer", "tokenizer", "unknown", 0,
     "unknown"),
    ("tokenizer", "tokenizer", "a/b@" + "c" * 40, 15, ""),
    ("tokenizer", "tokenizer", "a/b@main", 8, "named, but not pinned to a revision"),
    ("measurement", "evaluation", None, 0, "no measurement recorded"),
    ("measurement", "evaluation", EVALUATION, 5, "measured on proxy"),
    ("measurement", "evaluation", EVALUATION.replace("proxy", "repo-eval"), 9,
     "measured on repo-eval"),
    ("measurement", "evaluation", EVALUATION.replace("proxy", "smoke"), 2, "measured on smoke"),
    ("tier", "tier", None, 0, "absent"), ("tier", "tier", "B", 3, ""), ("tier", "tier", "C", 3, ""),
    ("tier", "evaluation", EVALUATION, 0, "no measurement bears out tier A"),
    ("tier", "evaluation", EVALUATION.replace("proxy", "repo-eval"), 0,
     "no measurement bears out tier A"),
    ("tier", "evaluation", None, 0, "no measurement bears out tier A"),
    ("licence", "licence", None, 0, "absent"), ("licence", "licence", "Apache-2.0 OR MIT", 10, ""),
    ("licence", "licence", "NOASSERTION", 4, "the source states none"),
    ("licence", "licence", "unknown", 4, "the source states none"),
    ("licence", "licence", "ask me", 4, "not an SPDX expression"),
    ("digest", "tensors_sha256", None, 0, "no digest of the tensors recorded"),
    ("digest", "tensors_sha256", "0" * 64, 0, "the tensors are not those that were saved"),
    ("probe", "tensors_sha256", "0" * 64, 0, "recorded for other tensors"),
    ("probe", "probe", None, 0, "no probe output recorded"),
    ("width", "width", None, 0, "absent or not understood"), ("data", "data", None, 0, "absent"),
    ("config", "config", "{", 0, "absent or not understood"), ("created", "created", "x", 0,
     "absent"),
)  # fmt: skip


def _alone(path: Path) -> Iterator[Row]:
    header = read_header(path)
    whole = _earned(header)
    of = {name: points for name, (_, points, _) in whole.items()}  # whatever a field says
    for item, field, value, wanted, note in ALONE:

        def found(item: str = item, field: str = field, value: str | None = value) -> object:
            earned = _earned(header, **{field: value})
            possible = {name: points for name, (_, points, _) in earned.items()}
            return float(earned[item][0]), earned[item][2], possible

        yield f"{item} where {field} is {value}", found, (float(wanted), note, of)
    lower = partial(_earned, header, tier="B", evaluation=EVALUATION.replace("proxy", "repo-eval"))
    yield "a tier on repo-eval", lambda: lower()["tier"][0], whole["tier"][0]
    broken = cases.rewritten(
        path, tensors=lambda held: next(iter(held.values())).fill_(float("nan"))
    )
    name = next(iter(sorted(read_header(broken).tensors)))
    said = _earned(read_header(broken))["finite"]
    yield (
        "not finite",
        lambda: (said[0], said[2].startswith("not finite: "), bool(name)),
        (0, True, True),
    )


def _contradicted(path: Path) -> Iterator[Row]:
    header = read_header(path)
    wrong = replace(
        header, metadata={**(header.metadata or {}), **GOOD, "width": "64", "depth": "3"}
    )
    found = quality.assess(wrong)
    earned = {item.name: (item.earned, item.note) for item in found.components[0].items}
    yield "contradicted", lambda: (earned["width"], earned["depth"][0], earned["patch_size"][0]), (
        (0, "contradicted by the tensors"), 0, 2.5
    )  # fmt: skip
    yield (
        "said",
        lambda: found.contradictions,
        (
            "width: the metadata field width says 64, the tensors show 32",
            "depth: the metadata field depth says 3, the tensors show 2",
        ),
    )
    yield "mended by", lambda: found.command, f"drift stamp {path} --width 32 --depth 2"


ADVICE = {
    "config": "{} --config VALUE", "depth": "{} --depth 2",
    "patch_size": "{} --patch-size VALUE", "in_channels": "{} --in-channels VALUE",
    "architecture": "{} --architecture drift-generator", "width": "{} --width 32",
    "source_sha256": "{} --source-sha256 VALUE", "weights": "{} --weights VALUE",
    "template": "{} --template VALUE", "source_layout": "{} --source-layout VALUE",
    "data": "{} --data VALUE", "created": "{} --created VALUE",
    "tokenizer": "{} --tokenizer NAME@REVISION (or none)",
    "measurement": "evaluate on paper-eval, then {} --evaluation JSON",
    "tier": "{} --tier TIER, as `verify claims` computes it",
    "licence": "{} --licence NOASSERTION, or the true one",
    "digest": "import or save the model again", "probe": "import or save the model again",
}  # fmt: skip


def _advised(path: Path, autoencoder: Path) -> Iterator[Row]:
    """What earns the rest: of files that say nothing, of a whole one, and of one odd statement."""

    def advice(path: Path, metadata: Mapping[str, str], *names: str) -> dict[str, str]:
        found = quality.assess(replace(read_header(path), metadata=metadata))
        items = [item for part in found.components for item in part.items]
        said = {item.name: item.raise_by for item in items if item.raise_by}
        return {name: text for name, text in said.items() if not names or name in names}

    stamps = {one: f"drift stamp {one}" for one in (path, autoencoder)}
    bare = {name: text.format(stamps[path]) for name, text in ADVICE.items()}
    yield "advice for a bare file", partial(advice, path, {}), bare
    of_mae = partial(advice, autoencoder, {}, "architecture", "width", "depth", "blocks")
    yield "for a bare autoencoder", of_mae, {
        "architecture": f"{stamps[autoencoder]} --architecture drift-mae",
        "width": f"{stamps[autoencoder]} --width 32", "depth": f"{stamps[autoencoder]} --depth 4",
        "blocks": f"{stamps[autoencoder]} --blocks [1,1,1,1]",
    }  # fmt: skip
    whole = {**(read_header(path).metadata or {}), **GOOD}
    yield "for a whole one", partial(advice, path, whole), {}
    owner = "{} --licence IDENTIFIER, once the owner has stated one"
    pinned = "{} --tokenizer NAME@REVISION, with the 40 digits of its commit"
    for field, value, item, wanted in (
        ("width", "64", "width", "{}, as shown below"),
        ("licence", "NOASSERTION", "licence", owner),
        ("licence", "ask me", "licence", owner),
        ("tokenizer", "a/b@main", "tokenizer", pinned),
        ("evaluation", EVALUATION, "measurement", ADVICE["measurement"]),
        ("evaluation", EVALUATION, "tier", ADVICE["tier"]),
        ("tensors_sha256", "0" * 64, "digest", ADVICE["digest"]),
        ("tensors_sha256", "0" * 64, "probe", ADVICE["probe"]),
    ):  # fmt: skip
        odd = partial(advice, path, {**whole, field: value}, item)
        yield f"where {field} is {value}", odd, {item: wanted.format(stamps[path])}


# A field takes whatever is given.
ANY_TEXT = mutant("artifact.any_text", schema, normal_value=lambda name, value, *, place: value)


OTHER_VALUES = (
    # A tokenizer counts whatever pins it.
    mutant("artifact.unpinned_counts", quality, _PINNED=re.compile("@")),
    # A tier is believed without a measurement.
    mutant(
        "artifact.tiers_believed", quality, _TIER_NEEDS=dict.fromkeys("AB", ("proxy", "repo-eval"))
    ),
)
