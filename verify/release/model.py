"""contracts/policy/release.yaml and what it is decided with: records and signatures."""

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from verify.spec.model import Budget, Day, Frozen, RegisteredName, Text

RELEASE = "contracts/policy/release.yaml"
GateId = Annotated[str, Field(pattern=r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$")]
RelativePath = Annotated[str, Field(pattern=r"^[^/\\~.][^\\]*$|^\.[^./\\][^\\]*$", max_length=400)]
Places = Annotated[tuple[RelativePath, ...], Field(min_length=1)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


def _says_something(text: str) -> str:
    if not text.strip():
        raise ValueError("found spaces alone; expected words")
    return text


Said = Annotated[Text, AfterValidator(_says_something)]


class ByBundle(Frozen):
    """Current judgements of every clause are GO; no bundle that would count is damaged."""

    kind: Literal["bundle"]


class ByClauses(Frozen):
    """These clauses stand in that bundle: passed, unwaived, each falsifier tried and red."""

    kind: Literal["clauses"]
    clauses: Annotated[tuple[Text, ...], Field(min_length=1)]


class ByCheck(Frozen):
    """A registered check of the pack, run in a worker; for an artefact it gets its path."""

    kind: Literal["check"]
    check: RegisteredName
    params: dict[str, Any] = Field(default_factory=dict)
    budget: Budget = Budget()


class Floor(Frozen):
    """The least ratio that is good enough, and how that number was found."""

    value: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    basis: Text


class ByBenchmark(Frozen):
    """A record of ratios, each measured within one run, that a registered check left behind.

    covers      files whose change makes the record stale
    least       pairs measured; max_spread is the interquartile range over the median
    """

    kind: Literal["benchmark"]
    record: RelativePath
    covers: Places
    check: RegisteredName
    params: dict[str, Any] = Field(default_factory=dict)
    budget: Budget = Budget()
    floor: Floor
    least: Annotated[int, Field(ge=3)] = 5
    max_spread: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 0.5


class ByTests(Frozen):
    """A record of one run of the test command; `{junit}` and `{python}` are put in."""

    kind: Literal["tests"]
    record: RelativePath
    covers: Places
    command: Annotated[tuple[Text, ...], Field(min_length=1)]
    least: Annotated[int, Field(ge=1)]
    minutes: Annotated[float, Field(gt=0, le=600)] = 60.0


class ByProse(Frozen):
    """The overclaim lint finds nothing to mend in these files."""

    kind: Literal["prose"]
    files: Places


class ByDecisions(Frozen):
    """The decision log is sound, and no allowed claim is governed by an open decision."""

    kind: Literal["decisions"]


class ByProtected(Frozen):
    """Every file under protection is as it was approved."""

    kind: Literal["protected"]


class ByFrontier(Frozen):
    """Since the last tag, else in the last commit, every path is inside the base's frontier."""

    kind: Literal["frontier"]


class ByLicence(Frozen):
    """The file is there, reads as the licence it should be, and the project file names both."""

    kind: Literal["licence"]
    file: RelativePath
    identifier: Text
    contains: Text
    project: RelativePath


class ByChangelog(Frozen):
    """The changelog has a dated entry for the version, with something in it."""

    kind: Literal["changelog"]
    file: RelativePath


class ByVersion(Frozen):
    """The version is the same in every one of these files."""

    kind: Literal["version"]
    files: Places


class ByCard(Frozen):
    """The model card beside the artefact is what the bundle renders to; `{stem}` is put in."""

    kind: Literal["card"]
    file: RelativePath


class BySignature(Frozen):
    """A maintainer has signed for this version."""

    kind: Literal["signature"]


By = Annotated[
    ByBundle
    | ByClauses
    | ByCheck
    | ByBenchmark
    | ByTests
    | ByProse
    | ByDecisions
    | ByProtected
    | ByFrontier
    | ByLicence
    | ByChangelog
    | ByVersion
    | ByCard
    | BySignature,
    Field(discriminator="kind"),
]


class Gate(Frozen):
    """One condition of a release, what decides it, and the one command that closes it.

    per        an `artefact` gate is asked once for each artefact
    close      `{version}`, `{artefact}`, `{stem}` (its name without suffix) and `{gate}` are put in
    integrity  its failure says that a digest does not match (exit code 4)
    """

    id: GateId
    title: Text
    kind: Literal["engineering", "maintainer"]
    per: Literal["release", "artefact"] = "release"
    by: By
    close: Text
    integrity: bool = False

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if (self.kind == "maintainer") != isinstance(self.by, BySignature):
            raise ValueError("a maintainer gate is closed by a signature, and no other gate is")
        if isinstance(self.by, ByCard) and self.per != "artefact":
            raise ValueError("a card belongs to an artefact: `per: artefact`")
        if self.per == "artefact" and not isinstance(self.by, ByCard | ByCheck):
            raise ValueError("an artefact gate is decided by a check or a card")
        return self


class ReleaseFile(Frozen):
    """contracts/policy/release.yaml.

    releases    `code`: artefacts may be given; `artefact`: at least one has to be
    version     the file that holds the version
    signatures  the file that maintainers sign in; it is no part of the pack, so that signing does
                not make the evidence stale
    """

    schema_: Annotated[Literal["verify/release/1"], Field(alias="schema")]
    releases: Literal["code", "artefact"]
    version: RelativePath
    signatures: RelativePath
    gates: Annotated[tuple[Gate, ...], Field(min_length=1)]


class Signature(Frozen):
    """One line of a maintainer: who, in which role, when, and what was done."""

    gate: GateId
    version: Text
    name: Said
    role: Said
    date: Day
    what: Said


class SignaturesFile(Frozen):
    """What maintainers signed; `verify release --sign` adds to it."""

    schema_: Annotated[Literal["verify/signatures/1"], Field(alias="schema")]
    signatures: tuple[Signature, ...]


class Machine(Frozen):
    """Where a record was made."""

    processor: str
    cores: Annotated[int, Field(ge=1)]
    platform: str
    python: str


class TestCounts(Frozen):
    """What a test run said, and how its process ended."""

    __test__ = False  # not a test of pytest's

    exit_status: int
    tests: Annotated[int, Field(ge=0)]
    failures: Annotated[int, Field(ge=0)]
    errors: Annotated[int, Field(ge=0)]
    skipped: Annotated[int, Field(ge=0)]


class Ratios(Frozen):
    """Baseline time over ours, one for each pair measured in one run."""

    ratios: Annotated[
        tuple[Annotated[float, Field(gt=0, allow_inf_nan=False)], ...], Field(min_length=1)
    ]
    details: dict[str, Any] = Field(default_factory=dict)


class Record(Frozen):
    """What `verify release --record GATE` leaves behind; `covered` is the digest of the files."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, populate_by_name=True)

    schema_: Annotated[Literal["verify/record/1"], Field(alias="schema")]
    gate: GateId
    covered: Sha256
    inputs: Sha256  # of what the gate asks for: check and parameters, or the command
    recorded: Text
    machine: Machine
    tests: TestCounts | None = None
    benchmark: Ratios | None = None
