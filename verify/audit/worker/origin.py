"""Which code a subject is: distribution, version, digests, interpreter and frameworks."""

from __future__ import annotations

import hashlib
import platform
import sys
import sysconfig
from pathlib import Path
from typing import Any

from .source import PACKAGES


def provenance(order: dict[str, Any], distribution: Any) -> dict[str, Any]:
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
        told |= _beside(path, path.parent)
    if distribution:
        told |= _installed(str(distribution))
    if not order["file"] and not told.get("files"):
        told |= _in_place(order["module"])
    return told


def _in_place(module: str) -> dict[str, Any]:
    """The same of a module that no distribution lists: installed to be edited, or on the path."""
    file = getattr(sys.modules.get(module), "__file__", None)
    top = getattr(sys.modules.get(module.partition(".")[0]), "__file__", None)
    if not file or not Path(file).is_file():
        return {}
    path = Path(file)
    told = {"subject_file": path.name, "subject_sha256": _sha256(path)}
    return told | _beside(path, Path(top or file).parent)


def _beside(file: Path, folder: Path) -> dict[str, Any]:
    """One digest over the other modules that the subject has imported from a folder."""
    folder = folder.resolve()
    files = {Path(getattr(one, "__file__", None) or "/") for one in list(sys.modules.values())}
    own = {one.resolve() for one in files if folder in one.resolve().parents} - {file.resolve()}
    foreign = Path(__file__).resolve().parent
    paths = sysconfig.get_paths()  # of an environment that may lie in the folder as well
    standard = {Path(paths[name]).resolve() for name in ("stdlib", "platstdlib")}
    inner = {one for one in standard if folder in one.parents}
    names = sorted(
        str(one.relative_to(folder))
        for one in own
        if PACKAGES.isdisjoint(one.relative_to(folder).parts)
        and inner.isdisjoint(one.parents)
        and one.parent != foreign
    )
    digest = hashlib.sha256()
    for name in names:
        digest.update(f"{name} {_sha256(folder / name)}\n".encode())
    return {"beside": names, "beside_sha256": digest.hexdigest()} if names else {}


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
