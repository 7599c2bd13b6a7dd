"""`verify schema`."""

from __future__ import annotations

import json

import click
from pydantic import BaseModel

from verify.figures.calibration import CalibrationFile
from verify.promotion.model import PromotedRun
from verify.release.model import Record, SignaturesFile
from verify.report.model import Report
from verify.spec.files import MODELS as FILE_MODELS
from verify.spec.model import Decision

MODELS: dict[str, type[BaseModel]] = {
    **{name.split("/")[1]: model for name, model in FILE_MODELS.items()},
    "decision": Decision,
    "report": Report,
    "calibration": CalibrationFile,
    "promoted-run": PromotedRun,
    "signatures": SignaturesFile,
    "record": Record,
}


@click.command()
@click.argument("name", type=click.Choice(list(MODELS)), default="contract")
def command(name: str) -> None:
    """Print the JSON Schema of a file format, for an editor that completes and checks it.

    That of a contract stands in specs/schema/contract-2.json of a pack; this line at the top of a
    room's contract.yaml turns it on in an editor with the YAML language server:
    # yaml-language-server: $schema=../../specs/schema/contract-2.json
    """
    click.echo(schema_text(name), nl=False)


def schema_text(name: str) -> str:
    """The JSON Schema of a file format, as text."""
    schema = MODELS[name].model_json_schema(by_alias=True)
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    return json.dumps(schema, indent=1) + "\n"
