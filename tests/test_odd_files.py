"""Every command that reads a file, given what is none: one message that names it, and no traceback.

A pipe and a device would be waited for without end; an alarm turns that into a failure.
"""

from __future__ import annotations

import io
import os
import signal
import struct
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from drift import cli as engine
from drift import convnext
from drift.commands import device as devices
from drift.convnext import load_pretrained
from drift.errors import InputError
from verify import cli as harness
from verify.problems import UsageError
from verify.prose.reading import read

LONGEST_S = 120
BAD_INPUT, INTEGRITY = 2, 4


def packed(*, whole: bool) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("arr_0.npy", b"no array")
        archive.writestr("../outside", b"x")
    return stream.getvalue() if whole else stream.getvalue()[:-10]


def tensors(shape: str, *, claimed: int | None = None) -> bytes:
    head = f'{{"a":{{"dtype":"F32","shape":{shape},"data_offsets":[0,4]}}}}'.encode()
    return struct.pack("<Q", len(head) if claimed is None else claimed) + head + bytes(4)


CONTENTS = {
    "empty": b"",
    "zeros": bytes(100),
    "bom": b"\xef\xbb\xbf{}\n",
    "utf-16": "schema: x\n".encode("utf-16"),
    "crlf": b"schema: x\r\na: 1\r\n",
    "object": b"{}",
    "deep": b"[" * 100_000,
    "nan": b'{"a": NaN}',
    "digits": b'{"a": ' + b"9" * 6000 + b"}",
    "surrogate": b'{"a": "\\ud800"}',
    "huge-shape": tensors("[99999999999,99999999999]"),
    "huge-header": tensors("[1]", claimed=1 << 62),
    "zip": packed(whole=True),
    "short-zip": packed(whole=False),
    "png": b"\x89PNG\r\n\x1a\n" + bytes(64),
    "gzip": b"\x1f\x8b\x08" + bytes(40),
    "lines": b'{"a":1}\n{"a":\n',
}
PLACES = ("missing", "folder", "pipe", "loop", "dangling", "long", "not-utf-8", "line", "device")
ODD = (*CONTENTS, *PLACES)


def odd(folder: Path, kind: str, suffix: str) -> Path:
    """A file of one kind whose name begins with its kind."""
    path = folder / f"{kind}{suffix}"
    if kind in CONTENTS:
        path.write_bytes(CONTENTS[kind])
    elif kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "loop":
        path.symlink_to(path.name)
    elif kind == "dangling":
        path.symlink_to("nowhere")
    elif kind == "long":
        return folder / ("long" * 80 + suffix)
    elif kind == "not-utf-8":
        path = folder / os.fsdecode(b"not-utf-8-\xe9\xff" + suffix.encode())
        path.write_bytes(b"{}")
    elif kind == "line":
        path = folder / f"line\nbreak{suffix}"
        path.write_bytes(b"{}")
    elif kind == "device":
        return Path("/dev/zero")
    return path


@contextmanager
def not_for_ever() -> Iterator[None]:
    def rang(*_: object) -> None:
        pytest.fail("it waited for what never ends")

    before = signal.signal(signal.SIGALRM, rang)
    signal.alarm(LONGEST_S)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


class Said:
    """Both streams in one, which take any name, as the programs' own do."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._bytes = io.BytesIO()
        stream = io.TextIOWrapper(
            self._bytes, encoding="utf-8", errors="backslashreplace", write_through=True
        )
        monkeypatch.setattr(sys, "stdout", stream)
        monkeypatch.setattr(sys, "stderr", stream)

    def take(self) -> str:
        """What was said since the last time."""
        said = self._bytes.getvalue().decode()
        self._bytes.seek(0)
        self._bytes.truncate()
        return said


def drift(*words: str) -> int:
    return engine.run(words)


def verify(*words: str) -> int:
    sys.argv = ["verify", *words]
    with pytest.raises(SystemExit) as ended:
        harness.main()
    return int(ended.value.code or 0)


# What stands for the odd file is FILE, for a folder that is not there yet NEW.
READERS: dict[str, tuple[Callable[..., int], str, str]] = {
    "plan": (drift, "plan FILE", ".yaml"),
    "launch": (drift, "launch FILE --world 2", ".yaml"),
    "params": (drift, "params FILE", ".yaml"),
    "pretrain": (drift, "pretrain FILE --out NEW", ".yaml"),
    "train": (drift, "train FILE --out NEW", ".yaml"),
    "train encoder": (drift, "train digits --encoder FILE --out NEW", ".safetensors"),
    "encode": (drift, "encode FILE --out NEW", ""),
    "sample": (drift, "sample FILE --out NEW.npz", ".safetensors"),
    "eval npz": (drift, "eval FILE --out NEW", ".npz"),
    "eval tensors": (drift, "eval FILE --out NEW", ".safetensors"),
    "import": (drift, "import FILE --out NEW", ""),
    "export": (drift, "export FILE NEW", ".safetensors"),
    "inspect": (drift, "inspect FILE", ".safetensors"),
    "stamp": (drift, "stamp FILE --licence MIT", ".safetensors"),
    "trace tensors": (verify, "trace compare FILE FILE", ".safetensors"),
    "trace text": (verify, "trace compare FILE FILE", ".txt"),
    "bundle": (verify, "bundle check FILE", ""),
    "seal": (verify, "bundle seal FILE", ""),
    "merge": (verify, "merge FILE --reports NEW", ""),
    "calibrate": (verify, "calibrate FILE", ".yaml"),
    "lint": (verify, "lint --pack FILE", ""),
}
WAITED_FOR = ("pipe", "device", "folder", "loop", "missing")  # of readers that take any text


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["verify"])
    assert devices  # torch is imported before any alarm is set


@pytest.mark.parametrize("reader", READERS)
def test_an_odd_file_is_one_message_that_names_it(
    reader: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    streams = Said(monkeypatch)
    program, line, suffix = READERS[reader]
    for kind in ODD:
        path = odd(tmp_path, kind, suffix)
        words = [w.replace("FILE", str(path)).replace("NEW", f"new-{kind}") for w in line.split()]
        with not_for_ever():
            code = program(*words)
        said = streams.take()
        assert "Traceback" not in said, (kind, said)
        assert code in (BAD_INPUT, INTEGRITY), (kind, code, said)
        assert ("zero" if kind == "device" else kind) in said, (kind, said)
        assert len(said) < 3000, (kind, said)
        assert not [p for p in tmp_path.iterdir() if p.name.startswith("new-")], kind


@pytest.mark.parametrize("kind", CONTENTS)
def test_weights_of_a_second_encoder_that_are_none_are_refused(kind: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=kind):
        load_pretrained(odd(tmp_path, kind, ".safetensors"), convnext.TINY)


@pytest.mark.parametrize("kind", WAITED_FOR)
def test_prose_that_is_no_file_is_refused_without_waiting_for_it(kind: str, tmp_path: Path) -> None:
    with not_for_ever(), pytest.raises(UsageError, match=r"cannot be read .* expected UTF-8 text"):
        read(odd(tmp_path, kind, ".md"))


@pytest.mark.parametrize("program", [drift, verify])
def test_what_the_system_or_the_memory_refuses_is_said_and_a_defect_keeps_its_traceback(
    program: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    streams = Said(monkeypatch)
    group: Any = engine.cli if program is drift else harness.cli
    errors: list[tuple[Exception, int, str]] = [
        (OSError(36, "File name too long", "x" * 5000), BAD_INPUT, "found file name too long"),
        (OSError(5, "Input/output error", b"caf\xe9"), BAD_INPUT, "found input/output error"),
        (RuntimeError("Symlink loop from '/a/b'"), BAD_INPUT, "/a/b: found a loop of links"),
        (OSError("no number"), 5, "Traceback"),
        (RuntimeError("a defect"), 5, "Traceback"),
    ]
    if program is drift:
        cpu = RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9")
        errors += [(MemoryError(), BAD_INPUT, "memory: found"), (cpu, BAD_INPUT, "memory: found")]
    for error, code, said in errors:

        def broken(*_: object, found: Exception = error, **__: object) -> None:
            raise found

        monkeypatch.setattr(group, "main", broken)
        assert program("lint") == code, error
        shown = streams.take()
        assert said in shown
        assert len(shown) < 3000
