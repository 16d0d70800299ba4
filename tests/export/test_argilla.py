"""A dataset of Argilla, loaded and answered by its own client."""

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from salutary.cli.main import main
from salutary.displays.frames import RunFrames
from salutary.ledgers.decisions import NewDecision, current_decisions
from salutary.ledgers.run_ledger import Ledger

USER = "7a8b2f6e-3f0e-4c52-9d2f-0f3b6a0a8a11"
TIMES = dict.fromkeys(("inserted_at", "updated_at"), "2026-01-01T00:00:00")
WORKSPACE = {"id": str(UUID(int=1)), "name": "here", **TIMES}


@pytest.fixture(scope="session")
def rg() -> Any:
    """The library, whose import warns of its own use of pydantic."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("argilla", reason="needs salutary[test]")


class Server:
    """What stands for a server: it keeps what the client posts, and gives it back."""

    def __init__(self) -> None:
        self.posted: dict[str, list[dict[str, Any]]] = {}

    def answer(self, request: Any) -> Any:
        import httpx

        *_, above, kind = request.url.path.split("/")
        sent = json.loads(request.content) if request.content else {}
        if kind == "me":
            found = {"id": USER, "username": "ann", "role": "owner", **TIMES}
        elif kind == WORKSPACE["id"]:
            found = WORKSPACE
        elif kind == "workspaces":
            found = {"items": [WORKSPACE]}
        elif kind == "publish" or (request.method == "GET" and above == "datasets"):
            found = {**self.posted["datasets"][0], "status": "ready"}
        elif request.method == "GET":
            found = {"items": self.posted.get(kind, [])}
        elif kind == "bulk":
            self.posted.setdefault(kind, []).extend(sent["items"])
            items = [{**item, "id": str(uuid4())} for item in sent["items"]]
            found = {"items": items, "updated_item_ids": []}
        else:
            found = {**sent, "id": str(uuid4()), **TIMES}
            self.posted.setdefault(kind, []).append(found)
        return httpx.Response(200, json=found, request=request)


@pytest.fixture
def posted(rg: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], Any]:
    """Let the library load a folder; what it then posts to a server."""
    import httpx

    server = Server()

    def send(client: Any, request: Any, **further: Any) -> Any:
        return server.answer(request)

    def posted(folder: Path) -> dict[str, list[dict[str, Any]]]:
        server.posted.clear()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            client = rg.Argilla(api_url="http://nowhere", api_key="none")
            rg.Dataset.from_disk(str(folder), client=client)
        return server.posted

    monkeypatch.setattr(httpx.Client, "send", send)
    return posted


def export(run_dir: Path, *further: str, name: str = "records") -> Path:
    folder = run_dir.parent / name
    words = ["--to", "argilla", "--out", str(folder), "--quiet"]
    main(["export", str(run_dir), *words, *further])
    return folder


@pytest.mark.parametrize("which", ["run_dir", "hostile_run"])
def test_its_client_loads_the_folder(
    which: str, posted: Callable[[Path], Any], request: pytest.FixtureRequest
) -> None:
    run_dir = request.getfixturevalue(which)
    pool = request.getfixturevalue("pool" if which == "run_dir" else "hostile_pool")
    found = posted(export(run_dir))
    frames = RunFrames.of_run(run_dir)
    (question,) = found["questions"]
    choices = [option["value"] for option in question["settings"]["options"]]
    assert choices[:-1] == frames.classes
    assert choices[-1] not in frames.classes
    assert [field["name"] for field in found["fields"]] == ["columns"]
    assert len(found["metadata-properties"]) == 4
    for record, (_, label) in zip(found["bulk"], frames.labels.iterrows(), strict=True):
        own = pool.iloc[label["row"]].replace({float("nan"): None}).to_dict()
        assert record["fields"] == {"columns": own}
        (suggestion,) = record["suggestions"]
        assert suggestion["value"] == label["label"]
        assert suggestion["score"] == label["probability"]
        assert suggestion["agent"] == record["metadata"]["salutary_source"]
        assert suggestion["agent"].startswith("salutary ")
        assert record["metadata"]["salutary_influence"] == label["influence"]
        assert record["responses"] == []


@pytest.mark.parametrize("which", ["run_dir", "hostile_run"])
def test_responses_come_back_as_decisions(
    which: str,
    rg: Any,
    posted: Callable[[Path], Any],
    request: pytest.FixtureRequest,
) -> None:
    from argilla.records._io import JsonIO

    run_dir = request.getfixturevalue(which)
    folder = export(run_dir)
    frames = RunFrames.of_run(run_dir)
    settings = rg.Settings.from_json(folder / ".argilla" / "settings.json")
    answers = [*settings.questions["label"].labels]
    records = JsonIO._records_from_json(folder / "records.json")
    expected = {}
    for record, row, label in zip(
        records[::2],
        frames.labels["row"][::2],
        frames.labels["label"][::2],
        strict=True,
    ):
        after = answers[answers.index(label) + 1]
        record.responses.add(rg.Response("label", after, user_id=uuid4()))
        is_class = after in frames.classes
        expected[row] = ("change", after) if is_class else ("reject", None)
    (folder / "records.json").unlink()
    JsonIO.to_json(records, folder / "records.json")
    main(["import", str(run_dir), str(folder), "--quiet"])
    with Ledger(run_dir / "ledger.sqlite") as ledger:
        holds = current_decisions(ledger.decisions())
    found = {row: (one.decision, one.label) for row, one in holds.items()}
    assert found == expected
    again = posted(export(run_dir, "--user", USER, name="again"))
    suggested = [record["suggestions"][0]["value"] for record in again["bulk"]]
    assert suggested == frames.labels["label"].tolist()
    for record, row in zip(again["bulk"], frames.labels["row"], strict=True):
        given = [
            response["values"]["label"]["value"] for response in record["responses"]
        ]
        decision, label = expected.get(row, (None, None))
        assert given == ([] if decision is None else [label or answers[-1]])


def test_decisions_need_a_user(
    run_dir: Path, refusal: Callable[[list[str]], str]
) -> None:
    row = int(RunFrames.of_run(run_dir).labels["row"][0])
    with Ledger(run_dir / "ledger.sqlite") as ledger:
        ledger.decide([NewDecision(row, "accept")], "review")
    words = ["export", str(run_dir), "--to", "argilla", "--out", f"{run_dir}-records"]
    assert "--user: is missing" in refusal(words)
    assert "--user ann: is no id of a user" in refusal([*words, "--user", "ann"])
    assert [path.name for path in run_dir.parent.iterdir()] == ["run"]
    words[words.index("argilla")] = "csv"
    assert "for --to argilla only" in refusal([*words, "--user", USER])
