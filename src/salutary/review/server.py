"""Serve a review on this machine alone, until it is interrupted."""

from __future__ import annotations

import socket
import webbrowser
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from secrets import token_urlsafe
from threading import Thread
from typing import Any

from salutary.displays.frames import RunFrames
from salutary.errors import InputError, needs
from salutary.report.run_page import RunPage
from salutary.review.reviewed import Reviewed
from salutary.runs.decided import reviewable

HOST = "127.0.0.1"


def review(
    run_dir: Path,
    port: int | None,
    browser: bool,
    on_start: Callable[[str], None],
) -> dict[str, Any]:
    """Serve the review of a run until it is interrupted.

    Parameters
    ----------
    run_dir : Path
        Directory of a finished run of ``salutary label``.
    port : int or None
        None for one that is free.
    browser : bool
        Whether to open a browser.
    on_start : callable
        Called with the address once it can be opened.

    Returns
    -------
    dict
        ``decided`` and ``labels``, the number of labels that somebody has decided
        about, and of all.

    Raises
    ------
    InputError
        If the run cannot be reviewed, or the port is in use.
    MissingExtraError
        If a package that this needs is not installed.
    """
    with needs("review"):
        import uvicorn

        from salutary.review.app import Pages
        from salutary.review.guarded import Guarded
    frames = RunFrames.of_run(run_dir)
    with reviewable(run_dir) as ledger, _listening(port) as listener:
        page = RunPage(run_dir, frames, ledger.read(), with_names=True)
        reviewed = Reviewed(page, ledger)
        if not len(reviewed):
            raise InputError(f"{run_dir}: has no labels, so there is nothing to review")
        secret, port = token_urlsafe(), listener.getsockname()[1]
        address = f"http://{HOST}:{port}/{secret}/"
        config = uvicorn.Config(
            Guarded(Pages(reviewed).app(secret), secret, port),
            log_level="critical",
            access_log=False,
            lifespan="off",
            loop="asyncio",
            http="h11",
            ws="none",
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=1,
        )
        _ = reviewed.orders  # reads the tables, before anybody waits for a page
        on_start(address)
        if browser:
            # Beside, as a browser on a terminal would keep the review from starting.
            Thread(target=webbrowser.open, args=[address], daemon=True).start()
        with suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[listener])
        reviewed.refresh()
        return {"decided": reviewed.n_decided, "labels": len(reviewed)}


def _listening(port: int | None) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port or 0))
        listener.listen()
    except OSError as error:
        listener.close()
        raise InputError(
            f"--port {port}: cannot be listened on ({error.strerror}); pass another, "
            "or leave it out"
        ) from None
    return listener
