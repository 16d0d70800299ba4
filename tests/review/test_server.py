"""A review as whoever talks to it by HTTP finds it: what it answers and refuses."""

import http.client
import json
import shutil
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from salutary.cli.main import main
from salutary.ledgers.decisions import current_decisions
from salutary.ledgers.run_ledger import Ledger
from tests.report.made import HOSTILE, Parsed
from tests.review.made import made_run, served

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")
pytestmark = pytest.mark.slow

PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c4944"
    "4154789c63606060000000040001f61738550000000049454e44ae426082"
)


class Client:
    """Asks a review for pages, and to store decisions."""

    def __init__(self, address: str) -> None:
        self.host, self.secret = address.split("/")[2:4]

    def ask(
        self,
        path: str,
        method: str = "GET",
        body: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> tuple[int, str, dict[str, str]]:
        """Status, text and headers of an answer to exactly these headers."""
        connection = http.client.HTTPConnection(self.host, timeout=60)
        connection.putrequest(method, path, skip_host=True)
        own = {"Host": self.host, **(headers or {})}
        if body is not None:
            own["Content-Length"] = str(len(body))
        for name, value in own.items():
            connection.putheader(name, value)
        connection.endheaders(None if body is None else body.encode())
        answer = connection.getresponse()
        found = answer.status, answer.read().decode(), dict(answer.getheaders())
        connection.close()
        return found

    def page(self, path: str) -> tuple[int, Parsed]:
        status, text, _ = self.ask(f"/{self.secret}{path}")
        return status, Parsed(text)

    def decide(self, origin: str | None = "", **asked: Any) -> tuple[int, Any]:
        headers = {"Content-Type": "application/json"}
        if origin is not None:
            headers["Origin"] = origin or f"http://{self.host}"
        body = json.dumps({"expected": None, **asked})
        status, text, _ = self.ask(f"/{self.secret}/decide", "POST", body, headers)
        return status, json.loads(text) if text.startswith("{") else text


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reviewed")
    (folder / "pictures").mkdir()
    (folder / "pictures" / "one.png").write_bytes(PIXEL)
    (folder / "one.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    (folder.parent / "outside.png").write_bytes(PIXEL)
    (folder / "link.png").symlink_to(folder.parent / "outside.png")
    files = ["pictures/one.png", "../outside.png", str(folder.parent / "outside.png")]
    files += ["one.svg", "link.png", "none.png", "pool.parquet", "pictures/one.png\0"]
    files += ["x" * 5000 + ".png", "pictures/../pictures/one.png"]
    columns = {"file": [*files, *["a\nb"] * 50], "size": ["1"] * 60}
    return made_run(folder, 60, classes=["bad", "good", "fair"], columns=columns)


@pytest.fixture(scope="module")
def client(run: Path) -> Iterator[Client]:
    with served(run) as (address, _):
        yield Client(address)


def rows_stored(run: Path) -> int:
    with Ledger(run / "ledger.sqlite") as ledger:
        return len(ledger.decisions())


def test_requests_that_do_not_come_from_its_pages_are_refused(
    client: Client, run: Path
) -> None:
    before, home = rows_stored(run), f"/{client.secret}/"
    port = client.host.partition(":")[2]
    for path in ("/", "/wrong/", f"/{client.secret[:-1]}/", f"//x/{client.secret}/"):
        assert client.ask(path)[0] == 403
    # A name that was made to lead here, and none at all.
    for host in (f"evil.example:{port}", "evil.example", "127.0.0.1", f"[::1]:{port}"):
        assert client.ask(home, headers={"Host": host})[0] == 403
    assert client.ask(home, headers={"Host": f"localhost:{port}"})[0] == 200
    for origin in ("http://evil.example", "null", f"https://{client.host}"):
        assert client.ask(home, headers={"Origin": origin})[0] == 403
        assert client.decide(origin, row=1, decision="accept")[0] == 403
    assert client.decide(None, row=1, decision="accept")[0] == 403
    assert client.ask(f"{home}decide")[0] == 405
    form = {"Origin": f"http://{client.host}", "Content-Type": "text/plain"}
    assert client.ask(f"{home}decide", "POST", '{"row": 1}', form)[0] == 415
    assert rows_stored(run) == before


def test_it_listens_on_this_machine_alone(client: Client) -> None:
    port = int(client.host.partition(":")[2])
    others = {
        found[4][0]
        for found in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)
    }
    for address in others - {"127.0.0.1"}:
        if address.startswith("127.") and address != "127.0.1.1":
            continue
        with socket.socket() as other:
            other.settimeout(2)
            assert other.connect_ex((address, port)) != 0


def test_every_answer_forbids_what_its_pages_do_not_need(client: Client) -> None:
    for path in (f"/{client.secret}/", f"/{client.secret}/none", "/wrong/"):
        _, text, headers = client.ask(path)
        headers = {name.lower(): value for name, value in headers.items()}
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert headers["cache-control"] == "no-store"
        assert "set-cookie" not in headers
        assert "<script>" not in text
        assert "style=" not in text


@pytest.mark.parametrize(
    "asked",
    [
        {"row": 60, "decision": "accept"},
        {"row": -1, "decision": "accept"},
        {"row": "1", "decision": "accept"},
        {"row": True, "decision": "accept"},
        {"row": [1], "decision": "accept"},
        {"row": 1, "decision": "drop"},
        {"row": 1, "decision": ["accept"]},
        {"row": 1},
        {"row": 1, "decision": "change"},
        {"row": 1, "decision": "change", "class": 3},
        {"row": 1, "decision": "change", "class": -1},
        {"row": 1, "decision": "change", "class": "good"},
        {"row": 1, "decision": "undo"},
        {"row": 1, "decision": "accept", "more": "x" * 20_000},
    ],
    ids=lambda asked: str(asked)[:40],
)
def test_what_is_no_decision_is_refused(
    asked: dict[str, Any], client: Client, run: Path
) -> None:
    before = rows_stored(run)
    status, _ = client.decide(**asked)
    assert status in (400, 413)
    assert rows_stored(run) == before


@pytest.mark.parametrize("body", ["", "[]", "{", "[" * 9000, "1", '{"row": 1e999}'])
def test_what_is_not_json_of_a_decision_is_refused(body: str, client: Client) -> None:
    headers = {"Content-Type": "application/json", "Origin": f"http://{client.host}"}
    assert client.ask(f"/{client.secret}/decide", "POST", body, headers)[0] == 400


@pytest.mark.parametrize(
    "path",
    [
        *("/?place=60", "/?place=-1", "/?place=x", "/?place=99999999999", "/?order=x"),
        *("/grid?page=2", "/grid?page=x", "/image/60/0", "/image/0/9", "/image/1/0"),
        *("/image/2/0", "/image/3/0", "/image/4/0", "/image/5/0", "/image/6/0"),
        *("/image/7/0", "/image/8/0", "/image/0/1", "/none", "/../review.css"),
        *(f"/image/{'1' * 5000}/0", f"/image/0/{'1' * 5000}", "/image/x/0"),
        *("/image/-1/0", "/image//0", "/image/0"),
    ],
)
def test_pages_that_there_are_none_of(path: str, client: Client) -> None:
    assert client.ask(f"/{client.secret}{path}")[0] in (403, 404)


def test_an_image_in_the_pools_folder_is_shown(client: Client) -> None:
    connection = http.client.HTTPConnection(client.host, timeout=60)
    connection.request("GET", f"/{client.secret}/image/0/0")
    answer = connection.getresponse()
    found = answer.status, answer.read(), answer.headers["content-type"]
    connection.close()
    assert found == (200, PIXEL, "image/png")
    _, text, _ = client.ask(f"/{client.secret}/?order=assigned&place=0")
    assert '<img src="image/0/0" alt="pictures/one.png">' in text
    _, text, _ = client.ask(f"/{client.secret}/?order=assigned&place=1")
    assert "<img" not in text


def test_decisions_are_stored_at_once_and_shown(client: Client, run: Path) -> None:
    with Ledger(run / "ledger.sqlite") as ledger:
        labels = ledger.read().labels
    own = int(labels.classes[20])
    status, found = client.decide(row=20, decision="change", **{"class": own})
    assert (status, found["decision"], found["words"]) == (200, "accept", "accepted")
    other = (own + 1) % 3
    asked = {"row": 20, "decision": "change", "class": other}
    status, clash = client.decide(**asked)
    assert status == 409
    assert "in another window meanwhile" in clash["said"]
    assert clash["expected"] == found["expected"]
    status, found = client.decide(**{**asked, "expected": found["expected"]})
    name = ["bad", "good", "fair"][other]
    assert (status, found["words"]) == (200, f"changed to {name}")
    with Ledger(run / "ledger.sqlite") as ledger:
        holds = current_decisions(ledger.decisions())[20]
        assert (holds.decision, holds.label, holds.source) == ("change", name, "review")
        # What is decided elsewhere is known on the next page.
        status, page = client.page("/?order=assigned&place=20")
        assert f"changed to {name}" in page.text
    status, found = client.decide(row=20, decision="undo", expected=found["expected"])
    assert (status, found["words"]) == (200, "accepted")


@pytest.mark.parametrize("n_classes", [2, 200])
def test_hostile_texts_are_shown_as_text(n_classes: int, tmp_path: Path) -> None:
    texts = [*HOSTILE]
    classes = [text or "empty" for text in texts]
    classes += [f"class {number}" for number in range(max(0, n_classes - len(texts)))]
    # A name that ends with NUL is refused wherever a table is read.
    names = [text.rstrip("\0") for text in filter(None, texts)]
    columns = dict.fromkeys(names, texts)
    run = made_run(tmp_path, len(texts), classes=classes, ids=texts, columns=columns)
    with served(run) as (address, _):
        client = Client(address)
        for place in range(len(texts)):
            status, page = client.page(f"/?order=assigned&place={place}")
            assert status == 200
            assert page.open == []
            tags = [tag for tag, _ in page.elements]
            assert tags.count("script") == 1
            assert not {"svg", "img", "b", "i"} & {*tags}
            assert not any(
                key.startswith("on") for _, own in page.elements for key in own
            )
            text = page.text
            assert "\u202e" not in text
            assert "\x1b" not in text
        assert "are left out" not in page.text
        assert "100,000 characters" in page.text
        status, page = client.page("/grid?order=assigned")
        assert status == 200
        assert [tag for tag, _ in page.elements].count("script") == 1
        for text in (texts[0], "日本語 🙂", "=1+1", "__proto__"):
            assert text in page.text


def test_of_ten_thousand_labels_a_page_holds_few(tmp_path: Path) -> None:
    run = made_run(tmp_path, 10_000)
    with served(run) as (address, _):
        client = Client(address)
        for path in ("/grid", "/grid?page=199&order=influence"):
            status, text, _ = client.ask(f"/{client.secret}{path}")
            assert status == 200
            assert text.count("<tr ") == 50
            assert len(text) < 100_000
        assert client.page("/grid?page=200")[0] == 404
        status, text, _ = client.ask(f"/{client.secret}/?place=9999")
        assert status == 200
        assert "Label 10000 of 10000" in text
        assert len(text) < 20_000
        assert client.decide(row=9999, decision="accept")[1]["decided"] == 1


def test_it_ends_with_the_command_that_refits(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "run")
    with served(tmp_path / "run") as (address, process):
        client = Client(address)
        assert client.ask(f"/{client.secret}/")[0] == 200
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
    assert "of 60 labels decided" in out
    assert f"salutary resume {tmp_path / 'run'}" in out
    assert client.secret not in err
    assert "Listening on this machine alone" in err


@pytest.fixture
def refusal(capsys: pytest.CaptureFixture[str]) -> Any:
    def refused(*words: str) -> str:
        with pytest.raises(SystemExit) as ended:
            main(["review", *words, "--no-browser"])
        assert ended.value.code == 2
        err = capsys.readouterr().err
        assert err.count("\n") == 1
        return err

    return refused


def test_what_cannot_be_reviewed_is_refused_in_a_line(
    refusal: Any, run: Path, tmp_path: Path
) -> None:
    assert "holds no run" in refusal(str(tmp_path))
    assert "must be from 1 to 65535" in refusal(str(run), "--port", "0")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert f"--port {port}: cannot be listened on" in refusal(
            str(run), "--port", port
        )
    out = tmp_path / "one" / "run"
    made_run(tmp_path / "one", 3)
    with Ledger(out / "ledger.sqlite") as ledger:
        ledger.set_facts(report=None)
    assert "has not finished" in refusal(str(out))
    with Ledger(out / "ledger.sqlite") as ledger:
        ledger.set_facts(kind="finetune")
    assert "'salutary finetune', which cannot be reviewed" in refusal(str(out))


def test_without_its_packages_a_line_says_what_to_install(
    refusal: Any, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "uvicorn", None)
    assert "pip install 'salutary[review]'" in refusal(str(run))
