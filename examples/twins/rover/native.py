"""The C twin through ctypes: compiled by the system's compiler, one library for each source."""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from rover.pcg32 import MASK64
from rover.reference import FIELDS

SOURCE = Path(__file__).with_name("rover.c")
COMPILERS = ("cc", "gcc", "clang")
OPTIONS = ("-std=c99", "-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC")
SECONDS = 60.0


class NoCompilerError(Exception):
    """This machine has no C compiler; the twin cannot be judged here."""


def compiler() -> str:
    """The compiler that CC names, else the first of the usual ones; NoCompilerError for none."""
    wanted = [os.environ["CC"]] if os.environ.get("CC") else list(COMPILERS)
    found = next((path for name in wanted if (path := shutil.which(name))), None)
    if found is None:
        raise NoCompilerError(
            f"found no C compiler ({', '.join(wanted)}); expected one on the path; remedy: install "
            "gcc or clang, or name one in CC"
        )
    return found


@cache
def library(source: str, defines: tuple[str, ...] = ()) -> ctypes.CDLL:
    """The compiled source; compiled anew for each text and each set of -D options."""
    digest = hashlib.sha256("\0".join((source, *defines)).encode()).hexdigest()[:16]
    with tempfile.TemporaryDirectory(prefix="rover-") as folder:
        text, built = Path(folder, "rover.c"), Path(folder, f"rover-{digest}.so")
        text.write_text(source, encoding="utf-8")
        command = [compiler(), *OPTIONS, *(f"-D{name}" for name in defines), "-o", built, text]
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
        if done.returncode:
            raise RuntimeError(f"the twin does not compile: {done.stderr.strip()[:2000]}")
        loaded = ctypes.CDLL(str(built))  # stays mapped when the file goes
    loaded.rover_new.restype = ctypes.c_void_p
    loaded.rover_new.argtypes = [ctypes.c_uint64, ctypes.c_int64]
    for name in ("rover_free", "rover_reset"):
        getattr(loaded, name).argtypes = [ctypes.c_void_p]
    loaded.rover_step.argtypes = [ctypes.c_void_p, ctypes.c_int]
    loaded.rover_fields.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int]
    loaded.pcg32_first.argtypes = [ctypes.c_uint64, ctypes.c_uint64, ctypes.c_void_p, ctypes.c_int]
    return loaded


class NativeRover:
    """The C rover with the surface of `rover.reference.Rover`."""

    def __init__(
        self, seed: int, fuel: int = 120, *, source: str = "", defines: tuple[str, ...] = ()
    ) -> None:
        self._library = library(source or SOURCE.read_text(encoding="utf-8"), defines)
        self._handle = self._library.rover_new(seed, fuel)
        if not self._handle:
            raise MemoryError("the twin gave no handle")

    def reset(self) -> None:
        """A new episode."""
        self._asked("reset", self._library.rover_reset(self._handle))

    def step(self, action: int) -> None:
        """One step; ValueError where the twin refuses it."""
        self._asked(f"action {action}", self._library.rover_step(self._handle, action))

    def fields(self) -> dict[str, int]:
        """The same fields as the reference's; the generator's state without a sign."""
        out = (ctypes.c_int64 * len(FIELDS))()
        self._asked("fields", self._library.rover_fields(self._handle, out, len(FIELDS)))
        found = dict(zip(FIELDS, out, strict=True))
        return found | {"rng_state": found["rng_state"] & MASK64}

    @property
    def state(self) -> Mapping[str, int]:
        """What a loop over episodes has to know."""
        return self.fields()

    def close(self) -> None:
        """Give the handle back; may be called again."""
        if self._handle:
            self._library.rover_free(self._handle)
            self._handle = None

    def __del__(self) -> None:
        if getattr(self, "_handle", None):
            self.close()

    @staticmethod
    def _asked(what: str, code: int) -> None:
        if code:
            raise ValueError(f"{what}: the twin answered {code}")


def first_draws(seed: int, stream: int, count: int, source: str = "") -> list[int]:
    """The first numbers of a stream of the twin's generator."""
    out = (ctypes.c_uint32 * count)()
    library(source or SOURCE.read_text(encoding="utf-8")).pcg32_first(seed, stream, out, count)
    return list(out)
