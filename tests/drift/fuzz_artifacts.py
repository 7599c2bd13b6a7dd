"""Hostile and damaged checkpoint files, thousands of them, against readers with limits.

    python tests/drift/fuzz_artifacts.py --files 2000 --seed 0

Half of the files are reference directories (Flax msgpack), half are safetensors. Each goes through
two subprocesses: `parse` (read_artifact; read_header, the quality score) under an address space of
1 GB without torch, and `load` (import, load_artifact) with torch, which may hold 512 MB more than
after its imports. Every file has to end as `read` or as `refused` with one DriftError; anything
else - another exception, a signal, silence for HUNG_S seconds - is a failure. Exit 0 where there is
none. File number n of a seed is always the same file.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import select
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
ADDRESS_SPACE = 1 << 30
GROWTH = 512 << 20
HUNG_S = 300  # of silence, until a child counts as hung; no measure of the machine
BIG = [0, 1, 127, 128, 255, 1 << 15, (1 << 16) - 1, (1 << 31) - 1, (1 << 32) - 1, 1 << 40, 1 << 63]


# damage to bytes


def truncated(rng: random.Random, data: bytes) -> bytes:
    return data[: rng.randrange(len(data))]


def flipped(rng: random.Random, data: bytes) -> bytes:
    out = bytearray(data)
    for _ in range(rng.choice([1, 2, 8, 64])):
        out[rng.randrange(len(out))] ^= 1 << rng.randrange(8)
    return bytes(out)


def flipped_early(rng: random.Random, data: bytes) -> bytes:
    """Near the start stand lengths and headers."""
    out = bytearray(data)
    for _ in range(rng.choice([1, 2, 4])):
        out[rng.randrange(min(200, len(out)))] = rng.randrange(256)
    return bytes(out)


def spliced(rng: random.Random, data: bytes) -> bytes:
    a, b, c = (rng.randrange(len(data)) for _ in range(3))
    size = rng.randrange(1, 400)
    kind = rng.randrange(3)
    if kind == 0:
        return data[:a] + data[a + size :]
    if kind == 1:
        return data[:a] + data[b : b + size] + data[a:]
    return data[:c] + rng.randbytes(size) + data[c:]


def noise(rng: random.Random, data: bytes) -> bytes:
    return rng.randbytes(rng.choice([0, 1, 7, 8, 9, 100, 5000]))


DAMAGE = (truncated, flipped, flipped_early, spliced, noise)


# hostile msgpack


def lengthened(rng: random.Random, data: bytes) -> bytes:
    """A length somewhere in the structure becomes huge."""
    headers = [i for i, byte in enumerate(data[:-5]) if byte in (0xC6, 0xC9, 0xDB, 0xDF)]
    at = rng.choice(headers) if headers else 0
    length = rng.choice([0xFFFFFFFF, 0x7FFFFFFF, 1 << 24, rng.randrange(1 << 32)])
    return data[: at + 1] + length.to_bytes(4, "big") + data[at + 5 :]


def leaf(shape: list[int], dtype: str, data: bytes, code: int = 1) -> bytes:
    import msgpack

    return msgpack.packb(msgpack.ExtType(code, msgpack.packb((shape, dtype, data))))


def shaped(rng: random.Random, data: bytes) -> bytes:
    shape = [rng.choice(BIG) for _ in range(rng.randrange(10))]
    dtypes = ["float32", "bfloat16", "object", "V8", "O", "float128", "", "f" * 1000, "\x00"]
    body = rng.randbytes(rng.choice([0, 4, 16, 1000]))
    return b"\x81\xa1a" + leaf(shape, rng.choice(dtypes), body, rng.choice([0, 1, 1, 1, 2, 3, 127]))


def deep(rng: random.Random, data: bytes) -> bytes:
    opening = rng.choice([b"\x81\xa1a", b"\x91", b"\xdd\x00\x00\x00\x01", b"\x81\x81\xa1a"])
    return opening * rng.choice([5, 17, 1000, 100_000]) + rng.choice([b"", b"\xc0", b"\x80"])


def wide(rng: random.Random, data: bytes) -> bytes:
    count = rng.choice([1000, 100_000, 5_000_000])
    head = rng.choice([b"\xdf", b"\xdd"]) + rng.choice([count, 0xFFFFFFFF]).to_bytes(4, "big")
    return head + rng.choice([b"\x80", b"\x90", b"\xa0", b"\xc0", b"\xa1a\x80"]) * count


def many_leaves(rng: random.Random, data: bytes) -> bytes:
    count = rng.choice([100, 19_999, 30_000])
    one = leaf([1], "float32", b"\x00\x00\x80?")
    same = rng.random() < 0.5
    names = (b"\xa5" + (b"xxxxx" if same else b"%05d" % i) for i in range(count))
    return b"\xdf" + count.to_bytes(4, "big") + b"".join(name + one for name in names)


def random_tree(rng: random.Random, data: bytes) -> bytes:
    import msgpack

    def value(depth: int) -> Any:
        kinds: list[Callable[[], Any]] = [
            lambda: rng.choice([None, True, 1, -1, 1.5, "x", b"y", [], {}]),
            lambda: msgpack.ExtType(rng.randrange(128), rng.randbytes(rng.randrange(40))),
            lambda: msgpack.Timestamp(rng.randrange(1 << 30)),
            lambda: [value(depth + 1) for _ in range(rng.randrange(4))] if depth < 6 else 0,
            lambda: (
                {f"k{i}": value(depth + 1) for i in range(rng.randrange(5))} if depth < 6 else 0
            ),
            lambda: {
                "__msgpack_chunked_array__": rng.choice([True, 1]),
                "shape": rng.choice([{"0": rng.choice(BIG[:-1])}, {}, [], {"1": 2}]),
                "chunks": rng.choice([{"0": value(5)}, {}, [], 7]),
            },
        ]
        return rng.choice(kinds)()

    return msgpack.packb({"a": value(0), "b": value(0)})


MSGPACK = (lengthened, shaped, deep, wide, many_leaves, random_tree)


# hostile JSON and safetensors


def json_text(rng: random.Random, data: bytes) -> bytes:
    depth = rng.choice([10, 2000, 200_000])
    return rng.choice(
        [
            b"[" * depth,
            b'{"a":' * depth + b"1" + b"}" * depth,
            b'{"a": ' + b"9" * depth + b"}",
            b'{"a": 1, "a": 2}',
            b'{"a": NaN, "model_config": {"depth": 1e999}}',
            b'{"model_config": ' + str(rng.choice(BIG)).encode() + b"}",
            b'{"model_config": {"depth": ' + str(rng.choice(BIG)).encode() + b"}}",
            b'{"\\ud800": "\\u0000"}',
            b"\xff\xfe\x00" + data,
        ]
    )


def header_of(data: bytes) -> tuple[dict[str, Any], bytes]:
    length = int.from_bytes(data[:8], "little")
    return json.loads(data[8 : 8 + length]), data[8 + length :]


def with_header(table: object, body: bytes) -> bytes:
    text = table if isinstance(table, bytes) else json.dumps(table).encode()
    return len(text).to_bytes(8, "little") + text + body


def header_length(rng: random.Random, data: bytes) -> bytes:
    return (
        rng.choice([*BIG, len(data), len(data) - 8, (1 << 64) - 1]).to_bytes(8, "little")
        + (data[8:])
    )


def header_replaced(rng: random.Random, data: bytes) -> bytes:
    return with_header(json_text(rng, b""), header_of(data)[1])


def row_edited(rng: random.Random, data: bytes) -> bytes:
    table, body = header_of(data)
    name = rng.choice([name for name in table if name != "__metadata__"])
    row = table[name]
    kind = rng.randrange(7)
    if kind == 0:
        row["shape"] = [rng.choice([*BIG, -1, 1.5, True, "4"]) for _ in range(rng.randrange(10))]
    elif kind == 1:
        row["data_offsets"] = [rng.choice(BIG), rng.choice(BIG)]
    elif kind == 2:
        row["dtype"] = rng.choice(["F64", "BF16", "I8", "O", "", 5, None])
    elif kind == 3:
        table[rng.choice(["x", "blocks.99999999.mlp.gate.weight", "a" * 300, "\x07"])] = row
        del table[name]
    elif kind == 4:
        del table[name]
    elif kind == 5:
        table[name] = rng.choice([None, [], 1, "x", {}])
    else:
        row["shape"] = [1, *row["shape"]]
    return with_header(table, body)


def metadata_edited(rng: random.Random, data: bytes) -> bytes:
    table, body = header_of(data)
    metadata = table["__metadata__"]
    if rng.random() < 0.5:
        config = json.loads(metadata["config"])
        key = rng.choice(sorted(config))
        config[key] = rng.choice([*BIG, -1, 1.5, True, None, "x", [], [1] * 5, {}, 1e300])
        metadata["config"] = json.dumps(config)
    else:
        texts = ["", "x", "0", "-1", "9" * 5000, "{", "[" * 5000, "null", "\x00", "1e5", "[1,2,3]"]
        name = rng.choice(["config", "probe", "stamped", "tensors_sha256", *metadata])
        metadata[name] = rng.choice(texts)
        if rng.random() < 0.5:
            metadata.pop(rng.choice(sorted(metadata)))
    table["__metadata__"] = rng.choice([metadata] * 9 + [[], 5, {"a": 1}])
    return with_header(table, body)


def big_table(rng: random.Random, data: bytes) -> bytes:
    count = rng.choice([5000, 19_999, 20_001])
    base = rng.choice(["blocks.%d.attention.qkv.weight", "t%d", "encoder.stages.%d.norm.weight"])
    shape = rng.choice([[], [1], [1, 1]])
    rows = {
        base % i: {"dtype": "F32", "shape": shape, "data_offsets": [4 * i, 4 * i + 4]}
        for i in range(count)
    }
    return with_header(rows, b"\x00" * 4 * count)


SAFETENSORS = (header_length, header_replaced, row_edited, metadata_edited, big_table)


# the files of a seed


def make_sources(folder: Path) -> None:
    """Two small honest models in both formats; needs torch, so it runs in a process of its own."""
    import torch

    from drift.artifacts import convert, store
    from drift.encoder import EncoderConfig, MaskedAutoencoder
    from drift.generator import Generator, GeneratorConfig

    sizes = {"hidden_dim": 8, "depth": 2, "num_heads": 1, "cond_dim": 4, "num_classes": 3}
    patch = {"input_size": 4, "patch_size": 2, "in_channels": 4, "out_channels": 4}
    tokens = {"style_tokens": 2, "style_codes": 2, "register_tokens": 1}
    fields = {"source_layout": "x", "weights": "raw", "tokenizer": "none", "licence": "MIT"}
    fields["created"] = "2026-01-01T00:00:00+00:00"  # the same file in every run
    drawn = torch.Generator().manual_seed(1)
    generator = Generator(GeneratorConfig(**sizes, **patch, **tokens), generator=drawn)
    config = EncoderConfig(base_channels=32, blocks=(1, 1, 1, 1), num_classes=3)
    for name, model in (
        ("generator", generator),
        ("mae", MaskedAutoencoder(config, generator=drawn)),
    ):
        store.save_artifact(folder / f"{name}.safetensors", model, fields)
        convert.export_artifact(folder / f"{name}.safetensors", folder / name)


def write_case(sources: Path, seed: int, number: int, place: Path) -> tuple[str, Path]:
    """File `number` of `seed`: (how it was made, its path below `place`)."""
    rng = random.Random(f"{seed} {number}")
    # the autoencoder takes 10 MB: one file in ten is enough
    source = "mae" if rng.random() < 0.1 else "generator"
    if number % 2:
        path = place / "model.safetensors"
        how = rng.choice([*DAMAGE, *SAFETENSORS, *SAFETENSORS])
        path.write_bytes(how(rng, (sources / f"{source}.safetensors").read_bytes()))
        return f"safetensors {how.__name__}", path
    folder = place / "artefact"
    folder.mkdir(exist_ok=True)
    params = (sources / source / "ema_params.msgpack").read_bytes()
    metadata = (sources / source / "metadata.json").read_bytes()
    if rng.random() < 0.15:
        how = rng.choice([*DAMAGE, json_text, json_text])
        metadata = how(rng, metadata)
        name = f"metadata {how.__name__}"
    else:
        how = rng.choice([*DAMAGE, *MSGPACK, *MSGPACK])
        params = how(rng, params)
        name = f"msgpack {how.__name__}"
    (folder / "ema_params.msgpack").write_bytes(params)
    (folder / "metadata.json").write_bytes(metadata)
    return name, folder


# the reader, in a process of its own


def parse(path: Path) -> None:
    if path.is_dir():
        from drift.interop.artifact import read_artifact

        read_artifact(path)
    else:
        from drift.artifacts.header import read_header
        from drift.artifacts.quality import assess

        assess(read_header(path))


def load(path: Path) -> None:
    out = path.parent / "out.safetensors"
    out.unlink(missing_ok=True)
    if path.is_dir():
        from drift.artifacts.convert import import_directory

        import_directory(path, out)
    else:
        from drift.artifacts.store import load_artifact

        load_artifact(path)


def private_memory() -> int:
    """Bytes of private writable memory, which RLIMIT_DATA counts."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmData:"):
            return int(line.split()[1]) << 10
    raise RuntimeError("no VmData")


def child(mode: str, sources: Path, seed: int, numbers: range) -> None:
    """One JSON line per file on standard output."""
    sys.path.insert(0, str(ROOT))
    import logging

    from drift.errors import DriftError

    logging.disable(logging.CRITICAL)
    place = Path(tempfile.mkdtemp(prefix=f"fuzz-{mode}-", dir=sources))
    # what a first use imports and allocates is no file's doing
    for honest in ("mae", "mae.safetensors"):
        (parse if mode == "parse" else load)(sources / honest)
    if mode == "parse":
        assert "torch" not in sys.modules
        resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    else:
        limit = private_memory() + GROWTH
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    for number in numbers:
        how, path = write_case(sources, seed, number, place)
        print(json.dumps({"start": number, "how": how}), flush=True)
        started = time.monotonic()
        try:
            (parse if mode == "parse" else load)(path)
            outcome, detail = "read", ""
        except DriftError as error:
            text = str(error)
            clear = "found" in text and "expected" in text
            outcome, detail = ("refused", "") if clear else ("unclear", text[:200])
        except BaseException as error:
            outcome, detail = "crash", f"{type(error).__name__}: {error}"[:200]
        seconds = time.monotonic() - started
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
        row = {"n": number, "how": how, "outcome": outcome, "detail": detail}
        print(json.dumps(row | {"seconds": seconds, "peak_mb": peak}), flush=True)


# the watcher


def watch(mode: str, sources: Path, seed: int, files: int, hung_s: float) -> list[dict[str, Any]]:
    """Rows of all files; a child that dies or falls silent is replaced after the guilty file.

    hung_s  of silence about one file; until the first one is begun, it is HUNG_S
    """
    rows: list[dict[str, Any]] = []
    first = 0
    while first < files:
        command = [sys.executable, __file__, "--child", mode, str(sources), str(seed)]
        environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        process = subprocess.Popen(
            [*command, str(first), str(files)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
        )
        assert process.stdout is not None
        started: dict[str, Any] = {"start": first, "how": "start-up"}
        silent = False
        while not silent:
            patience = hung_s if started["how"] != "start-up" else HUNG_S
            ready, _, _ = select.select([process.stdout], [], [], patience)
            line = process.stdout.readline() if ready else b""
            silent = not line
            if line and b'"start"' in line:
                started = json.loads(line)
            elif line:
                rows.append(json.loads(line))
        hung = process.poll() is None and not ready
        process.kill()
        _, noise_of_child = process.communicate()
        first = rows[-1]["n"] + 1 if rows else 0
        if first < files:
            outcome = "hang" if hung else "killed"
            detail = f"exit {process.returncode}: {noise_of_child[-300:].decode(errors='replace')}"
            rows.append(
                {"n": started["start"], "how": started["how"], "outcome": outcome,
                 "detail": detail, "seconds": hung_s, "peak_mb": 0}
            )  # fmt: skip
            first = started["start"] + 1
    return rows


def summarise(mode: str, rows: list[dict[str, Any]]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """(figures, rows that are failures)."""
    bad = [row for row in rows if row["outcome"] not in ("read", "refused")]
    figures = {
        "mode": mode,
        "files": len(rows),
        "outcomes": dict(Counter(row["outcome"] for row in rows)),
        "peak_mb": max(row["peak_mb"] for row in rows),
        "seconds": round(sum(row["seconds"] for row in rows), 1),
        "slowest_s": round(max(row["seconds"] for row in rows), 2),
    }
    return figures, bad


def run(
    files: int, seed: int, modes: tuple[str, ...] = ("parse", "load"), hung_s: float = HUNG_S
) -> list[dict[str, Any]]:
    """Print the figures of each mode; returns the failures."""
    sources = Path(tempfile.mkdtemp(prefix="fuzz-artifacts-"))
    failures = []
    try:
        subprocess.run([sys.executable, __file__, "--sources", str(sources)], check=True)
        for mode in modes:
            rows = watch(mode, sources, seed, files, hung_s)
            figures, bad = summarise(mode, rows)
            print(json.dumps(figures))
            for how, outcomes in sorted(by_kind(rows).items()):
                print(f"  {how:<28} {outcomes}")
            failures += bad
    finally:
        shutil.rmtree(sources)
    for row in failures:
        print(f"FAILURE {row}")
    return failures


def by_kind(rows: list[dict[str, Any]]) -> dict[str, str]:
    kinds: dict[str, Counter[str]] = {}
    for row in rows:
        kinds.setdefault(row["how"], Counter())[row["outcome"]] += 1
    return {how: ", ".join(f"{n} {k}" for k, n in counts.items()) for how, counts in kinds.items()}


def main() -> int:
    parser = argparse.ArgumentParser(description="Fuzz the readers of checkpoint files.")
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--sources", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--child", nargs=5, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.sources is not None:
        sys.path.insert(0, str(ROOT))
        make_sources(given.sources)
        return 0
    if given.child is not None:
        mode, sources, seed, first, last = given.child
        child(mode, Path(sources), int(seed), range(int(first), int(last)))
        return 0
    return 1 if run(given.files, given.seed) else 0


if __name__ == "__main__":
    sys.exit(main())
