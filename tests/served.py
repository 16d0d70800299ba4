"""A web server on this machine that serves a folder in ranges, and counts its bytes."""

import re
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread


class Served:
    """What a server does, and has done.

    Parameters
    ----------
    folder : Path
        Its files are served.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.url = folder, ""
        self.sent: Counter[str] = Counter()
        self.requests: Counter[str] = Counter()
        self.authorizations: set[str | None] = set()
        self.status: int | None = None
        """With which all is answered, if not with the files."""
        self.in_ranges, self.says_etag, self.seconds = True, True, 0.0


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, served: Served, *arguments: object) -> None:
        self.served = served
        super().__init__(*arguments)  # type: ignore[arg-type]

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def _answer(self, with_body: bool) -> None:
        served, name = self.served, self.path.lstrip("/")
        file = served.folder / name
        time.sleep(served.seconds)
        served.authorizations.add(self.headers.get("Authorization"))
        status = served.status or (200 if file.is_file() else 404)
        headers, content, n_bytes = {}, b"refused", len(b"refused")
        if status == 200:
            stat = file.stat()
            first, end = 0, stat.st_size
            wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
            if not served.in_ranges:
                headers["Accept-Ranges"] = "none"
            elif wanted:
                first, status = int(wanted[1]), 206
                end = min(end, int(wanted[2] or end) + 1)
                headers["Content-Range"] = f"bytes {first}-{end - 1}/{stat.st_size}"
            if served.says_etag:
                headers["ETag"] = f'"{stat.st_size}-{stat.st_mtime_ns}"'
            n_bytes = end - first
            with file.open("rb") as opened:
                opened.seek(first)
                content = opened.read(n_bytes if with_body else 0)
        self.send_response(status)
        for key, value in {**headers, "Content-Length": str(n_bytes)}.items():
            self.send_header(key, value)
        self.end_headers()
        if with_body:
            served.requests[name] += 1
            served.sent[name] += len(content)
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving(folder: Path) -> Iterator[Served]:
    """Serve a folder while the block runs."""
    served = Served(folder)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, served))
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    served.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
