"""The page of two bundles side by side, what is worse first."""

from __future__ import annotations

from collections.abc import Sequence

from verify.report.difference import GROUPS, Change
from verify.report.page.render import templates


def render(changes: Sequence[Change], before: str, after: str) -> str:
    """One self-contained page."""
    groups = {name: [one for one in changes if one.group == name] for name in GROUPS}
    page = templates().get_template("changes.html.jinja")
    return page.render(groups=groups, before=before, after=after)
