"""Which requests a review answers: those of its own pages, on this machine alone."""

from __future__ import annotations

from collections.abc import Mapping
from secrets import compare_digest
from typing import Any

from starlette.responses import PlainTextResponse

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "img-src 'self' data:; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""Headers of every answer: nothing but the review's own files is loaded or run."""


class Guarded:
    """An application that only answers those who know its address.

    The secret is the first part of every path, so that no other page can name one. A
    foreign name in the header Host is one that was made to lead here (DNS rebinding).

    Parameters
    ----------
    app : callable
        An application of ASGI.
    secret : str
    port : int
        Where it listens.
    """

    def __init__(self, app: Any, secret: str, port: int) -> None:
        self._app, self._secret = app, secret
        self._hosts = {f"{name}:{port}" for name in ("127.0.0.1", "localhost")}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] != "http":
            return

        async def send_with_headers(message: Any) -> None:
            if message["type"] == "http.response.start":
                own = [(k.lower().encode(), v.encode()) for k, v in HEADERS.items()]
                message["headers"] = [*message.get("headers", []), *own]
            await send(message)

        why = self._refusal(scope)
        app = self._app
        if why is not None:
            app = PlainTextResponse(f"Refused: {why}.\n", status_code=403)
        await app(scope, receive, send_with_headers)

    def _refusal(self, scope: Mapping[str, Any]) -> str | None:
        """Why a request is refused; None if it is not."""
        found: dict[bytes, list[bytes]] = {}
        for name, value in scope["headers"]:
            found.setdefault(name.lower(), []).append(value)
        hosts = [value.decode("latin-1") for value in found.get(b"host", [])]
        if len(hosts) != 1 or hosts[0] not in self._hosts:
            return "the header Host names another place"
        first = scope["path"].lstrip("/").partition("/")[0]
        if not compare_digest(first.encode(), self._secret.encode()):
            return (
                "the address lacks the secret; open the one that 'salutary review' "
                "has printed"
            )
        origins = [value.decode("latin-1") for value in found.get(b"origin", [])]
        reads = scope["method"] in ("GET", "HEAD")
        if origins != [f"http://{hosts[0]}"] and not (reads and not origins):
            return "it comes from another page"
        return None
