"""``salutary report``, and the page that a run ends with."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from html import unescape
from importlib.util import find_spec

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import confusion_matrix, log_loss

from salutary import load
from salutary.cli.main import main
from salutary.displays.frames import RunFrames
from salutary.ledgers.run_ledger import Ledger
from salutary.report import page as report_page
from salutary.report.calibration import judged_rows
from salutary.report.rows import held_out, own_rows, unchanged_table
from salutary.tables.reading import read_tables
from salutary.tables.sources import HeldOut, Sources
from tests.cli.test_finetune import arguments as finetune_arguments
from tests.cli.test_finetune import write_tables as write_texts
from tests.report.made import HOSTILE, Parsed

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _no_page_at_the_end():
    """Here a run ends with its page, unlike elsewhere in these tests."""


def make_tables(folder, label="yes", seed=0):
    rng = np.random.default_rng(seed)
    folder.mkdir(exist_ok=True)
    for name, number in (("train", 40), ("val", 60), ("pool", 120)):
        x = rng.normal(size=number)
        frame = pd.DataFrame(
            {
                "key": [f"{name}-{k}" for k in range(number)],
                "size": x.round(3),
                "color": rng.choice(["red", "green"], number),
                "y": np.where(x + rng.normal(size=number) > 0, label, "no"),
            }
        )
        if name == "pool":
            frame.loc[:5, "color"] = "never seen"
            frame = frame.drop(columns="y")
        frame.to_csv(folder / f"{name}.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_tables(tmp_path_factory.mktemp("tables"))


def words(folder, out, *more, command="label"):
    tables = [str(folder / "train.csv"), f"--validation={folder / 'val.csv'}"]
    if command != "relabel":
        tables.append(f"--pool={folder / 'pool.csv'}")
    settings = ["--target=y", "--id=key", f"--out={out}", "--quiet"]
    return [command, *tables, *settings, *more]


@pytest.fixture(scope="module")
def run(folder):
    main(words(folder, folder / "run", "--budget=30"))
    return folder / "run"


def ledger_of(run_dir):
    with Ledger(run_dir / "ledger.sqlite") as ledger:
        return ledger.read()


def test_a_run_ends_with_its_page(run):
    parsed = Parsed((run / "report.html").read_text("utf-8"))
    labels = RunFrames.of_run(run).labels
    rows = {row[1]: row for row in parsed.rows if len(row) == 11}
    for label in labels.itertuples():
        row = rows[label.id]
        assert (row[2], row[3]) == (label.label, str(label.round))
        assert float(row[4].replace("\u2212", "-")) == pytest.approx(
            label.influence, abs=0.051 * label.influence_se
        )
    outcome = json.loads((run / "run.json").read_text())["outcome"]
    options = (row for row in parsed.rows if len(row) == 6)
    shown = {row[0].removesuffix(" (advised)"): row[1] for row in options}
    for option in outcome["verdict"]["options"]:
        weight = option["validation_weight"]
        name = option["option"] + ("" if weight in (0, 1) else f", weight {weight:g}")
        assert shown[name] == f"{option['loss']:.4f}"
    assert outcome["verdict"]["sentence"] in parsed.text


def test_the_page_is_no_sealed_result(run, capsys):
    before = (run / "report.html").read_bytes()
    (run / "report.html").unlink()
    stamp = (run / "ledger.sqlite").stat().st_mtime_ns
    main(["resume", str(run)])
    assert (run / "report.html").read_bytes() == before
    assert (run / "ledger.sqlite").stat().st_mtime_ns == stamp
    assert "report.html" in capsys.readouterr().out


def test_a_page_that_is_there_stays(run):
    report_page.write_page(run)
    stamp = (run / "report.html").stat().st_mtime_ns
    main(["resume", str(run)])
    assert (run / "report.html").stat().st_mtime_ns == stamp


def test_no_report_leaves_it_out(folder, tmp_path, capsys):
    main(words(folder, tmp_path / "run", "--budget=10", "--no-report"))
    assert not (tmp_path / "run" / "report.html").exists()
    assert "report.html" not in capsys.readouterr().out
    main(["report", str(tmp_path / "run")])
    assert capsys.readouterr().out.strip() == str(tmp_path / "run" / "report.html")


def test_where_the_page_is_as_json(run, capsys):
    main(["report", str(run), "--json", "--quiet"])
    assert json.loads(capsys.readouterr().out) == {"page": str(run / "report.html")}


def test_a_larger_budget_gets_a_new_page(folder, tmp_path):
    out = tmp_path / "run"
    main(words(folder, out, "--budget=10", "--no-guard"))
    main(words(folder, out, "--budget=20", "--no-guard", "--resume"))
    assert "20 labels kept" in (out / "report.html").read_text("utf-8")


def test_a_page_that_cannot_be_written_ends_no_run(
    folder, tmp_path, capsys, monkeypatch
):
    def full(path, text):
        raise OSError("No space left on device")

    monkeypatch.setattr(report_page, "write_text", full)
    main(words(folder, tmp_path / "run", "--budget=10"))
    told = capsys.readouterr()
    assert "warning: report.html was not written: No space left" in told.err
    assert "Labels assigned" in told.out


def test_the_page_is_whole_or_as_it_was(run, monkeypatch):
    before = (run / "report.html").read_bytes()

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", killed)
    with pytest.raises(KeyboardInterrupt):
        report_page.write_page(run)
    assert (run / "report.html").read_bytes() == before
    assert not [*run.glob(".*part*")]


def test_a_folder_in_its_place_is_named(run, tmp_path, refusal):
    other = shutil.copytree(run, tmp_path / "run")
    (other / "report.html").unlink()
    (other / "report.html").mkdir()
    line = refusal(["report", str(other)])
    assert line.endswith("report.html: is a folder; remove it")


def test_the_users_settings_of_matplotlib_change_no_page(run):
    before = report_page.page_of(run)
    with mpl.rc_context({"lines.linewidth": 9, "text.usetex": True}):
        report_page.write_page(run)
    after = (run / "report.html").read_text("utf-8")
    assert after.count("stroke-width: 9") == before.count("stroke-width: 9")


def test_a_model_of_another_run_is_left_out(run, tmp_path):
    other = shutil.copytree(run, tmp_path / "run")
    folder = make_tables(tmp_path / "tables")
    for name in ("train.csv", "val.csv"):
        table = pd.read_csv(folder / name)
        table["y"] = "of " + table["y"].astype(str)
        table.to_csv(folder / name, index=False)
    main(words(folder, tmp_path / "other", "--budget=10", "--no-report"))
    shutil.copy(tmp_path / "other" / "model.skops", other / "model.skops")
    assert "Calibration" in Parsed(report_page.page_of(other)).text


@pytest.mark.parametrize("content", [None, b"", b"no database"])
def test_what_is_no_run_is_refused(tmp_path, refusal, content):
    if content is not None:
        (tmp_path / "ledger.sqlite").write_bytes(content)
    assert str(tmp_path) in refusal(["report", str(tmp_path)])
    assert not (tmp_path / "report.html").exists()


def test_an_edited_ledger_is_refused(folder, tmp_path, refusal):
    main(words(folder, tmp_path / "run", "--budget=10", "--no-report"))
    with sqlite3.connect(tmp_path / "run" / "ledger.sqlite") as connection:
        connection.execute("UPDATE labels SET id = 'other' WHERE position = 0")
    assert "not as it was written" in refusal(["report", str(tmp_path / "run")])


def test_probabilities_are_those_of_the_models(folder, run):
    record = ledger_of(run)
    held, own = judged_rows(run, record)
    table = pd.read_csv(folder / "val.csv")
    model = load(run)
    truth = np.searchsorted(model.classes_, table["y"])
    np.testing.assert_array_equal(own.truth, truth)
    expected = model.predict_proba(table)
    np.testing.assert_allclose(own.after, expected, atol=1e-6)
    guesses = np.searchsorted(model.classes_, model.predict(table))
    np.testing.assert_array_equal(own.confusion[1], confusion_matrix(truth, guesses))
    for judged, figure in ((held, "canary_loss"), (own, "validation_loss")):
        pair = (judged.before, record.entries[0]), (judged.after, record.best)
        for probability, entry in pair:
            loss = log_loss(judged.truth, probability)
            assert loss == pytest.approx(getattr(entry, figure), abs=1e-6)


def test_rows_come_with_their_own_columns(folder, run):
    record, pool = ledger_of(run), pd.read_csv(folder / "pool.csv")
    kinds = record.facts["report"]["checks"]["features"]
    found = own_rows(record.facts, kinds, record.labels.rows)
    for at, row in enumerate(record.labels.rows):
        expected = pool.iloc[row]
        assert dict(found.of(at)) == {
            "size": str(expected["size"]),
            "color": expected["color"],
        }
        new = "color = never seen, which no training row has"
        assert (new in found.unseen.get(at, [])) == (expected["color"] == "never seen")


@pytest.mark.parametrize("change", ["changed", "gone", "a pipe"])
def test_tables_that_are_not_as_they_were_are_left_out(tmp_path, change):
    folder = make_tables(tmp_path / "tables")
    main(words(folder, tmp_path / "run", "--budget=10"))
    for name in ("val.csv", "pool.csv"):
        if change != "changed":
            (folder / name).unlink()
            if change == "a pipe":  # which would be read for ever
                os.mkfifo(folder / name)
        else:
            with (folder / name).open("a") as file:
                file.write("extra,1,red,no\n" if name == "val.csv" else "extra,1,red\n")
    main(["report", str(tmp_path / "run")])
    text = Parsed((tmp_path / "run" / "report.html").read_text("utf-8")).text
    why = {
        "changed": "has changed since the run",
        "gone": "no longer there",
        "a pipe": "is a pipe or device",
    }[change]
    assert text.count(why) == 2
    assert "columns are left out" in text


def test_validation_rows_out_of_the_training_table(folder, tmp_path):
    train = folder / "train.csv"
    arguments = ["label", str(train), "--validation-fraction=0.4", "--target=y"]
    arguments += [f"--pool={folder / 'pool.csv'}", "--budget=10", "--seed=3", "--quiet"]
    main([*arguments, f"--out={tmp_path / 'run'}"])
    facts = ledger_of(tmp_path / "run").facts
    sources = Sources(
        *(train, None, folder / "pool.csv", "y", None), held_out=HeldOut(0.4, 3)
    )
    kept, _ = held_out(facts, unchanged_table(facts, "train"))
    np.testing.assert_array_equal(kept, read_tables(sources).train_rows)
    assert not isinstance(
        judged_rows(tmp_path / "run", ledger_of(tmp_path / "run")), str
    )


def test_hostile_labels_ids_columns_and_values(tmp_path):
    names = [name for name in HOSTILE if name.strip() and "\x00" not in name]
    folder = tmp_path
    rng = np.random.default_rng(0)
    for name, number in (("train", 60), ("val", 60), ("pool", 60)):
        x = rng.normal(size=number)
        frame = pd.DataFrame(
            {
                "key": [f"{name} {k} {names[k % len(names)]}" for k in range(number)],
                "size": x,
                names[0]: [names[k % len(names)] for k in range(number)],
                names[3]: x**2,
                "y": np.where(x > 0, names[1], names[2]),
            }
        )
        frame = frame.drop(columns="y") if name == "pool" else frame
        frame.to_parquet(folder / f"{name}.parquet")
    tables = ["label", str(folder / "train.parquet")]
    tables += [f"--validation={folder / 'val.parquet'}", "--target=y", "--id=key"]
    tables += [f"--pool={folder / 'pool.parquet'}", f"--out={folder / 'run'}"]
    main([*tables, "--budget=20", "--quiet", "--no-guard"])
    text = (folder / "run" / "report.html").read_text("utf-8")
    parsed = Parsed(text)
    assert parsed.open == []
    assert {"b", "img", "i"}.isdisjoint(tag for tag, _ in parsed.elements)
    assert text.count("<script") == 2
    assert names[1] in parsed.text.replace(" ", "") or names[1] in unescape(text)


def test_relabeling_shows_the_labels_before(folder, tmp_path):
    out = tmp_path / "run"
    main(words(folder, out, "--budget=10", "--no-guard", command="relabel"))
    text = Parsed((out / "report.html").read_text("utf-8")).text
    switches = pd.read_parquet(out / "switches.parquet")
    assert len(switches)
    first = switches.sort_values("influence", ascending=False).iloc[0]
    assert f"id {first['id']} : {first['label']} (was {first['old_label']} )" in text


def test_a_comparison_has_a_page(folder, tmp_path):
    out = tmp_path / "advised"
    main(
        words(folder, out, "--budget=10", "--splits=2", "--repeats=1", command="advise")
    )
    parsed = Parsed((out / "report.html").read_text("utf-8"))
    outcome = json.loads((out / "run.json").read_text())["outcome"]
    assert parsed.open == []
    assert outcome["sentence"] in parsed.text
    options = (row for row in parsed.rows if len(row) == 6)
    shown = {row[0].removesuffix(" (advised)"): row[1] for row in options}
    assert all(
        f"{option['loss']:.4f}" in shown.values() for option in outcome["options"]
    )
    assert "salutary predict" in parsed.text


def test_no_report_of_a_comparison_needs_a_directory(folder, refusal):
    arguments = words(folder, "x", "--no-report", command="advise")
    arguments = [word for word in arguments if not word.startswith("--out")]
    assert "--no-report" in refusal(arguments)


@pytest.mark.parametrize("backend", ["nonsense", "qtagg"])
def test_the_backend_of_matplotlib_does_not_matter(backend, folder, tmp_path):
    out = tmp_path / "run"
    label = words(folder, out, "--budget=5", "--no-guard", "-q")
    for arguments in (label, ["report", str(out)]):
        found = subprocess.run(
            [sys.executable, "-m", "salutary", *arguments],
            env={**os.environ, "MPLBACKEND": backend},
            capture_output=True,
            text=True,
        )
        assert found.returncode == 0
        assert "backend" not in found.stderr
    assert (out / "report.html").is_file()


@pytest.mark.skipif(find_spec("peft") is None, reason="needs salutary[text]")
def test_a_fine_tuning_has_a_page(decoder, tmp_path):
    write_texts(tmp_path)
    main(finetune_arguments(tmp_path, decoder, "--quiet"))
    parsed = Parsed((tmp_path / "run" / "report.html").read_text("utf-8"))
    assert parsed.open == []
    assert "Calibration before and after, on held-out rows" in parsed.text
    assert parsed.text.count("number by class and by what the model guesses") == 2
    assert "Fine-tuning stops early by them" in parsed.text
    assert "logistic regressions on the first model's embeddings" in parsed.text
    labels = RunFrames.of_run(tmp_path / "run").labels
    shown = {row[1] for row in parsed.rows if len(row) == 11}
    assert shown >= {*labels["id"]}
