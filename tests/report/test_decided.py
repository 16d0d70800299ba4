"""What the page of a run says of people's decisions."""

from pathlib import Path
from typing import Any

from salutary.ledgers.decisions import Decision
from salutary.ledgers.record import Record
from salutary.report.page import rendered
from salutary.report.run_page import RunPage, run_context
from tests.report.made import Parsed, facts, frames


def page(made: list[Decision], **more: Any) -> Parsed:
    of = frames(n_labels=40, undone=10)
    labels: Any = None
    record = Record(facts(of, **more), [], labels, (), tuple(made))
    return Parsed(rendered("run.html", run_context(RunPage(Path("run"), of, record))))


def decisions() -> list[Decision]:
    rows = frames(n_labels=40, undone=10).labels["row"].tolist()
    common = ("review", "2026-01-01T00:00:00+00:00")
    return [
        Decision(0, rows[0], "row-0", "accept", "benign", *common),
        Decision(1, rows[1], "row-1", "change", "<b>other</b>", *common),
        Decision(2, rows[2], "row-2", "reject", None, *common),
        Decision(3, rows[3], "row-3", "reject", None, *common),
        Decision(4, rows[3], "row-3", "undo", None, *common),
    ]


def table_of(found: Parsed) -> dict[str, str]:
    """The last cell of each row of the table of all labels, by the row's name."""
    start = next(
        at for at, row in enumerate(found.rows) if row[:2] == ["no.", "row of POOL"]
    )
    assert found.rows[start][-1] == "decision"
    return {row[1]: row[-1] for row in found.rows[start + 1 :] if len(row) == 12}


def test_decisions_stand_in_the_table_and_at_the_top() -> None:
    report = facts(frames())["report"]
    report["outcome"]["decisions"] = {
        **{"accepted": 1, "changed": 1, "rejected": 1, "labels": 29},
        "validation_loss": [0.4, 0.41],
    }
    made = {"count": 5, "digest": ""}
    found = page(decisions(), report=report, decisions=made, decisions_used=5)
    said = "People have accepted 1, changed 1 and rejected 1 of these labels."
    assert said in found.text
    assert "validation loss is 0.4100, with the labels as assigned 0.4000" in found.text
    words = table_of(found)
    assert words["row-0"] == "accepted"
    assert words["row-1"] == "changed to <b>other</b>"
    assert words["row-2"] == "rejected"
    assert words["row-3"] == words["row-4"] == ""


def test_decisions_that_the_results_do_not_know_of_say_what_to_do() -> None:
    found = page(decisions(), decisions={"count": 5, "digest": ""}, decisions_used=2)
    assert "People have decided about 3 of these labels" in found.text
    assert "not fitted again yet: salutary resume run." in found.text


def test_without_decisions_nothing_is_said_of_them() -> None:
    found = page([])
    assert "People have" not in found.text
    assert not any("decision" in row for row in found.rows)
