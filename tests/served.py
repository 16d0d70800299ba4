"""A web server on this machine that serves a folder in ranges, and counts its bytes."""

import hashlib
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
        status = served.status or (200 if file.is_file() else 404)
        content = file.read_bytes() if status == 200 else b"refused"
        etag, n_bytes, headers = hashlib.md5(content).hexdigest(), len(content), {}
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if not served.in_ranges:
            headers["Accept-Ranges"] = "none"
        elif status == 200 and wanted:
            first, last = int(wanted[1]), int(wanted[2] or n_bytes - 1)
            content, status = content[first : last + 1], 206
            headers["Content-Range"] = f"bytes {first}-{last}/{n_bytes}"
        if served.says_etag:
            headers["ETag"] = f'"{etag}"'
        self.send_response(status)
        for key, value in {**headers, "Content-Length": str(len(content))}.items():
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
