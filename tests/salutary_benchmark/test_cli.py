"""``salutary benchmark`` as a user meets it."""

import base64
import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from salutary.cli.main import main
from salutary_benchmark.report import write
from salutary_benchmark.runner import RESULTS, RUN
from salutary_benchmark.strategies.registry import STRATEGIES
from salutary_benchmark.suites import SUITES
from tests.words import once

Refusal = Callable[[list[str]], str]
RUN_QUICK = ["benchmark", "run", "--suite", "quick", "--seeds", "1", "--jobs", "1"]


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of the suite on bundled data."""
    out = tmp_path_factory.mktemp("benchmark") / "run"
    main([*RUN_QUICK, "--out", str(out)])
    return out


@pytest.mark.slow
def test_a_run_says_what_it_does_and_what_is_next(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    main([*RUN_QUICK, "--out", str(out)])
    said, error = capsys.readouterr()
    assert error.startswith("reading the data sets\n14 cells to run\n")
    assert said.startswith("14 of 14 cells done")
    assert "14 of 14 cells done, 0 failed or over the time limit" in said
    assert f"salutary benchmark report {out}" in said
    main([*RUN_QUICK, "--out", str(out)])
    assert "14 of 14 cells are done already" in capsys.readouterr().err


@pytest.mark.slow
def test_one_cell_is_rerun_to_the_recorded_figures(
    out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    only = ["--only", "digits/Salutary-guarded/0"]
    before = (out / RESULTS).read_bytes()
    main([*RUN_QUICK, *only, "--out", str(out)])
    said = capsys.readouterr().out
    assert f"As recorded in {out}; the largest difference is" in said
    assert (out / RESULTS).read_bytes() == before
    main([*RUN_QUICK, *only])
    assert "As recorded" not in capsys.readouterr().out


def document(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> Any:
    """The one JSON document on standard output."""
    capsys.readouterr()
    main([*arguments, "--json"])
    return json.loads(capsys.readouterr().out)


def test_one_cell_into_a_new_directory_is_a_run_that_others_continue(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    new = tmp_path / "one"
    cell = "breast_cancer/TrainPlusValidation/0"
    arguments = [*RUN_QUICK, "--only", cell, "--out", str(new)]
    main(arguments)
    said = capsys.readouterr().out
    assert "1 of 1 cells done" in said
    results = pd.read_parquet(new / RESULTS)
    assert set(results["strategy"]) == {"TrainPlusValidation"}
    assert f"{results['accuracy'].iloc[-1]:.6f}" in said
    found = document(arguments, capsys)
    assert (found["cell"], found["largest_difference"]) == (cell, 0.0)
    last = found["rows"][-1]["accuracy"]
    assert last == pytest.approx(results["accuracy"].iloc[-1], abs=1e-7)
    missing = json.loads((new / RUN).read_text())["missing"]
    assert missing == 13


def test_the_list_and_a_report_are_json_too(
    out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = document(["benchmark", "list"], capsys)
    assert list(found["suites"]) == list(SUITES)
    assert found["strategies"] == list(STRATEGIES)
    assert found["data_sets"]["digits"]["classes"] == 10
    found = document(["benchmark", "report", str(out)], capsys)
    assert found["directory"] == str(out)
    assert all((out / name).is_file() for name in found["files"])


def test_a_cell_that_differs_from_the_record_is_refused(
    out: Path, tmp_path: Path, refusal: Refusal
) -> None:
    results = pd.read_parquet(out / RESULTS)
    results["log_loss"] += np.float32(1e-5)
    results.to_parquet(tmp_path / RESULTS)
    arguments = [*RUN_QUICK, "--only", "digits/Margin/0", "--out", str(tmp_path)]
    assert "digits/Margin/0: differs from" in refusal(arguments)
    results[results["strategy"] != "Margin"].to_parquet(tmp_path / RESULTS)
    assert "has no rows for digits/Margin/0; expected 3" in refusal(arguments)


@pytest.mark.parametrize(
    ("further", "message"),
    [
        (
            ["--suite", "papers"],
            "no suite is called 'papers'; the suites are paper, fair,",
        ),
        (["--only", "digits/Margin"], "is not DATASET/STRATEGY/SEED; an example is"),
        (["--only", "digits/Margin/x"], "is not DATASET/STRATEGY/SEED"),
        (["--only", "wine/Margin/0"], "has no data set 'wine'; it has digits, breast"),
        (["--only", "digits/margin/0"], "has no strategy 'margin'; it has Margin, "),
        (["--data", "nowhere"], "nowhere: no such folder; pass the folder"),
        (["--seeds", "0"], "--seeds 0: must be from 1 to 10000"),
        (["--seeds", "9" * 20], "must be from 1 to 10000"),
        (["--only", "digits/Margin/9999999999"], "is not DATASET/STRATEGY/SEED"),
        (["--jobs", "0"], "--jobs 0: must be at least 1, or -1"),
        (["--time-limit", "0"], "--time-limit 0: must be positive"),
        (["--time-limit", "nan"], "--time-limit nan: must be positive"),
        ([], "--out is missing"),
    ],
)
def test_a_mistake_is_one_line(
    further: list[str], message: str, refusal: Refusal
) -> None:
    assert message in refusal(once([*RUN_QUICK, *further]))


def test_a_folder_without_the_data_is_refused_before_anything_is_run(
    tmp_path: Path, refusal: Refusal
) -> None:
    arguments = ["benchmark", "run", "--suite", "paper", "--data", str(tmp_path)]
    arguments += ["--out", str(tmp_path / "run")]
    assert "bank_marketing.parquet: no such file; put Bank Marketing" in refusal(
        arguments
    )
    (tmp_path / "bank_marketing.parquet").write_bytes(b"PAR1 cut short")
    assert "bank_marketing.parquet: is damaged or cut short" in refusal(arguments)
    assert not (tmp_path / "run").exists()


EXTRA = ("skactiveml", "scikit_posthocs", "statsmodels", "pooch")
"""Packages of the extra that nothing else of salutary brings."""


def without_the_extra(arguments: list[str]) -> subprocess.CompletedProcess[str]:
    """The command in a process that cannot import the packages of the extra."""
    program = (
        f"import sys; sys.modules.update(dict.fromkeys({EXTRA})); "
        "from salutary.cli.main import main; main(sys.argv[1:])"
    )
    return subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True
    )


def test_the_list_needs_no_extra(capsys: pytest.CaptureFixture[str]) -> None:
    main(["benchmark", "list"])
    with_extra = capsys.readouterr().out
    found = without_the_extra(["benchmark", "list"])
    assert (found.returncode, found.stderr) == (0, "")
    assert found.stdout == with_extra


@pytest.mark.parametrize("arguments", [["--help"], ["benchmark", "--help"]])
def test_help_needs_no_extra_and_says_how_to_install_it(arguments: list[str]) -> None:
    found = without_the_extra(arguments)
    assert (found.returncode, found.stderr) == (0, "")
    assert "benchmark" in found.stdout
    if len(arguments) > 1:
        assert "pip install 'salutary[benchmark]'" in " ".join(found.stdout.split())


def test_without_the_extra_a_run_or_report_says_what_to_install(
    out: Path, tmp_path: Path
) -> None:
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    for arguments in (
        [*RUN_QUICK, "--out", str(tmp_path / "run")],
        [*RUN_QUICK, "--only", "digits/Margin/0"],
        ["benchmark", "report", str(out)],
    ):
        found = without_the_extra(arguments)
        assert found.returncode == 2
        assert found.stdout == ""
        (line,) = found.stderr.splitlines()
        assert line.startswith("salutary: ")
        assert line.endswith("is not installed; pip install 'salutary[benchmark]'")
    assert not (tmp_path / "run").exists()
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_without_a_command_it_shows_its_help(
    capsys: pytest.CaptureFixture[str],
) -> None:
    main(["benchmark"])
    assert "salutary benchmark list" in capsys.readouterr().out


def test_the_list_names_all_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    main(["benchmark", "list"])
    said = capsys.readouterr().out
    for name in (*SUITES, *STRATEGIES, "ag_news", "CC BY 4.0", "leaks the label"):
        assert name in said


class Page(HTMLParser):
    """Tags, texts and pictures of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.pictures: list[str] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.pictures += [value or "" for key, value in attrs if key == "src"]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


@pytest.mark.slow
def test_the_report_has_tables_and_pictures_that_are_there(
    out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["benchmark", "report", str(out)])
    assert "report.md, report.html, curves.png" in capsys.readouterr().out
    page = Page()
    page.feed((out / "report.html").read_text("utf-8"))
    assert page.tags.count("table") == 4  # three measures, one salutary strategy
    assert len(page.pictures) == 4
    for picture in page.pictures:
        # The page can be mailed alone.
        content = base64.b64decode(picture.removeprefix("data:image/png;base64,"))
        assert content in {path.read_bytes() for path in out.glob("*.png")}
        assert content.startswith(b"\x89PNG")
    results = pd.read_parquet(out / RESULTS)
    last = results[results["strategy"] == "TrainPlusValidation"].set_index("dataset")
    text = (out / "report.md").read_text("utf-8")
    line = next(row for row in text.splitlines() if "TrainPlusValidation |" in row)
    assert line.split(" | ")[1] == f"{last.loc['breast_cancer', 'accuracy']:.4f}"


@pytest.mark.slow
def test_hostile_names_in_results_are_escaped(out: Path, tmp_path: Path) -> None:
    name = "<script>alert(1)</script>|`x`"
    results = pd.read_parquet(out / RESULTS)
    results["dataset"] = results["dataset"].replace("digits", name)
    results.to_parquet(tmp_path / RESULTS)
    (tmp_path / RUN).write_bytes((out / RUN).read_bytes())
    write(tmp_path)
    assert "<script>" not in (tmp_path / "report.html").read_text("utf-8")
    table = [
        row
        for row in (tmp_path / "report.md").read_text("utf-8").splitlines()
        if row.startswith("| strategy |")
    ]
    assert "\\<script\\>" in table[0]
    assert table[0].replace("\\|", "").count("|") == 5


@pytest.mark.slow
def test_a_hostile_error_of_a_cell_is_shown_as_it_is(out: Path, tmp_path: Path) -> None:
    why = "failed: <img src=x onerror=f()> | **a** &lt; __call__ ~~b~~ [c](x) `d` \\|"
    (tmp_path / RESULTS).write_bytes((out / RESULTS).read_bytes())
    run = json.loads((out / RUN).read_text("utf-8"))
    run["not_done"] = {"digits/Margin/0": why}
    (tmp_path / RUN).write_text(json.dumps(run))
    write(tmp_path)
    page = Page()
    page.feed((tmp_path / "report.html").read_text("utf-8"))
    assert why in page.texts
    assert len(page.pictures) == 4
    (line,) = (
        row
        for row in (tmp_path / "report.md").read_text("utf-8").splitlines()
        if row.startswith("| digits/Margin/0 |")
    )
    cell = line.removeprefix("| digits/Margin/0 | ").removesuffix(" |")
    # Every special character is escaped, and without the escapes it is what it was.
    assert not re.search(r"[|<>&*_~`\[]", re.sub(r"\\.", "", cell))
    assert re.sub(r"\\(.)", r"\1", cell) == why


@pytest.mark.parametrize("damage", ["missing", "{}", "[1]", "torn {"])
def test_a_report_without_a_record_of_the_run_is_refused(
    damage: str, out: Path, tmp_path: Path, refusal: Refusal
) -> None:
    (tmp_path / RESULTS).write_bytes((out / RESULTS).read_bytes())
    if damage != "missing":
        (tmp_path / RUN).write_text(damage)
    assert "run.json: is missing or damaged" in refusal(
        ["benchmark", "report", str(tmp_path)]
    )
    record = json.loads((out / RUN).read_text())
    del record["versions"]
    (tmp_path / RUN).write_text(json.dumps(record))
    assert "run.json" in refusal(["benchmark", "report", str(tmp_path)])


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *[("suite", "paper"), ("suite", {"name": ["paper"]}), ("seeds", "<b>3</b>")],
        *[("jobs", None), ("cores", []), ("wall_seconds", "long"), ("python", 3)],
        *[("versions", ["numpy"]), ("versions", {"numpy": {}}), ("not_done", [1])],
        ("not_done", {"digits/Margin/0": 5}),
    ],
)
def test_a_report_of_an_edited_record_is_refused(
    key: str, value: Any, out: Path, tmp_path: Path, refusal: Refusal
) -> None:
    (tmp_path / RESULTS).write_bytes((out / RESULTS).read_bytes())
    record = json.loads((out / RUN).read_text())
    (tmp_path / RUN).write_text(json.dumps({**record, key: value}))
    assert "run.json: is missing or damaged" in refusal(
        ["benchmark", "report", str(tmp_path)]
    )


def test_markup_in_a_version_is_shown_as_it_is(out: Path, tmp_path: Path) -> None:
    (tmp_path / RESULTS).write_bytes((out / RESULTS).read_bytes())
    record = json.loads((out / RUN).read_text())
    record["versions"]["numpy"] = "<script>f()</script>"
    (tmp_path / RUN).write_text(json.dumps(record))
    write(tmp_path)
    for name in ("report.md", "report.html"):
        assert "<script>" not in (tmp_path / name).read_text("utf-8").replace(
            "\\<script\\>", ""
        )


def test_a_report_of_nothing_is_refused(tmp_path: Path, refusal: Refusal) -> None:
    assert "pass the --out of a 'salutary benchmark run'" in refusal(
        ["benchmark", "report", str(tmp_path)]
    )


@pytest.mark.slow
def test_a_cell_of_several_settings_is_named_with_its_setting(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {name: SUITES["labels"].settings[name] for name in ("C=0.1", "C=1")}
    small = replace(
        SUITES["labels"],
        settings={
            name: replace(setting, budget=10) for name, setting in settings.items()
        },
        data_sets=("breast_cancer",),
        strategies=("Salutary-paper",),
    )
    monkeypatch.setitem(SUITES, "labels", small)
    out = tmp_path / "run"
    suite = ["benchmark", "run", "--suite", "labels", "--seeds", "1", "--jobs", "1"]
    main([*suite, "--out", str(out)])
    assert "2 of 2 cells done" in capsys.readouterr().out
    only = ["--only", "breast_cancer/Salutary-paper/C=1/0"]
    main([*suite, *only, "--out", str(out)])
    assert "As recorded in" in capsys.readouterr().out
    main(["benchmark", "report", str(out)])
    assert "differing.png" in capsys.readouterr().out
    main(["benchmark", "list"])
    assert "settings: C=0.1, C=1\n" in capsys.readouterr().out
