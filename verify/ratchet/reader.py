"""A pack as plain data, told by the reader that its own commit carries.

Run as a program (`reader.py CODE PACK`) it takes the package `verify` from CODE, so that a pack in
an earlier language is read by the code that was written for it. It imports what every version has.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any


def snapshot(root: Path) -> dict[str, Any]:
    """The resolved pack, its policy files and where each thing is stated; raises PackError."""
    from verify.spec.pack import load

    loaded = load(root)
    return {
        "pack": loaded.pack.model_dump(mode="json"),
        "policies": {
            label: {"schema": document.value["schema"], **_dump(loaded.models[label])}
            for label, document in loaded.documents.items()
            if label in loaded.models
        },
        "written": {
            label: document.value
            for label, document in loaded.documents.items()
            if isinstance(document.value, dict) and label.startswith(("contracts/", "specs/"))
        },
    }


def _dump(model: Any) -> dict[str, Any]:
    dumped: dict[str, Any] = model.model_dump(mode="json")
    return dumped


if __name__ == "__main__":
    sys.path.insert(0, sys.argv[1])
    json.dump(snapshot(Path(sys.argv[2])), sys.stdout)
