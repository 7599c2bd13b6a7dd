"""Serves one subject: runs under any interpreter, needs the standard library and NumPy alone.

Started by path (`PYTHON -I worker.py`). Each way, sixteen bytes that the other side drew come
first, and then a frame: two big-endian 64-bit sizes, JSON, raw bytes of arrays. A value is JSON
with containers tagged (`{"d": ...}` mapping, `{"l": [...]}` list, `{"a": n}` array n); nothing is
ever unpickled. What the subject prints goes to standard error; what it reads is empty.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import json
import os
import platform
import struct
import sys
import types
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

HEAD = struct.Struct(">QQ")
NONCE = 16
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


# -- frames ---------------------------------------------------------------------------------------


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
    if array.nbytes > ARRAYS_LIMIT:
        raise NonsenseError(f"{array.nbytes:,} bytes, and {ARRAYS_LIMIT:,} are allowed")
    little = array.dtype.newbyteorder("<")
    if little.str not in DTYPES:
        raise NonsenseError(f"an array of {array.dtype}; expected numbers")
    return array.astype(little, copy=False)


def read_frame(stream: BinaryIO) -> Any:
    """The next value of a stream; EOFError where it ends."""
    sizes = HEAD.unpack(_exactly(stream, HEAD.size))
    if sizes[0] > JSON_LIMIT or sizes[1] > ARRAYS_LIMIT:
        raise NonsenseError(f"a frame of {sum(sizes):,} bytes")
    return unpack(_exactly(stream, sizes[0]), _exactly(stream, sizes[1]))


def _exactly(stream: BinaryIO, size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise EOFError
    return data


# -- the subject ----------------------------------------------------------------------------------


class Served:
    """A subject and the functions that it offers under the names of the protocol."""

    def __init__(self, order: dict[str, Any]) -> None:
        self.order = order
        known = set(order["capabilities"])
        subject, self.module = _load(order)
        found = _offered(subject, order["name"], known)
        self.domain = _get(subject, "DOMAIN") or _get(self.module, "DOMAIN") or {}
        self.distribution = _get(subject, "DISTRIBUTION") or _get(self.module, "DISTRIBUTION")
        if not isinstance(self.domain, dict):
            raise NonsenseError(f"DOMAIN is a {type(self.domain).__name__}; expected a mapping")
        self.torch = self.domain.get("framework") == "torch"
        if "drift_loss" in found and "drift_loss_and_gradient" not in found:
            found["drift_loss_and_gradient"] = _differentiated(found["drift_loss"])
        self.functions = {name: one for name, one in found.items() if name in known}

    def hello(self) -> dict[str, Any]:
        """What it has, where it holds, and which code it is."""
        return {
            "capabilities": {name: _parameters(one) for name, one in self.functions.items()},
            "domain": _plain(self.domain),
            "provenance": provenance(self.order, self.module, self.distribution),
        }

    def call(self, request: dict[str, Any]) -> Any:
        """The answer of one capability."""
        function = self.functions[request["call"]]
        given = request["arguments"]
        if self.torch and not getattr(function, "_takes_arrays", False):
            given = _tensors(given)
        return function(**given)


def _load(order: dict[str, Any]) -> tuple[Any, Any]:
    """(the object that is audited, its module)."""
    for folder in reversed(order["search"]):
        sys.path.insert(0, folder)
    if order["file"]:
        path = Path(order["file"])
        sys.path.insert(0, str(path.parent))
        spec = importlib.util.spec_from_file_location(path.stem, path)
        if spec is None or spec.loader is None:
            raise ImportError(f"{path.name} is no Python file")
        module: Any = importlib.util.module_from_spec(spec)
        sys.modules[path.stem] = module
        spec.loader.exec_module(module)
    else:
        module = importlib.import_module(order["module"])
    subject = module
    for part in filter(None, order["name"].split(".")):
        subject = subject[part] if isinstance(subject, dict) else getattr(subject, part)
    return (subject() if isinstance(subject, type) else subject), module


def _offered(subject: Any, name: str, known: set[str]) -> dict[str, Any]:
    names = known | {"drift_loss"}
    found = {one: value for one in names if callable(value := _get(subject, one))}
    if not found and callable(subject) and not isinstance(subject, types.ModuleType):
        last = name.rpartition(".")[2]
        return {last if last in names else "drift_loss_and_gradient": subject}
    return found


def _get(subject: Any, name: str) -> Any:
    if isinstance(subject, dict):
        return subject.get(name)
    return getattr(subject, name, None)


def _differentiated(loss: Any) -> Any:
    """`drift_loss` of torch as a function of arrays that also gives its gradient."""

    def drift_loss_and_gradient(**given: Any) -> tuple[Any, Any]:
        gen = _tensors(given.pop("gen")).requires_grad_()
        answer = loss(gen, **_tensors(given))
        value = answer[0] if isinstance(answer, (tuple, list)) else answer
        value.sum().backward()
        return value, gen.grad

    drift_loss_and_gradient.__signature__ = inspect.signature(loss)  # type: ignore[attr-defined]
    drift_loss_and_gradient._takes_arrays = True  # type: ignore[attr-defined]
    return drift_loss_and_gradient


def _tensors(value: Any) -> Any:
    torch = sys.modules.get("torch")
    if torch is None:
        raise NonsenseError("the subject speaks torch and has not imported it")
    if isinstance(value, np.ndarray):
        return torch.from_numpy(value)
    if isinstance(value, dict):
        return {name: _tensors(one) for name, one in value.items()}
    return [_tensors(one) for one in value] if isinstance(value, list) else value


def _parameters(function: Any) -> dict[str, Any]:
    """Names that it takes; `any` where it takes all."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return {"names": [], "any": True}
    named = [one.name for one in parameters if one.kind in (one.POSITIONAL_OR_KEYWORD,
                                                            one.KEYWORD_ONLY)]  # fmt: skip
    return {"names": named, "any": any(one.kind is one.VAR_KEYWORD for one in parameters)}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(one) for one in value]
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)


# -- which code it is -----------------------------------------------------------------------------


def provenance(order: dict[str, Any], module: Any, distribution: Any) -> dict[str, Any]:
    """Distribution, version, digests, interpreter and frameworks; no path of a machine."""
    from importlib import metadata

    owners = metadata.packages_distributions()
    loaded = {name.partition(".")[0] for name in list(sys.modules)}
    used = sorted({one for name in loaded for one in owners.get(name, ())})
    if not distribution and not order["file"]:
        distribution = next(iter(owners.get(order["module"].partition(".")[0], ())), None)
    told = {
        "interpreter": f"{platform.python_implementation()} {platform.python_version()}",
        "platform": platform.platform(),
        "packages": {name: metadata.version(name) for name in used},
        "distribution": distribution,
    }
    if order["file"]:
        path = Path(order["file"])
        told |= {"subject_file": path.name, "subject_sha256": _sha256(path)}
    if distribution:
        told |= _installed(str(distribution))
    return told


def _installed(name: str) -> dict[str, Any]:
    """Version of a distribution, and one digest over its files of code as they are installed."""
    from importlib import metadata

    found = metadata.distribution(name)
    digest, count = hashlib.sha256(), 0
    for file in sorted(found.files or [], key=str):
        path = Path(str(file.locate()))
        if path.suffix in (".py", ".so", ".pyd") and path.is_file():
            digest.update(f"{file} {_sha256(path)}\n".encode())
            count += 1
    return {"version": found.version, "files": count, "files_sha256": digest.hexdigest()}


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


# -- the loop -------------------------------------------------------------------------------------


def main() -> None:
    """Take an order, say hello, answer calls until the pipe ends."""
    requests = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    owner = os.getpid()
    _own_orphans()
    served: Served | None = None
    while True:
        try:
            nonce, request = _exactly(requests, NONCE), read_frame(requests)
        except EOFError:
            return
        try:
            if served is None:
                _limit(int(request["memory_mb"]))
                served = Served(request)
                answer = pack(served.hello())
            else:
                answer = pack({"value": served.call(request)})
        except BaseException as error:  # SystemExit and its like too
            answer = pack(_fault(error, "raised" if served else "load"))
        if os.getpid() != owner:
            os._exit(1)  # a fork of the subject came back to here
        answers.write(nonce + answer)
        answers.flush()


def _fault(error: BaseException, kind: str) -> dict[str, Any]:
    if isinstance(error, NonsenseError):
        kind = "nonsense"
    if isinstance(error, MemoryError) or "can't allocate memory" in str(error):
        kind = "memory"
    said = f"{type(error).__name__}: {error}"[:TEXT]
    frames = []
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        if code.co_filename != __file__:
            frames.append(f"{Path(code.co_filename).name}:{trace.tb_lineno} {code.co_name}")
        trace = trace.tb_next
    return {"fault": kind, "text": said, "at": frames[-6:]}


def _limit(memory_mb: int) -> None:
    """Private memory may grow by the budget from here (Linux: RLIMIT_DATA covers mmap)."""
    try:
        import resource

        hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
        resource.setrlimit(resource.RLIMIT_DATA, (memory_mb << 20, hard))
    except (ImportError, ValueError, OSError):
        pass


def _own_orphans() -> None:
    """What the subject forks off stays below this process, so that it ends with it (Linux)."""
    try:
        import ctypes

        system = ctypes.CDLL(None)
        system.prctl(36, 1)  # PR_SET_CHILD_SUBREAPER
        system.prctl(1, 9)  # PR_SET_PDEATHSIG, SIGKILL
    except (ImportError, AttributeError, OSError):
        pass


if __name__ == "__main__":
    main()
