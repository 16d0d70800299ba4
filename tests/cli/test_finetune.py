"""``salutary finetune``: a real model, real files, real kills."""

import json
import re
import shutil
import sqlite3
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.preprocessing import StandardScaler

import salutary
from salutary import LoraClassifier, SalutaryFineTuner, TransformerEmbedder
from salutary.cli.main import main
from salutary.cli.run_summary import finetune_summary
from salutary.deep.canary import part_validation
from salutary.displays.frames import RunFrames
from salutary.labeling.tuning import PENALTIES
from salutary.ledgers.run_ledger import Ledger
from salutary.ledgers.sealed import open_ledger
from salutary.names import FROZEN, FROZEN_POOL
from tests.ledgers.contents import ledger_of
from tests.words import once

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("peft") is None, reason="needs salutary[text]"),
]

SIZES = {"train": 24, "validation": 40, "pool": 60}
LIKELY = np.repeat([0.22, 0.03], 4)


def tables() -> dict[str, pd.DataFrame]:
    """Texts whose words tell the class, mostly; one of the pool's is empty."""
    rng = np.random.default_rng(0)
    found = {}
    for name, n in SIZES.items():
        kind = rng.integers(0, 2, n)
        words = [
            " ".join(rng.choice(list("abcdefgh"), 4, p=np.roll(LIKELY, 4 * k)))
            for k in kind
        ]
        frame = pd.DataFrame({"text": words, "kind": np.array(["x", "y"])[kind]})
        frame["size"] = np.arange(n)
        found[name] = frame
    found["pool"].loc[3, "text"] = "NA"
    found["pool"]["name"] = [f"row {row}" for row in range(SIZES["pool"])]
    found["pool"] = found["pool"].drop(columns=["size", "kind"])
    return found


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    write_tables(tmp_path)
    return tmp_path


def write_tables(folder: Path) -> None:
    for name, frame in tables().items():
        frame.to_csv(folder / f"{name}.csv", index=False)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("source")
    write_tables(folder)
    return folder


@pytest.fixture(scope="module")
def whole(source: Path, decoder: str) -> Path:
    """A guarded run that nothing disturbed."""
    main(arguments(source, decoder, out="whole"))
    return source / "whole"


@pytest.fixture(scope="module")
def unguarded(source: Path, decoder: str) -> Path:
    main(arguments(source, decoder, "--no-guard", out="unguarded"))
    return source / "unguarded"


@pytest.fixture(scope="module")
def longer(source: Path, decoder: str) -> Path:
    """An unguarded run whose budget was 20 from the start."""
    main(arguments(source, decoder, "--no-guard", "--budget", "20", out="longer"))
    return source / "longer"


@pytest.fixture
def finished(unguarded: Path, decoder: str, tmp_path: Path) -> list[str]:
    """The command of an unguarded run that is in ``tmp_path / "run"``, finished."""
    shutil.copytree(unguarded, tmp_path / "run")
    return arguments(unguarded.parent, decoder, "--no-guard", out=str(tmp_path / "run"))


def arguments(folder: Path, model: str, *more: str, out: str = "run") -> list[str]:
    words = [
        *["finetune", str(folder / "train.csv"), "--target", "kind"],
        *["--validation", str(folder / "validation.csv")],
        *["--pool", str(folder / "pool.csv"), "--out", str(folder / out)],
        *["--text-column", "text", "--model", model, "--pooling", "last"],
        *["--device", "cpu", "--learning-rate", "0.05", "--epochs", "4"],
        *["--id", "name", "--budget", "12", "--batch-size", "6", *more],
    ]
    return once(words)


def facts_of(run: Path) -> dict[str, Any]:
    """The facts of a run's ledger."""
    with open_ledger(Ledger, run / "ledger.sqlite") as ledger:
        return ledger.facts()


OUTPUTS = ("labels.parquet", "metrics.jsonl", "adapter/layer.safetensors")


def outputs(run: Path) -> list[Any]:
    """What a run leaves, but for the seconds it took."""
    found = [(run / name).read_bytes() for name in OUTPUTS if name != "metrics.jsonl"]
    for line in (run / "metrics.jsonl").read_text().splitlines():
        metrics = json.loads(line)
        metrics.pop("seconds")
        found.append(json.dumps(metrics).encode())
    return [*found, ledger_of(run)]


def test_it_keeps_how_validation_rows_were_judged_before_and_after(
    whole: Path, unguarded: Path
) -> None:
    held, seen = facts_of(whole)["judged"]
    assert [held["name"], seen["name"]] == ["held-out rows", "validation rows"]
    rows = tables()["validation"]
    best = facts_of(whole)["report"]["outcome"]
    folders = {"before": whole / "rounds" / "0", "after": whole / "adapter"}
    for name, folder in folders.items():
        model = LoraClassifier.load(folder, device="cpu")
        chance = model.predict_proba(rows["text"])
        found = np.array(held[name] + seen[name])
        # The held-out rows were drawn, so only the order of all is another.
        order, own = np.lexsort(chance.T), np.lexsort(found.T)
        np.testing.assert_allclose(found[own], chance[order], rtol=1e-4)
        place = ["before", "after"].index(name)
        for judged, loss in ((held, "canary_loss"), (seen, "validation_loss")):
            expected = log_loss(judged["truth"], judged[name], labels=[0, 1])
            assert best[loss][place] == pytest.approx(expected, rel=1e-5)
    (seen,) = facts_of(unguarded)["judged"]
    assert seen["truth"] == rows["kind"].map({"x": 0, "y": 1}).tolist()


def test_an_adapter_labels_and_metrics_come_of_it(
    texts: Path, decoder: str, capsys: pytest.CaptureFixture[str]
) -> None:
    main(arguments(texts, decoder, "--no-guard"))
    said = capsys.readouterr().out
    assert "Labels assigned: 12, by the rule 'tempered'; rounds: 2" in said
    run = texts / "run"
    labels = pq.read_table(run / "labels.parquet").to_pandas()
    assert list(labels) == [
        *["id", "label", "influence", "influence_se", "probability", "round", "rule"]
    ]
    assert labels["round"].tolist() == [1] * 6 + [2] * 6
    assert set(labels["label"]) <= {"x", "y"}
    assert labels["id"].is_unique
    assert labels["id"].str.startswith("row ").all()
    metrics = [
        json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()
    ]
    assert [entry["n_labeled"] for entry in metrics] == [24, 30, 36]
    assert {entry["verdict"] for entry in metrics} == {"kept"}
    # The adapter is the last round's, and is what the Python class makes of the rows.
    pool = tables()["pool"].set_index("name")
    train, validation = tables()["train"], tables()["validation"]
    X = [*train["text"], *pool.loc[labels["id"], "text"]]
    expected = LoraClassifier(
        decoder,
        pooling="last",
        device="cpu",
        learning_rate=0.05,
        epochs=4,
        random_state=0,
    ).fit(X, [*train["kind"], *labels["label"]])
    loaded = salutary.load(run)
    chance = loaded.predict_proba(validation)
    np.testing.assert_allclose(
        chance, expected.predict_proba(validation["text"]), atol=1e-6
    )
    loss = -np.log(chance[np.arange(40), (validation["kind"] == "y").astype(int)])
    assert metrics[-1]["validation_loss"] == pytest.approx(loss.mean(), rel=1e-5)
    accuracy = np.mean(loaded.predict(validation) == validation["kind"])
    assert metrics[-1]["validation_accuracy"] == pytest.approx(accuracy)
    report = json.loads((run / "run.json").read_text())
    assert report["settings"]["embedder"] == decoder
    assert report["outcome"]["labels_by_class"] == {
        label: int((labels["label"] == label).sum()) for label in ("x", "y")
    }
    with sqlite3.connect(run / "ledger.sqlite") as ledger:
        (n_rows,) = ledger.execute("SELECT count(*) FROM assigned").fetchone()
    ledger.close()
    assert n_rows == 12


def test_the_model_predicts_tables(texts: Path, finished: list[str]) -> None:
    out = texts / "predictions.csv"
    main(["predict", str(texts / "run"), str(texts / "pool.csv"), "--out", str(out)])
    found = pd.read_csv(out)
    assert list(found) == ["name", "prediction", "probability_x", "probability_y"]
    expected = salutary.load(texts / "run").predict(tables()["pool"])
    np.testing.assert_array_equal(found["prediction"], expected)


def test_the_guard_keeps_a_canary(whole: Path) -> None:
    report = json.loads((whole / "run.json").read_text())
    outcome = report["outcome"]
    assert (outcome["validation_rows"], outcome["canary_rows"]) == (28, 12)
    assert outcome["verdict"]["sentence"].startswith("Advice: ")
    names = [row["option"] for row in outcome["verdict"]["options"]]
    assert names[4:6] == [FROZEN, FROZEN_POOL]
    first = json.loads((whole / "metrics.jsonl").read_text().splitlines()[0])
    assert len(outcome["epochs"]) == 1 + outcome["rounds"]
    assert all(1 <= number <= 4 for number in outcome["epochs"])
    assert 0 <= first["canary_accuracy"] <= 1


def test_the_ledger_shows_what_there_is_of_a_deep_model(whole: Path) -> None:
    found = RunFrames.of_run(whole)
    metrics = pd.read_json(whole / "metrics.jsonl", lines=True)
    for name in ("validation", "canary"):
        for figure in ("loss", "accuracy"):
            column = f"{name}_{figure}"
            assert found.rounds[column].tolist() == pytest.approx(
                metrics[column].tolist()
            )
    labels, held = found.labels, found.influences
    assert len(labels)
    assert (labels["distance"] >= 0).all()
    assert labels["rank"].between(1, SIZES["pool"]).all()
    assert held.loc[held["round"] == 1, "n_rows"].sum() == SIZES["pool"]
    own = found.rounds.set_index("round").loc[found.variants["round"]]
    assert found.variants["variant"].tolist() == own["variant"].tolist()
    assert found.variants["canary_loss"].tolist() == own["canary_loss"].tolist()
    assert found.facts["features"] == {"text": "document"}


def test_what_needs_no_tuning_is_judged_by_the_canary_rows(
    whole: Path, unguarded: Path, decoder: str
) -> None:
    report = json.loads((whole / "run.json").read_text())
    found = report["outcome"]["baselines"]
    parts = tables()
    embedder = TransformerEmbedder(decoder, pooling="last", device="cpu")
    vectors = embedder.fit_transform(
        [
            text
            for name in ("pool", "train", "validation")
            for text in parts[name]["text"]
        ]
    )
    kind = (parts["validation"]["kind"] == "y").to_numpy().astype(int)
    own, canary = part_validation(np.arange(40), kind, True, np.random.RandomState(0))
    scaled = StandardScaler().fit_transform(vectors)
    train, validation = scaled[60:84], scaled[84:]
    X = np.vstack([train, validation[own]])
    y = np.concatenate([(parts["train"]["kind"] == "y").to_numpy(), kind[own]])
    losses = [
        log_loss(
            kind[canary],
            LogisticRegression(C=C, max_iter=10_000, tol=1e-8)
            .fit(X, y)
            .predict_proba(validation[canary]),
        )
        for C in PENALTIES
    ]
    assert np.isclose(losses, found[FROZEN]["log_loss"], rtol=1e-3).any()
    said = "\n".join(finetune_summary(report, whole))
    assert f"{found[FROZEN]['log_loss']:.4f} on the same rows" in said
    assert f"{found[FROZEN_POOL]['log_loss']:.4f} with the whole pool" in said
    without = json.loads((unguarded / "run.json").read_text())
    assert without["outcome"]["baselines"] == {}
    assert "without tuning" not in "\n".join(finetune_summary(without, unguarded))


class OneSeed(np.random.RandomState):
    """Draws one number as every seed, as the command does."""

    def randint(self, *_: Any, **__: Any) -> int:
        return 0


def test_the_python_class_reaches_the_same_verdict(whole: Path, decoder: str) -> None:
    parts = tables()
    trainer = LoraClassifier(
        decoder, pooling="last", device="cpu", learning_rate=0.05, epochs=4
    )
    found = SalutaryFineTuner(
        trainer, budget=12, batch_size=6, random_state=OneSeed(0)
    ).fit(
        [*parts["train"]["text"], *parts["pool"]["text"]],
        [*parts["train"]["kind"], *[None] * len(parts["pool"])],
        [*parts["validation"]["text"]],
        [*parts["validation"]["kind"]],
    )
    said = json.loads((whole / "run.json").read_text())["outcome"]["verdict"]
    assert found.verdict_ is not None
    assert found.verdict_.sentence == said["sentence"]
    expected = pd.DataFrame(said["options"])
    pd.testing.assert_frame_equal(
        found.verdict_.table, expected, rtol=1e-3, atol=1e-5, check_dtype=False
    )


def test_an_ending_by_the_surrogates_guard_is_called_so(whole: Path) -> None:
    report = json.loads((whole / "run.json").read_text())
    report["outcome"] |= {"termination": "guard", "refused_rounds": 0}
    first, *_ = finetune_summary(report, whole)
    assert first.endswith(
        "; the guard of the logistic regression let no further label through"
    )
    report["outcome"]["refused_rounds"] = 2
    first, *_ = finetune_summary(report, whole)
    assert first.endswith("; the guard undid the last 2 rounds")


def test_a_larger_budget_goes_on_to_the_same_end(
    finished: list[str], longer: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    before = (run / "run.json").read_bytes()
    main([*finished, "--resume"])
    assert (run / "run.json").read_bytes() == before
    # The first run's last round was cut short.
    main(once([*finished, "--resume", "--budget", "15"]))
    main(once([*finished, "--resume", "--budget", "20"]))
    assert outputs(run) == outputs(longer)


def test_a_directory_alone_goes_on_to_the_same_end_and_can_be_judged(
    finished: list[str],
    source: Path,
    longer: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir("/")
    run = tmp_path / "run"
    main(["resume", str(run), "--budget", "20", "-q"])
    assert outputs(run) == outputs(longer)
    capsys.readouterr()
    main(["evaluate", str(run), str(source / "validation.csv"), "--json", "-q"])
    found = json.loads(capsys.readouterr().out)
    last = json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])
    assert found["model"]["log_loss"] == pytest.approx(
        last["validation_loss"], rel=1e-5
    )
    share = tables()["train"]["kind"].value_counts(normalize=True)
    truth = tables()["validation"]["kind"]
    guessed = -np.log(share[truth]).mean()
    assert found["guessing"]["log_loss"] == pytest.approx(guessed)


def test_a_part_of_the_training_texts_validates(texts: Path, decoder: str) -> None:
    words = arguments(texts, decoder, "--no-guard", "--budget", "6")
    place = words.index("--validation")
    words[place : place + 2] = ["--validation-fraction", "0.5"]
    main(once([*words, "--epochs", "1"]))
    report = json.loads((texts / "run" / "run.json").read_text())
    rows = {name: table["rows"] for name, table in report["data"].items()}
    assert rows == {"train": 12, "validation": 12, "pool": 60}
    assert report["outcome"]["validation_rows"] == 12


def test_the_final_model_may_see_the_validation_table(
    texts: Path, decoder: str, capsys: pytest.CaptureFixture[str]
) -> None:
    main(arguments(texts, decoder, "--no-guard", "--refit-on-validation"))
    printed = " ".join(capsys.readouterr().out.split())
    assert "The adapter was fine-tuned on the validation table too" in printed
    assert re.search(
        r"It was trained for \d epochs?(, and its logits are divided by \d+\.\d\d, as "
        r"it was too certain)?\. Cross-validation of all labeled rows gives that "
        r"a log loss of 0\.\d{4}, and \d epochs? 0\.\d{4}",
        printed,
    )
    labels = pq.read_table(texts / "run" / "labels.parquet").to_pandas()
    given = tables()
    pool = given["pool"].set_index("name")
    X = [
        *given["train"]["text"],
        *given["validation"]["text"],
        *pool.loc[labels["id"], "text"],
    ]
    y = [*given["train"]["kind"], *given["validation"]["kind"], *labels["label"]]
    refit = json.loads((texts / "run" / "run.json").read_text())["outcome"]["refit"]
    assert refit["labels"] == len(labels)
    assert {refit["epochs"], *(way["epochs"] for way in refit["others"])} >= {4, 2}
    expected = LoraClassifier(
        decoder,
        pooling="last",
        device="cpu",
        learning_rate=0.05,
        epochs=refit["epochs"],
        random_state=0,
    ).fit(X, y)
    expected.set_temperature(refit["temperature"])
    np.testing.assert_allclose(
        salutary.load(texts / "run").predict_proba(given["pool"]),
        expected.predict_proba(given["pool"]["text"]),
        atol=1e-6,
    )


KILLED = """
import os, signal
from salutary.cli.main import main
from salutary.displays.frames import RunFrames
from salutary.deep.language_model import LanguageModel
from salutary.deep.lora_classifier import LoraClassifier

def run(where, number, words):
    home = LanguageModel if where == "encode" else LoraClassifier
    own, calls = getattr(home, where), []

    def dying(self, *arguments, **named):
        calls.append(1)
        found = own(self, *arguments, **named) if where == "save" else None
        if len(calls) == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return own(self, *arguments, **named) if where != "save" else found

    setattr(home, where, dying)
    main(words)
"""


@pytest.mark.parametrize(
    ("where", "number"),
    [("fit", 1), ("save", 1), ("encode", 3), ("save", 2), ("encode", 7)],
)
def test_a_kill_at_any_moment_resumes_to_the_same(
    texts: Path,
    decoder: str,
    where: str,
    number: int,
    whole: Path,
    killed: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from salutary.deep.language_model import LanguageModel

    words = [*arguments(texts, decoder), "--resume"]
    killed(f"{KILLED}\nrun({where!r}, {number}, {words!r})")
    asked: list[tuple[bytes, Any]] = []
    encode = LanguageModel.encode

    def counted(self: Any, batch: Any) -> Any:
        asked.extend((self.fingerprint, text) for text in batch)
        return encode(self, batch)

    monkeypatch.setattr(LanguageModel, "encode", counted)
    main(words)
    assert len(asked) == len(set(asked))
    assert outputs(texts / "run") == outputs(whole)


def test_a_kill_in_the_final_refit_resumes_to_the_same(
    texts: Path, decoder: str, killed: Callable[[str], None]
) -> None:
    words = arguments(texts, decoder, "--no-guard", "--refit-on-validation")
    main(words)
    expected = outputs(texts / "run")
    fits = [*(texts / "run" / "rounds").iterdir()]
    shutil.rmtree(texts / "run")
    # Three rounds come first, then parts of all rows and the model of all.
    for number in (len(fits) - 4, 2):
        killed(f"{KILLED}\nrun('fit', {number}, {[*words, '--resume']!r})")
    main([*words, "--resume"])
    assert outputs(texts / "run") == expected


def test_a_round_of_other_settings_is_made_again(
    texts: Path, decoder: str, whole: Path, killed: Callable[[str], None]
) -> None:
    words = [*arguments(texts, decoder), "--resume"]
    other = once([*words, "--rank", "2", "--epochs", "1", "--seed", "5"])
    killed(f"{KILLED}\nrun('encode', 3, {other!r})")
    assert (texts / "run" / "rounds" / "0").is_dir()
    main(words)
    assert outputs(texts / "run") == outputs(whole)


def test_a_file_of_the_adapter_that_was_lost_is_written_again(
    texts: Path, finished: list[str]
) -> None:
    before = outputs(texts / "run")
    adapter = texts / "run" / "adapter"
    for name in ("adapter_config.json", "columns.json"):
        content = (adapter / name).read_bytes()
        (adapter / name).unlink()
        main([*finished, "--resume"])
        assert (adapter / name).read_bytes() == content
    assert outputs(texts / "run") == before


@pytest.mark.parametrize("damage", ["torn", "lost", "all lost"])
def test_a_damaged_round_is_made_again(
    texts: Path, finished: list[str], longer: Path, damage: str
) -> None:
    path = texts / "run" / "rounds" / "1" / "layer.safetensors"
    if damage == "torn":
        path.write_bytes(path.read_bytes()[:50])
    elif damage == "lost":
        path.unlink()
    else:
        shutil.rmtree(path.parents[1])
    main(once([*finished, "--resume", "--budget", "20"]))
    assert outputs(texts / "run") == outputs(longer)


def test_a_lost_part_of_the_adapter_is_written_anew(
    texts: Path, finished: list[str]
) -> None:
    before = outputs(texts / "run")
    (texts / "run" / "adapter" / "layer.safetensors").unlink()
    main([*finished, "--resume"])
    assert outputs(texts / "run") == before
    modes = {path.stat().st_mode for path in (texts / "run" / "adapter").iterdir()}
    assert len(modes) == 1


def test_the_same_model_may_lie_elsewhere(
    texts: Path, decoder: str, finished: list[str], tmp_path: Path
) -> None:
    shutil.copytree(decoder, tmp_path / "moved")
    moved = ["--model", str(tmp_path / "moved")]
    main(once([*finished, *moved, "--resume", "--budget", "15"]))
    salutary.load(texts / "run")


def test_what_was_fine_tuned_is_not_fine_tuned_again(
    finished: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fit, fits = LoraClassifier.fit, []

    def counted(self: Any, X: Any, *more: Any) -> Any:
        fits.append(len(X))
        return fit(self, X, *more)

    monkeypatch.setattr(LoraClassifier, "fit", counted)
    main(once([*finished, "--resume", "--budget", "18"]))
    assert fits == [24 + 18]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["--text-column", "words"], "train.csv: has no text column 'words'"),
        (
            ["--model", "/nowhere/at/all"],
            "/nowhere/at/all: there is no such folder, and the Hug",
        ),
        (["--target", "text"], "--text-column 'text': is the target; pass another"),
        (["--rank", "0"], "--rank 0: must be at least 1"),
        (["--epochs", "0"], "--epochs 0: must be at least 1"),
        (["--max-length", "0"], "--max-length 0: must be at least 1"),
        (["--learning-rate", "nan"], "--learning-rate nan: must be above 0"),
        (["--budget", "0"], "--budget 0: must be at least 1"),
        (["--text-pair", "text"], "--text-pair text: is --text-column too"),
        (["--text-pair", "other"], "train.csv: has no text column 'other'"),
        (["--device", "nowhere"], "device 'nowhere' cannot be used"),
        (["--learning-rate", "3"], "--learning-rate 3.0: must be above 0 and at most"),
        (["--rank", "9"], "rank must be at most 8, the model's hidden size, got 9"),
        (["--device", "meta"], "device 'meta' cannot be used"),
    ],
)
def test_what_cannot_be_used_is_refused(
    texts: Path,
    decoder: str,
    change: list[str],
    message: str,
    refusal: Callable[[list[str]], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    line = refusal(arguments(texts, decoder, *change))
    assert message in line
    assert not (texts / "run").exists()


def test_one_class_and_missing_texts_are_refused(
    texts: Path, decoder: str, refusal: Callable[[list[str]], str]
) -> None:
    train = tables()["train"].assign(kind="x")
    train.to_csv(texts / "train.csv", index=False)
    assert "has one class only, 'x'" in refusal(arguments(texts, decoder))
    frame = tables()["pool"]
    frame.loc[7, "text"] = None
    frame.to_parquet(texts / "pool.parquet")
    tables()["train"].to_csv(texts / "train.csv", index=False)
    words = arguments(texts, decoder, "--pool", str(texts / "pool.parquet"))
    assert "column 'text', row 7: the text is missing" in refusal(words)
    assert not (texts / "run").exists()


def test_other_settings_and_other_runs_are_not_continued(
    decoder: str, finished: list[str], refusal: Callable[[list[str]], str]
) -> None:
    assert "holds a run already; pass --resume" in refusal(finished)
    line = refusal([*finished, "--resume", "--rank", "4"])
    assert "was started with rank = 8, not 4" in line
    of_label = [
        *["label", *finished[1:10], "--id", "name", "--resume"],
        *["--text-column", "text", "--embedder", decoder],
    ]
    assert "holds a run of 'salutary finetune'" in refusal(of_label)


def test_a_hostile_adapter_is_refused(
    texts: Path, finished: list[str], refusal: Callable[[list[str]], str]
) -> None:
    folder = texts / "run" / "adapter"
    words = ["predict", str(texts / "run"), str(texts / "pool.csv")]
    words += ["--out", str(texts / "predictions.csv")]
    config = json.loads((folder / "adapter_config.json").read_text())
    config["peft_type"] = "odd"
    (folder / "adapter_config.json").write_text(json.dumps(config))
    main(words)  # it is not looked at
    line = refusal([words[0], str(folder), *words[2:]])
    assert "adapter: is a part of a run; pass the folder it is in" in line
    (folder / "columns.json").write_text("[]")
    assert "columns.json: is damaged" in refusal(words)
    (folder / "columns.json").write_text('{"columns": ["text"]}')
    (folder / "adapter_model.safetensors").write_bytes(b"\x80\x04.")
    assert "adapter: is damaged" in refusal(words)
    shutil.rmtree(folder)
    assert "holds no model.skops" in refusal(words)


def limited(decoder: str, folder: Path) -> str:
    """A copy of a model that sentence-transformers would give two tokens."""
    copy = Path(shutil.copytree(decoder, folder / "limited"))
    (copy / "sentence_bert_config.json").write_text('{"max_seq_length": 2}')
    return str(copy)


@pytest.mark.filterwarnings("ignore:.*more than 2 tokens")
def test_a_run_of_before_goes_on_with_its_length(
    texts: Path, decoder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = limited(decoder, texts)
    words = arguments(texts, model, "--no-guard")
    of_now = arguments(texts, model, "--no-guard", "--budget", "18", out="now")
    with monkeypatch.context() as before:
        before.setattr("salutary.deep.loading.sentence_length", lambda *_: None)
        main(words)
        whole = arguments(texts, model, "--no-guard", out="whole")
        main(once([*whole, "--budget", "18"]))
    main(once([*words, "--resume", "--budget", "18"]))
    assert outputs(texts / "run") == outputs(texts / "whole")
    main(of_now)
    assert outputs(texts / "run") != outputs(texts / "now")
    found = salutary.load(texts / "run").predict_proba(tables()["pool"])
    expected = salutary.load(texts / "whole").predict_proba(tables()["pool"])
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("place", ["rounds", "rounds/0"])
def test_a_file_where_models_are_kept_is_refused(
    texts: Path, decoder: str, place: str, refusal: Callable[[list[str]], str]
) -> None:
    path = texts / "run" / place
    path.parent.mkdir(parents=True)
    path.write_text("mine")
    line = refusal(arguments(texts, decoder))
    assert f"{path}: is not a folder, which a run keeps its models in; remove" in line
    assert path.read_text() == "mine"


def test_a_length_beyond_the_models_is_refused_with_nothing_written(
    texts: Path, decoder: str, refusal: Callable[[list[str]], str]
) -> None:
    line = refusal(arguments(texts, decoder, "--max-length", "40"))
    assert "max_length must be at most 16, the number of tokens that" in line
    assert not (texts / "run").exists()


def test_a_damaged_part_of_the_adapter_is_written_anew(
    texts: Path, decoder: str
) -> None:
    words = arguments(texts, decoder, "--no-guard")
    main(words)
    before = outputs(texts / "run")
    path = texts / "run" / "adapter" / "layer.safetensors"
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    main([*words, "--resume"])
    assert outputs(texts / "run") == before


def test_a_fine_tuning_that_is_refused_leaves_nothing(
    texts: Path, decoder: str, refusal: Callable[[list[str]], str]
) -> None:
    hostile = ["--learning-rate", "1", "--epochs", "60"]
    from salutary.deep import training

    def diverged(*_: Any) -> float:
        return float("nan")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "_rate_factor", diverged)
        line = refusal(arguments(texts, decoder, *hostile))
    assert "training diverged" in line
    assert not (texts / "run").exists()


@pytest.mark.filterwarnings("default")
def test_texts_that_are_cut_are_told_of_once_by_table(
    texts: Path, decoder: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("train", "validation"):
        frame = pd.read_csv(texts / f"{name}.csv", keep_default_na=False)
        frame.loc[[1, 2], "text"] = "a b c d e f g h a b c d e f g h a b"
        frame.to_csv(texts / f"{name}.csv", index=False)
    main(arguments(texts, decoder, "--no-guard", "--budget", "1", "--epochs", "1"))
    train, validation = texts / "train.csv", texts / "validation.csv"
    lines = capsys.readouterr().err.splitlines()
    assert [line for line in lines if " tokens; " in line] == [
        f"warning: {train}: 2 of 24 texts, {validation}: 2 of 40 texts have more than "
        "16 tokens; the rest of each is ignored"
    ]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_model_whose_weights_are_not_finite_is_refused_with_nothing_written(
    value: float, texts: Path, decoder: str, refusal: Callable[[list[str]], str]
) -> None:
    from safetensors.torch import load_file, save_file

    model = shutil.copytree(decoder, texts / "model")
    weights = load_file(model / "model.safetensors")
    name = sorted(weights)[3]
    weights[name].view(-1)[1] = value
    save_file(weights, model / "model.safetensors", metadata={"format": "pt"})
    line = refusal(arguments(texts, str(model)))
    assert f"{model}: has a weight that is NaN or infinite, in '{name}'; rest" in line
    assert not (texts / "run").exists()


def test_a_label_is_explained_by_the_surrogate_that_gave_it(
    unguarded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with sqlite3.connect(unguarded / "ledger.sqlite") as connection:
        noted = connection.execute(
            "SELECT id, influence, labels.influence_se FROM labels "
            "JOIN class_scores USING (position, class) ORDER BY position"
        ).fetchall()
    for name, influence, error in (noted[0], noted[-1]):
        capsys.readouterr()
        main(["explain", str(unguarded), "--id", name, "--json", "-q"])
        found = json.loads(capsys.readouterr().out)
        own = next(each for each in found["classes"] if each["label"] == found["label"])
        assert own["influence"] == pytest.approx(influence, rel=1e-3, abs=1e-7)
        assert own["influence_se"] == pytest.approx(error, rel=1e-3)
        assert [each["feature"] for each in found["features"]] == ["text"]
        effects = sum(each["effect"] for each in found["validation"])
        assert effects == pytest.approx(own["influence"], rel=1e-6)
    shutil.copytree(unguarded, tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "rounds" / "0")
    with pytest.raises(SystemExit):
        main(["explain", str(tmp_path / "run"), "--id", noted[0][0]])
    assert "rounds/0: is gone, or not the model" in capsys.readouterr().err
