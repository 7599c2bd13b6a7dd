"""What fits on a screen stays so: the files of a room, the lines of a file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
MOST_FILES = 15
MOST_LINES = 350


def code(folder: str) -> Iterator[Path]:
    """Its files of Python and YAML."""
    for pattern in ("*.py", "*.yaml"):
        yield from (REPOSITORY / folder).rglob(pattern)


def test_a_room_of_the_pack_fits_on_a_screen() -> None:
    rooms = Counter(path.parent for path in code("contracts"))
    assert len(rooms) > MOST_FILES
    crowded = {str(room.relative_to(REPOSITORY)): n for room, n in rooms.items() if n > MOST_FILES}
    assert crowded == {}, "divide what a crowded room holds: a folder in it for one of its parts"


def test_a_file_of_the_packages_is_read_in_one_go() -> None:
    files = [path for name in ("contracts", "drift", "verify") for path in code(name)]
    lines = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in files}
    assert len(lines) > MOST_LINES
    long = {
        str(path.relative_to(REPOSITORY)): count
        for path, count in lines.items()
        if count > MOST_LINES and path.suffix == ".py"
    }
    assert long == {}, "two ideas are in one file"
