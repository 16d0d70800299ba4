"""A server on this machine that answers as the publishers of the data sets do."""

import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from sklearn.datasets import _openml

from salutary_benchmark.data import fetching


class Publisher:
    """What it publishes, what it was asked for, and how often it fails first."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.failures = 0
        self.address = ""

    def answer(self, path: str) -> tuple[int, bytes]:
        self.asked.append(path)
        if self.failures:
            self.failures -= 1
            return 503, b"busy"
        if path not in self.files:
            return 404, b"nothing here"
        return 200, self.files[path]


@pytest.fixture
def publisher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Publisher]:
    """A server in place of UCI, Hugging Face and OpenML, and an empty cache."""
    published = Publisher()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, content = published.answer(self.path)
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    address = published.address = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("SALUTARY_CACHE", str(tmp_path / "cache"))
    for name in ("_DATA_INFO", "_DATA_FEATURES", "_DATA_QUALITIES"):
        # scikit-learn 1.8 asks another host than 1.9.
        url = re.sub(
            r"^https://(www|api)\.openml\.org", address, getattr(_openml, name)
        )
        monkeypatch.setattr(_openml, name, url)
    monkeypatch.setattr(fetching, "UCI", f"{address}/uci")
    monkeypatch.setattr(fetching, "HUGGING_FACE", f"{address}/hf")
    yield published
    server.shutdown()
    server.server_close()
    thread.join()
