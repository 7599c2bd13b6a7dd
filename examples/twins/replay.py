"""Show a mismatch again: `python replay.py mismatch.json [--source rover.c]`.

Plays the recorded actions on both rovers and prints the last moments side by side. Exit 1 where
they part, as they did; 0 where they agree now.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from rover.compare import first_mismatch, moments
from rover.native import NativeRover
from rover.reference import FIELDS, Rover

SHOWN = 3


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--source", type=Path, help="C source in place of rover/rover.c")
    given = parser.parse_args()
    said = json.loads(given.file.read_text(encoding="utf-8"))
    source = given.source.read_text(encoding="utf-8") if given.source else ""
    defines = ("CARRY_SPIN",) if said["subject"].startswith("c-1.0") else ()

    def twins() -> tuple[Rover, NativeRover]:
        return Rover(said["seed"], said["fuel"]), NativeRover(
            said["seed"], said["fuel"], source=source, defines=defines
        )

    found = first_mismatch(*twins(), said["actions"])
    pairs = list(zip(*(moments(rover, said["actions"]) for rover in twins()), strict=False))
    for number, (one, other) in list(enumerate(pairs))[-SHOWN:]:
        print(f"moment {number}")
        for name in FIELDS:
            mark = "  <-- differs" if one[name] != other[name] else ""
            print(f"  {name:<10} {one[name]:>20} {other[name]:>20}{mark}")
    print(found.sentence if found else "they agree now")
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main())
