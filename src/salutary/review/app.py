"""The pages of a review, and what its buttons and keys ask for."""

from __future__ import annotations

import json
import shlex
import sqlite3
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response
from starlette.routing import Mount, Route

from salutary.errors import InputError
from salutary.ledgers.decisions import DECISIONS, DecidedMeanwhileError
from salutary.report.decided import decision_words
from salutary.report.page import environment_of, stylesheet
from salutary.review.cells import IMAGES, image_of
from salutary.review.reviewed import GRID, KEYS, ORDERS, Reviewed

MOST_ASKED = 10_000
"""Bytes of the body of a request."""

CLASH = (
    "Somebody has decided about this label in another window meanwhile. Nothing of "
    "yours was stored; what holds now is shown."
)


class Pages:
    """The endpoints of a review.

    Parameters
    ----------
    reviewed : Reviewed
    """

    def __init__(self, reviewed: Reviewed) -> None:
        self._reviewed = reviewed
        self._templates = environment_of("salutary.review")

    def app(self, secret: str) -> Starlette:
        """The application, all of whose paths begin with a secret."""
        routes = [
            Route("/", self.one),
            Route("/grid", self.grid),
            Route("/decide", self.decide, methods=["POST"]),
            Route("/image/{at}/{column}", self.image),
            Route("/review.css", self.style),
            Route("/review.js", self.script),
        ]
        return Starlette(routes=[Mount(f"/{secret}", routes=routes)])

    async def one(self, request: Request) -> Response:
        """A label, by its place in an order; the first that is open by default."""
        reviewed, asked = self._reviewed, request.query_params
        reviewed.refresh()
        order = _order(asked)
        place = _whole(asked.get("place"), reviewed.first_open(order))
        if not 0 <= place < len(reviewed):
            raise HTTPException(404, "There is no such label.")
        before = _whole(asked.get("before"), -1)
        previous = None
        if 0 <= before < len(reviewed) and before != place:
            row = reviewed.grid(order, before)[0]["row"]
            previous = {"row": row, "place": before, **reviewed.state(row)}
        return self._page(
            "one.html",
            order,
            label=reviewed.label(order, place),
            next_open=reviewed.next_open(order, place),
            previous=previous,
            clash=CLASH if asked.get("clash") else "",
        )

    async def grid(self, request: Request) -> Response:
        """A page of labels."""
        reviewed, asked = self._reviewed, request.query_params
        reviewed.refresh()
        order, page = _order(asked), _whole(asked.get("page"), 0)
        n_pages = -(-len(reviewed) // GRID)
        if not 0 <= page < n_pages:
            raise HTTPException(404, "There is no such page.")
        labels = reviewed.grid(order, page * GRID)
        return self._page("grid.html", order, labels=labels, page=page, n_pages=n_pages)

    async def decide(self, request: Request) -> Response:
        """Store a decision, and say what holds then."""
        reviewed = self._reviewed
        asked = await _asked(request)
        row: Any = asked.get("row")
        code = asked.get("class")
        known = type(code) is int and 0 <= code < len(reviewed.classes)
        if not reviewed.has(row) or asked.get("decision") not in DECISIONS:
            raise HTTPException(400, "There is no such label or decision.")
        if asked["decision"] == "change" and not known:
            raise HTTPException(400, "There is no such class.")
        status, said = 200, ""
        try:
            reviewed.decide(row, asked["decision"], code, asked.get("expected"))
        except DecidedMeanwhileError:
            status, said = 409, CLASH
        except InputError as error:
            status, said = 400, str(error)
        except sqlite3.OperationalError as error:  # a full disk, or a refit's last step
            status, said = 503, f"Nothing was stored: {error}. Try again."
        state = reviewed.state(row)
        return JSONResponse(
            {
                "said": said,
                "words": decision_words(state["holds"]),
                "decision": state["holds"].decision if state["holds"] else "",
                "expected": state["expected"],
                "decided": reviewed.n_decided,
                "total": len(reviewed),
            },
            status_code=status,
        )

    async def image(self, request: Request) -> Response:
        """The image that a cell names, if it is in the pool's folder."""
        asked = request.path_params
        at, column = (_whole(asked[name], 0) for name in ("at", "column"))
        rows = self._reviewed.page.rows
        if rows.table is None or at >= rows.table.num_rows:
            raise HTTPException(404)
        values = rows.values(at)
        value = values[column][1].as_py() if column < len(values) else None
        facts = self._reviewed.page.facts
        path = image_of(facts, value) if isinstance(value, str) else None
        if path is None:
            raise HTTPException(404)
        return FileResponse(path, media_type=IMAGES[path.suffix.lower()])

    async def style(self, request: Request) -> Response:
        """The style of all pages."""
        return Response(stylesheet() + _resource("review.css"), media_type="text/css")

    async def script(self, request: Request) -> Response:
        """The script of all pages."""
        return Response(_resource("review.js"), media_type="text/javascript")

    def _page(self, template: str, order: str, **context: Any) -> Response:
        reviewed = self._reviewed
        out = reviewed.page.run_dir
        context = {"clash": "", "view": template.removesuffix(".html"), **context}
        text = self._templates.get_template(template).render(
            {
                "name": out.name,
                "place_of_rows": None if reviewed.page.has_ids else "pool",
                "orders": ORDERS,
                "order": order,
                "decided": reviewed.n_decided,
                "total": len(reviewed),
                "refit": f"salutary resume {shlex.quote(str(out))}",
                "words": decision_words,
                "why_not": reviewed.page.rows.why_not,
                "all_classes": reviewed.classes,
                "keys": KEYS,
                **context,
            }
        )
        return HTMLResponse(text.encode("utf-8", "backslashreplace"))


def _order(asked: Mapping[str, str]) -> str:
    order = asked.get("order", "doubt")
    if order not in ORDERS:
        raise HTTPException(404, "There is no such order.")
    return order


def _whole(text: str | None, default: int) -> int:
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise HTTPException(404, "There is no such page.")
    return int(text)


async def _asked(request: Request) -> dict[str, Any]:
    """The JSON that a request holds."""
    if request.headers.get("content-type") != "application/json":
        raise HTTPException(415, "It must be JSON.")
    body = b""
    try:
        async for part in request.stream():
            body += part
            if len(body) > MOST_ASKED:
                raise HTTPException(413, "It is too long.")
        asked = json.loads(body)
    except (ValueError, RecursionError, ClientDisconnect):
        raise HTTPException(400, "It is not JSON.") from None
    if not isinstance(asked, dict):
        raise HTTPException(400, "It is no decision.")
    return asked


@cache
def _resource(name: str) -> str:
    return files("salutary.review").joinpath("templates", name).read_text("utf-8")
