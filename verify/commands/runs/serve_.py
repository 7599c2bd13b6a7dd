"""`verify serve`."""

from __future__ import annotations

import os
import secrets
import socket
from contextlib import suppress
from pathlib import Path

import click

from verify.problems import UsageError
from verify.report.model import ExitCode
from verify.report.words import printable

LOOPBACK = ("127.0.0.1", "::1", "localhost")
TOKEN = "VERIFY_SERVE_TOKEN"
SHORTEST = 16  # characters of a token
LIMITS = {
    "access_log": False, "log_level": "warning", "server_header": False, "proxy_headers": False,
    "limit_concurrency": 128, "timeout_keep_alive": 5, "timeout_graceful_shutdown": 2,
    "h11_max_incomplete_event_size": 16384, "ws": "websockets-sansio", "ws_max_size": 4096,
}  # fmt: skip


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), metavar="DIR")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8765, show_default=True,
              help="0: any that is free.")  # fmt: skip
@click.option("--allow-host", "names", multiple=True, metavar="NAME",
              help="A further name by which the server may be called.")  # fmt: skip
@click.option("--with-token", is_flag=True, help="Ask for a token on this machine, too.")
def command(folder: Path, host: str, port: int, names: tuple[str, ...], with_token: bool) -> int:
    """Look at the bundles and runs of DIR in a browser; nothing in DIR is written.

    Only this machine is answered, unless --host says otherwise: then a token is asked for, that of
    the variable VERIFY_SERVE_TOKEN or a new one, which is printed here. Needs the extra `serve`.
    """
    if not folder.is_dir():
        raise UsageError(
            f"{printable(str(folder))}: found no folder; expected one with bundles or runs"
        )
    token = _token() if with_token or host not in LOOPBACK else None
    try:
        import uvicorn

        from verify.serve.app import application
    except ImportError as error:
        raise UsageError(
            f"found no {error.name}; expected the libraries of the studio; remedy: pip install "
            "'drift-verify[serve]'"
        ) from None
    from verify.serve.catalogue import Catalogue
    from verify.serve.guard import Guard

    catalogue = Catalogue(folder)
    app = application(catalogue, Guard(token, frozenset(name.lower() for name in names)))
    # Ctrl-C is how it ends: no interruption of anything.
    with suppress(KeyboardInterrupt), _listening(host, port) as listening:
        at = listening.getsockname()[1]
        shown = f"[{host}]" if ":" in host else host
        click.echo(f"{len(catalogue.bundles())} bundles, {len(catalogue.runs())} runs")
        click.echo(f"http://{shown}:{at}/ (ends with Ctrl-C)")
        if token is not None:
            click.echo(f"token: {token}", err=True)
        uvicorn.Server(uvicorn.Config(app, **LIMITS)).run(sockets=[listening])  # type: ignore[arg-type]
    return int(ExitCode.GO)


def _token() -> str:
    """That of the environment, which no child of this process inherits, or a new one."""
    given = os.environ.pop(TOKEN, None)
    if given is not None and len(given) < SHORTEST:
        raise UsageError(f"{TOKEN}: found {len(given)} characters; expected at least {SHORTEST}")
    return given or secrets.token_urlsafe(32)


def _listening(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise UsageError(
            f"--host {host} --port {port}: found an address that cannot be listened on "
            f"({error.strerror or error}); remedy: another --port, or 0 for any"
        ) from None
