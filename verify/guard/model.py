"""The files of this package: the frontier, what is protected, and the recorded digests."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from verify.guard import globs
from verify.spec.model import DecisionId, Frozen, Text

FRONTIER = "contracts/policy/frontier.yaml"
PROTECTED = "contracts/policy/protected.yaml"
RECORD = "specs/protected.yaml"


def _glob(text: str) -> str:
    wrong = globs.fault(text)
    if wrong is not None:
        raise ValueError(f"{globs.EXPECTED} ({wrong})")
    return text


Glob = Annotated[str, Field(min_length=1, max_length=400), AfterValidator(_glob)]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Denied(Frozen):
    """Paths that no change may touch, or none without a decision, and why."""

    glob: Glob
    reason: Text


class Frontier(Frozen):
    """contracts/policy/frontier.yaml: what a change may touch.

    `deny` is stronger than `decided`, and that is stronger than `allow`: what is decided is touched
    only along with a decision of the same change, which governs it.
    """

    schema_: Annotated[Literal["verify/frontier/1"], Field(alias="schema")]
    allow: Annotated[tuple[Glob, ...], Field(min_length=1)]
    decided: tuple[Denied, ...] = ()
    deny: tuple[Denied, ...] = ()


class Protected(Frozen):
    """Files that change only by decision; a `manifest` beside them already lists their digests.

    part   what of a file is under protection: all of it, or the front matter of a decision record
    """

    glob: Glob
    reason: Text
    part: Literal["file", "front matter"] = "file"
    manifest: Glob | None = None


class ProtectedFile(Frozen):
    """contracts/policy/protected.yaml: which files are under protection."""

    schema_: Annotated[Literal["verify/protected/1"], Field(alias="schema")]
    assets: Annotated[tuple[Protected, ...], Field(min_length=1)]


class Recorded(Frozen):
    """The digest of one file, and the decision it was approved under."""

    path: Text
    sha256: Digest
    decision: DecisionId


class DigestsFile(Frozen):
    """specs/protected.yaml: digests, written by `verify protect --approve` alone."""

    schema_: Annotated[Literal["verify/digests/1"], Field(alias="schema")]
    assets: tuple[Recorded, ...]
