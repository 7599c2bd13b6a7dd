"""Values as frames: two big-endian 64-bit sizes, JSON, raw bytes of arrays.

A value is JSON with containers tagged (`{"d": ...}` mapping, `{"l": [...]}` list, `{"a": n}` array
n); nothing is ever unpickled.
"""

from __future__ import annotations

import json
import struct
from typing import Any, BinaryIO

import numpy as np

HEAD = struct.Struct(">QQ")
JSON_LIMIT = 8 << 20  # bytes of one frame's JSON
ARRAYS_LIMIT = 256 << 20  # bytes of one frame's arrays
NODES_LIMIT = 100_000
DEPTH_LIMIT = 16
DTYPES = frozenset(
    f"{order}{code}"
    for order, codes in (("<", "f2 f4 f8 i2 i4 i8 u2 u4 u8"), ("|", "b1 i1 u1"))
    for code in codes.split()
)
TEXT = 600  # characters of what an exception says


class NonsenseError(Exception):
    """A frame or an answer that no honest subject would send."""


def pack(value: Any) -> bytes:
    """A frame of a value; raises NonsenseError for what has no place in one."""
    arrays: list[np.ndarray] = []
    tree = _tree(value, arrays, [0], 0)
    described = [{"dtype": one.dtype.str, "shape": list(one.shape)} for one in arrays]
    head = json.dumps({"value": tree, "arrays": described}).encode()
    size = sum(one.nbytes for one in arrays)
    if len(head) > JSON_LIMIT or size > ARRAYS_LIMIT:
        raise NonsenseError(f"{size + len(head):,} bytes, and {ARRAYS_LIMIT:,} are allowed")
    return b"".join([HEAD.pack(len(head), size), head, *(one.tobytes() for one in arrays)])


def unpack(head: bytes, raw: bytes) -> Any:
    """The value of a frame; raises NonsenseError for anything that `pack` does not write."""
    try:
        stated = json.loads(head)
        arrays, at = [], 0
        for one in stated["arrays"]:
            array, at = _array(one, raw, at)
            arrays.append(array)
        if at != len(raw):
            raise NonsenseError(f"{len(raw)} bytes of arrays where {at} are described")
        return _value(stated["value"], arrays, [0], 0)
    except NonsenseError:
        raise
    except (AttributeError, IndexError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise NonsenseError(f"a frame that cannot be read ({error!r})"[:TEXT]) from None


def _array(stated: Any, raw: bytes, at: int) -> tuple[np.ndarray, int]:
    name, shape = stated["dtype"], stated["shape"]
    sizes = isinstance(shape, list) and all(type(n) is int and n >= 0 for n in shape)
    if name not in DTYPES or not sizes or len(shape) > 8:
        raise NonsenseError(f"an array of {name!r} and {shape!r}"[:TEXT])
    dtype, count = np.dtype(name), 1
    for n in shape:
        count *= n
    end = at + count * dtype.itemsize
    if end > len(raw):
        raise NonsenseError("fewer bytes than its arrays need")
    return np.frombuffer(raw[at:end], dtype).reshape(shape).copy(), end


def _tree(value: Any, arrays: list[np.ndarray], nodes: list[int], depth: int) -> Any:
    _count(nodes, depth)
    if value is None or isinstance(value, (bool, str)) or type(value) is int:
        return value
    if isinstance(value, float) and not isinstance(value, np.floating):
        return value if np.isfinite(value) else {"f": repr(value)}
    if isinstance(value, (list, tuple)):
        return {"l": [_tree(one, arrays, nodes, depth + 1) for one in value]}
    if isinstance(value, dict):
        if not all(isinstance(name, str) for name in value):
            raise NonsenseError("a mapping whose names are no strings")
        return {"d": {k: _tree(one, arrays, nodes, depth + 1) for k, one in value.items()}}
    arrays.append(as_numpy(value))
    return {"a": len(arrays) - 1}


def _value(tree: Any, arrays: list[np.ndarray], nodes: list[int], depth: int) -> Any:
    _count(nodes, depth)
    if tree is None or isinstance(tree, (bool, str, int, float)):
        return tree
    ((tag, inside),) = tree.items()
    if tag == "a":
        return arrays[inside]
    if tag == "f":
        return float(inside)
    if tag == "l":
        return [_value(one, arrays, nodes, depth + 1) for one in inside]
    if tag == "d":
        return {str(k): _value(one, arrays, nodes, depth + 1) for k, one in inside.items()}
    raise NonsenseError(f"a value tagged {tag!r}"[:TEXT])


def _count(nodes: list[int], depth: int) -> None:
    nodes[0] += 1
    if nodes[0] > NODES_LIMIT or depth > DEPTH_LIMIT:
        raise NonsenseError(f"more than {NODES_LIMIT} parts, or more than {DEPTH_LIMIT} deep")


def as_numpy(value: Any) -> np.ndarray:
    """An array of a tensor (torch, on the CPU), of anything with `__array__`, or of a scalar."""
    kind = type(value).__name__
    if hasattr(value, "detach"):  # torch, without importing it
        if str(value.device) != "cpu":
            raise NonsenseError(f"a tensor on the device {value.device}; expected one on the CPU")
        try:
            value = value.detach().numpy()
        except (TypeError, RuntimeError):
            raise NonsenseError(f"a tensor of {value.dtype}; expected float32 or float64") from None
    elif not isinstance(value, np.generic) and not hasattr(value, "__array__"):
        raise NonsenseError(f"a {kind}; expected an array, a number, a list or a mapping")
    array = np.ascontiguousarray(value).reshape(np.shape(value))
    if array.dtype.kind == "f" and array.dtype.itemsize > 8:  # longdouble has no one layout
        array = array.astype(np.float64)
    if array.nbytes > ARRAYS_LIMIT:
        raise NonsenseError(f"{array.nbytes:,} bytes, and {ARRAYS_LIMIT:,} are allowed")
    little = array.dtype.newbyteorder("<")
    if little.str not in DTYPES:
        raise NonsenseError(f"an array of {array.dtype}; expected numbers")
    return array.astype(little, copy=False)


def read_frame(stream: BinaryIO) -> Any:
    """The next value of a stream; EOFError where it ends."""
    sizes = HEAD.unpack(exactly(stream, HEAD.size))
    if sizes[0] > JSON_LIMIT or sizes[1] > ARRAYS_LIMIT:
        raise NonsenseError(f"a frame of {sum(sizes):,} bytes")
    return unpack(exactly(stream, sizes[0]), exactly(stream, sizes[1]))


def exactly(stream: BinaryIO, size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise EOFError
    return data
