"""Models of a diffusers folder, taken whole: no parameter drawn at random, none left over.

The library goes on with random parameters in the place of missing ones, with a warning; what it
left out, gave away or could not fit is in its loading information, and stops the load here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch

from drift.sample.loading import SampleError

# What says where a file comes from, of all that `from_pretrained` takes.
PLACE = ("cache_dir", "force_download", "proxies", "local_files_only", "token", "revision")
SHOWN, LONGEST = 3, 300  # names, and characters of the library's own words


def load(reader: Callable[..., Any], place: object, **chosen: Any) -> tuple[Any, dict[str, Any]]:
    """`reader(place, ...)`, a `from_pretrained` -> (model, loading information, all of it empty).

    Weights are safetensors, never a pickle. Raises SampleError for a model that is not whole or
    holds numbers that are not finite.
    """
    if chosen.pop("use_safetensors", None) is False:
        raise SampleError(
            "use_safetensors", found=False, expected="True: pickled weights are never read"
        )
    try:
        model, info = reader(place, **chosen, use_safetensors=True, output_loading_info=True)
    except (OSError, RuntimeError, ValueError) as error:
        raise SampleError(
            str(place),
            found=" ".join(str(error).split())[:LONGEST] or type(error).__name__,
            expected="config.json and its .safetensors weights",
        ) from error
    odd = {kind: sorted(map(str, names)) for kind, names in info.items() if names}
    if odd:
        raise SampleError(
            str(place),
            found="; ".join(
                f"{len(names)} {kind.replace('_', ' ')}: {', '.join(names[:SHOWN])}"
                for kind, names in odd.items()
            ),
            expected="exactly the parameters of its configuration",
            remedy="The folder is damaged or of another model: save it again from the run.",
        )
    _require_finite(place, model)
    return model, info


def require_fields(place: object, config: Mapping[str, Any], wanted: frozenset[str]) -> None:
    """Raise SampleError unless a config.json states every field and no other.

    A field that is left out would take its default, which may be another network of equal shapes.
    """
    stated = {name for name in config if not name.startswith("_")}
    missing, unknown = sorted(wanted - stated), sorted(stated - wanted)
    if missing or unknown:
        raise SampleError(
            f"{place}: config.json",
            found=f"missing keys {missing}, unknown keys {unknown}",
            expected="every field of the generator, once",
        )


def _require_finite(place: object, model: Any) -> None:
    for name, value in model.state_dict().items():
        if value.is_floating_point() and not bool(torch.isfinite(value).all()):
            raise SampleError(
                f"{place}: {name}", found="numbers that are not finite", expected="finite weights",
                remedy="The file is damaged, or these weights are too large for this torch_dtype.",
            )  # fmt: skip
