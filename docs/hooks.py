"""Pages of the site that are made from the contracts, as `verify docs` writes them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

from verify.report.reference.pages import pages
from verify.spec.pack import load

FOLDER = "clauses"
OUTSIDE = re.compile(r"\[([^\]]+)\]\(\.\./([^)]+)\)")  # a link to a file of the repository


def on_files(files: Any, config: Any) -> Any:
    """Add a page for each contract."""
    loaded = load(Path(config.config_file_path).parent)
    for name, text in pages(loaded).items():
        files.append(File.generated(config, f"{FOLDER}/{name}", content=text))
    return files


def on_page_markdown(markdown: str, **more: Any) -> str:
    """Files outside the site are named, not linked."""
    return OUTSIDE.sub(r"\1 (`\2`)", markdown)
