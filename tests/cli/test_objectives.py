"""``--objective``: what a run reports, against the objective worked out anew."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import log_loss

import salutary
from salutary.cli.main import main
from tests.words import once

pytestmark = pytest.mark.slow

KINDS = ["bird", "cat", "dog"]
COSTS = {
    **{("bird", "cat"): 1.0, ("bird", "dog"): 5, ("cat", "bird"): 2},
    **{("cat", "dog"): 0.5, ("dog", "bird"): 9, ("dog", "cat"): 1},
}


def rows(n_rows: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    kind = rng.choice(3, n_rows, p=[0.6, 0.3, 0.1])
    return pd.DataFrame(
        {
            "size": (2 * kind + rng.normal(size=n_rows)).round(3),
            "age": rng.normal(size=n_rows).round(3),
            "site": np.array([10, 9, 8])[rng.integers(3, size=n_rows)],
            "kind": np.array(KINDS)[kind],
        }
    )


@pytest.fixture
def tables() -> dict[str, pd.DataFrame]:
    train, validation, pool = rows(30, 0), rows(40, 1), rows(40, 2)
    train.loc[:2, "kind"] = KINDS
    train.loc[3:9, "kind"] = "bird"  # wrong, many of them
    return {
        "train": train,
        "validation": validation,
        "pool": pool.drop(columns="kind"),
    }


Run = Callable[..., Path]


@pytest.fixture
def run(tmp_path: Path, tables: dict[str, pd.DataFrame]) -> Run:
    """Write the tables, run a command on them; the run's directory."""

    def run(command: str, *further: str) -> Path:
        for name, frame in tables.items():
            frame.to_csv(tmp_path / f"{name}.csv", index=False)
        out = tmp_path / command
        pool = ["--pool", str(tmp_path / "pool.csv")] if command == "label" else []
        words = [
            *[command, str(tmp_path / "train.csv"), "--target", "kind"],
            *["--validation", str(tmp_path / "validation.csv"), *pool],
            *["--out", str(out), "--budget", "10", "--batch-size", "5", *further],
        ]
        main(once(words))
        return out

    return run


def report_of(run: Path) -> dict[str, Any]:
    return json.loads((run / "run.json").read_text())


def mean_loss(probability: np.ndarray, labels: pd.Series) -> float:
    return float(log_loss(labels, probability, labels=KINDS))


def class_mean(probability: np.ndarray, validation: pd.DataFrame) -> float:
    own = [validation["kind"].to_numpy() == kind for kind in KINDS]
    return float(
        np.mean([mean_loss(probability[o], validation["kind"][o]) for o in own])
    )


def worst_site(probability: np.ndarray, validation: pd.DataFrame) -> float:
    own = [(validation["site"] == site).to_numpy() for site in set(validation["site"])]
    losses = np.array([mean_loss(probability[o], validation["kind"][o]) for o in own])
    return float(0.1 * np.log(np.exp(losses / 0.1).mean()))


def mean_cost(probability: np.ndarray, validation: pd.DataFrame) -> float:
    total = 0.0
    for row, true in enumerate(validation["kind"]):
        for chance, other in zip(probability[row], KINDS, strict=True):
            total += chance * COSTS.get((true, other), 0.0)
    return total / len(validation)


VALUES = {
    "log_loss": lambda p, v: mean_loss(p, v["kind"]),
    "balanced": class_mean,
    "worst_group": worst_site,
    "cost": mean_cost,
}
Value = Callable[[np.ndarray, pd.DataFrame], float]
every_objective = pytest.mark.parametrize(
    ("objective", "value"), VALUES.items(), ids=VALUES.keys()
)


def further_of(objective: str, folder: Path) -> list[str]:
    if objective == "worst_group":
        return ["--objective", objective, "--group", "site"]
    if objective == "cost":
        lines = [(*pair, cost) for pair, cost in [*COSTS.items()][::-1]]
        table = pd.DataFrame(lines, columns=["label", "predicted", "cost"])
        table.to_csv(folder / "costs.csv", index=False)
        return ["--objective", objective, "--costs", str(folder / "costs.csv")]
    return ["--objective", objective]


@pytest.mark.parametrize("command", ["label", "relabel"])
@pytest.mark.parametrize(
    ("objective", "site"),
    [
        ("log_loss", "a feature"),
        ("balanced", "a feature"),
        ("worst_group", "a feature"),
        ("worst_group", "in VAL alone"),
        ("cost", "a feature"),
    ],
)
def test_the_validation_loss_is_the_objective_of_the_saved_model(
    objective: str,
    site: str,
    command: str,
    run: Run,
    tables: dict[str, pd.DataFrame],
    tmp_path: Path,
) -> None:
    value = VALUES[objective]
    if site == "in VAL alone":
        for name in ("train", "pool"):
            tables[name] = tables[name].drop(columns="site")
    path = run(command, *further_of(objective, tmp_path), "--no-guard")
    model, validation = salutary.load(path), tables["validation"]
    found = report_of(path)["outcome"]["validation_loss"]
    expected = value(model.predict_proba(validation), validation)
    assert found[1] == pytest.approx(expected, rel=1e-6)
    assert found[1] < found[0]
    in_model = "site" in tables["train"].columns
    steps = dict(model.steps)
    assert ("site" in steps["types"].kinds) == in_model


@every_objective
def test_guessing_and_the_start_are_judged_by_the_objective(
    objective: str,
    value: Value,
    run: Run,
    tables: dict[str, pd.DataFrame],
    tmp_path: Path,
) -> None:
    path = run(
        "label",
        *further_of(objective, tmp_path),
        "--min-influence-z",
        "1e9",
        "--C",
        "1",
    )
    outcome, validation = report_of(path)["outcome"], tables["validation"]
    assert outcome["labels"] == 0
    start = value(salutary.load(path).predict_proba(validation), validation)
    assert outcome["validation_loss"] == pytest.approx([start, start], rel=1e-9)
    # All parts of the guard have the start model, so theirs is the same.
    assert outcome["canary_loss"] == pytest.approx([start, start], rel=1e-9)
    share = tables["train"]["kind"].value_counts(normalize=True)[KINDS]
    guess = np.tile(share.to_numpy(), (40, 1))
    assert outcome["guessing_loss"] == pytest.approx(value(guess, validation))


def test_the_summary_says_what_its_losses_are(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("label", *further_of("cost", tmp_path), "--no-guard")
    assert "cost: losses below are its values" in capsys.readouterr().out
    run("relabel", "--no-guard")
    assert "losses below" not in capsys.readouterr().out


def test_costs_are_a_table_of_the_run(run: Run, tmp_path: Path) -> None:
    further = [*further_of("cost", tmp_path), "--no-guard"]
    path = run("label", *further)
    report = report_of(path)
    assert report["data"]["costs"]["file"] == str(tmp_path / "costs.csv")
    assert report["settings"]["objective"] == "cost"


def test_other_costs_and_groups_do_not_continue_a_run(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    further = [*further_of("cost", tmp_path), "--no-guard"]
    run("label", *further)
    costs = tmp_path / "costs.csv"
    costs.write_text(costs.read_text().replace("9.0", "90.0"))
    with pytest.raises(SystemExit) as exit:
        run("label", *further, "--resume")
    assert exit.value.code == 2
    assert f"{costs}: is not the costs table" in capsys.readouterr().err
    run("relabel", *further_of("worst_group", tmp_path), "--no-guard")
    words = ["--objective", "worst_group", "--group", "age", "--no-guard"]
    with pytest.raises(SystemExit) as exit:
        run("relabel", *words, "--resume")
    assert exit.value.code == 2
    assert "group = 'site', not 'age'" in capsys.readouterr().err


def test_labels_for_the_worst_group_are_others_than_for_the_mean(
    run: Run, tmp_path: Path
) -> None:
    worst = run("label", *further_of("worst_group", tmp_path), "--no-guard")
    labels = pd.read_parquet(worst / "labels.parquet")
    moved = worst.rename(tmp_path / "worst")
    mean = pd.read_parquet(run("label", "--no-guard") / "labels.parquet")
    assert moved.exists()
    assert not labels["id"].equals(mean["id"])


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_costs_come_in_every_kind_of_table(
    suffix: str, run: Run, tmp_path: Path
) -> None:
    further = [*further_of("cost", tmp_path), "--no-guard"]
    expected = report_of(run("label", *further))["outcome"]["validation_loss"]
    (tmp_path / "label").rename(tmp_path / "before")
    table = pd.read_csv(tmp_path / "costs.csv")
    other = tmp_path / f"costs.{suffix}"
    if suffix == "jsonl":
        table.to_json(other, orient="records", lines=True)
    else:
        table.to_parquet(other)
    path = run("label", "--objective", "cost", "--costs", str(other), "--no-guard")
    assert report_of(path)["outcome"]["validation_loss"] == expected
