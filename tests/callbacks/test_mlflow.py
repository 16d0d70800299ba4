"""Runs logged to a real MLflow store in SQLite, and read back from there."""

import json
import os
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import salutary
from salutary import MLflowCallback, SalutaryClassifier, advise, relabel
from salutary.cli import callbacks
from salutary.cli.main import main

pytest.importorskip("mlflow", reason="needs salutary[mlflow]")
pytest.importorskip("alembic", reason="needs salutary[mlflow]")

pytestmark = [
    pytest.mark.slow,  # MLflow takes seconds to make its tables
    pytest.mark.filterwarnings("ignore::DeprecationWarning:(mlflow|sqlalchemy)"),
]

# Read when it is first imported; MLflow reports to its makers otherwise.
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"


@pytest.fixture(scope="module")
def _database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    import mlflow

    folder = tmp_path_factory.mktemp("store")
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(f"sqlite:///{folder / 'mlflow.db'}")
    yield mlflow, folder
    mlflow.set_tracking_uri(before)


@pytest.fixture
def store(_database: Any, request: pytest.FixtureRequest) -> Any:
    """MLflow, with a store and an experiment for each test."""
    mlflow, folder = _database
    name = request.node.name
    place = (folder / name).as_uri()
    mlflow.set_experiment(experiment_id=mlflow.create_experiment(name, place))
    return mlflow


@pytest.fixture(autouse=True)
def _is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The plug-in is found though the environment may be older than it."""
    from importlib.metadata import EntryPoint

    group = callbacks.PLUGINS
    plugin = EntryPoint("mlflow", "salutary.callbacks.mlflow:MLflowCallback", group)
    monkeypatch.setattr(callbacks, "entry_points", lambda group: (plugin,))


def only_run(mlflow: Any) -> Any:
    """The one run of the experiment."""
    (run,) = mlflow.search_runs(output_format="list")
    return run


def metric(mlflow: Any, run: Any, name: str) -> list[tuple[int, float]]:
    """Values of a metric by their steps, each as often as it was logged."""
    history = mlflow.MlflowClient().get_metric_history(run.info.run_id, name)
    return sorted((each.step, each.value) for each in history)


def model_of(mlflow: Any, run: Any) -> tuple[Any, Any]:
    """The model that a run has logged, and what MLflow knows of it."""
    (output,) = run.outputs.model_outputs
    address = f"models:/{output.model_id}"
    info = mlflow.models.get_model_info(address)
    return mlflow.sklearn.load_model(address), info


def artifacts(mlflow: Any, run: Any, folder: Path) -> Path:
    """A folder with the artifacts of a run."""
    return Path(
        mlflow.artifacts.download_artifacts(run_id=run.info.run_id, dst_path=folder)
    )


@pytest.fixture(scope="module")
def iris() -> tuple[pd.DataFrame, Any, Any]:
    X, y = load_iris(return_X_y=True, as_frame=True)
    y = y.to_numpy()
    return X, y, np.where(np.arange(150) % 3 == 0, y, -1)


def test_it_is_copied_and_pickled_with_its_estimator() -> None:
    model = SalutaryClassifier(callbacks=[MLflowCallback(log_model=False)])
    for copied in (clone(model), pickle.loads(pickle.dumps(model))):
        assert not copied.callbacks[0].log_model


def test_a_run_in_python_is_logged(store: Any, iris: Any, tmp_path: Path) -> None:
    X, _, marked = iris
    model = SalutaryClassifier(
        make_pipeline(StandardScaler(), LogisticRegression(C=0.1)),
        budget=20,
        guard=False,
        random_state=0,
        callbacks=[MLflowCallback()],
    ).fit(X, marked)
    run = only_run(store)
    assert run.info.status == "FINISHED"
    assert (run.data.params["budget"], run.data.params["rule"]) == ("20", "tempered")
    assert "callbacks" not in run.data.params
    for name in ("validation_loss", "n_labeled", "largest_influence"):
        expected = [
            (each["round"], each[name])
            for each in model.history_
            if np.isfinite(each[name])
        ]
        assert metric(store, run, name) == expected
    assert run.data.tags["salutary.termination"] == "budget"
    labels = pd.read_csv(artifacts(store, run, tmp_path) / "labels.csv")
    np.testing.assert_array_equal(model.transduction_[labels["row"]], labels["label"])
    np.testing.assert_array_equal(
        sorted(labels["row"]), np.flatnonzero(model.labeled_iter_ > 0)
    )
    loaded, info = model_of(store, run)
    np.testing.assert_array_equal(
        loaded.predict_proba(X), model.estimator_.predict_proba(X)
    )
    assert info.signature.inputs.input_names() == list(X.columns)
    assert info.flavors["sklearn"]["serialization_format"] == "skops"


def test_relabeling_is_logged_into_the_run_that_is_active(
    store: Any, iris: Any
) -> None:
    X, y, _ = iris
    noisy = y[::2].copy()
    noisy[::5] = (noisy[::5] + 1) % 3
    with store.start_run() as active:
        relabel(X[::2], noisy, X[1::2], y[1::2], callbacks=[MLflowCallback()])
        assert store.active_run().info.run_id == active.info.run_id
    run = only_run(store)
    assert run.info.run_id == active.info.run_id
    assert run.data.tags["salutary.kind"] == "relabel"
    assert metric(store, run, "n_labeled")


def test_a_run_that_is_killed_and_resumed_is_one_run_of_mlflow(
    store: Any,
    arguments: list[str],
    folder: Path,
    killed: Callable[[str], None],
    frames: dict[str, pd.DataFrame],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    code = f"""
import os, signal
from importlib.metadata import EntryPoint
import mlflow
from salutary.callbacks.mlflow import MLflowCallback
from salutary.cli import callbacks
from salutary.cli.main import main
plugin = EntryPoint("mlflow", "salutary.callbacks.mlflow:MLflowCallback", "")
callbacks.entry_points = lambda group: (plugin,)
mlflow.set_tracking_uri({store.get_tracking_uri()!r})
mlflow.set_experiment(
    experiment_id={store.tracking.fluent._get_experiment_id()!r}
)
told = MLflowCallback.on_round_end
def dying(self, end):
    if end.figures["round"] == 2:  # its ledger has the round, and MLflow has not
        os.kill(os.getpid(), signal.SIGKILL)
    told(self, end)
MLflowCallback.on_round_end = dying
main({[*arguments, "--callback", "mlflow"]!r})
"""
    killed(code)
    run = only_run(store)
    assert run.info.status == "RUNNING"
    assert [step for step, _ in metric(store, run, "n_labeled")] == [0, 1]
    main(["resume", str(folder / "run"), "--json"])
    json.loads(capsys.readouterr().out)  # MLflow has printed nothing between
    run = only_run(store)
    assert run.info.status == "FINISHED"
    lines = (folder / "run" / "metrics.jsonl").read_text().splitlines()
    rounds = [json.loads(line) for line in lines]
    for name in ("n_labeled", "validation_loss", "canary_loss"):
        expected = [(each["round"], each[name]) for each in rounds]
        assert metric(store, run, name) == expected
    found = artifacts(store, run, tmp_path / "found")
    for name in ("labels.parquet", "run.json", "metrics.jsonl", "config.toml"):
        assert (found / name).read_bytes() == (folder / "run" / name).read_bytes()
    loaded, info = model_of(store, run)
    own = salutary.load(folder / "run")
    pool = frames["pool"]
    np.testing.assert_array_equal(loaded.predict_proba(pool), own.predict_proba(pool))
    assert info.signature.inputs.input_names() == list(own.feature_names_in_)
    address = f"models:/{run.outputs.model_outputs[0].model_id}"
    served = store.pyfunc.load_model(address).predict(pool[own.feature_names_in_])
    np.testing.assert_array_equal(served, own.predict(pool))


def test_a_finished_run_is_logged_afterwards_and_a_raised_budget_too(
    store: Any, run_dir: Path
) -> None:
    before = (run_dir / "run.json").read_bytes()
    main(["resume", str(run_dir), "--callback", "mlflow", "-q"])
    assert (run_dir / "run.json").read_bytes() == before
    run = only_run(store)
    assert [step for step, _ in metric(store, run, "n_labeled")] == [0, 1, 2, 3]
    main(["resume", str(run_dir), "--callback", "mlflow", "--budget", "20", "-q"])
    run = only_run(store)
    assert [step for step, _ in metric(store, run, "n_labeled")] == [0, 1, 2, 3, 4]
    assert run.data.params["budget"] == "15"  # MLflow changes no parameter
    assert run.data.tags["salutary.budget"] == "20"
    n_labels = len(pq.read_table(run_dir / "labels.parquet"))
    assert run.data.tags["salutary.labels"] == str(n_labels)


def test_a_comparison_is_logged_fold_by_fold(
    store: Any, folder: Path, frames: dict[str, pd.DataFrame], tmp_path: Path
) -> None:
    words = [
        *["advise", str(folder / "train.csv"), "--target", "kind", "-q"],
        *["--validation", str(folder / "validation.csv"), "--callback", "mlflow"],
        *["--splits", "2", "--repeats", "1", "--out", str(folder / "advised")],
    ]
    main(words)
    run = only_run(store)
    assert run.info.status == "FINISHED"
    assert (run.data.params["splits"], run.data.params["repeats"]) == ("2", "1")
    out = folder / "advised"
    lines = map(json.loads, (out / "metrics.jsonl").read_text().splitlines())
    folds = {line["fold"]: line["options"] for line in lines}
    assert [*folds] == [1, 2]
    for option, name in (
        ("train only", "train only"),
        ("train + weighted validation", "train and weighted validation"),
    ):
        for what in ("loss", "C", "labels"):
            expected = [(fold, found[option][what]) for fold, found in folds.items()]
            assert metric(store, run, f"{what}/{name}") == expected
    outcome = json.loads((out / "run.json").read_text())["outcome"]
    assert run.data.tags["salutary.advice"] == outcome["sentence"]
    assert run.data.tags["salutary.option"] == outcome["option"]
    found = artifacts(store, run, tmp_path / "found")
    for name in ("run.json", "metrics.jsonl", "config.toml"):
        assert (found / name).read_bytes() == (out / name).read_bytes()
    loaded, _ = model_of(store, run)
    own, pool = salutary.load(out), frames["pool"]
    np.testing.assert_array_equal(loaded.predict_proba(pool), own.predict_proba(pool))
    # A finished one is told of whole, and MLflow has its folds already.
    main([*words, "--resume"])
    assert [step for step, _ in metric(store, only_run(store), "C/train only")] == [
        *(1, 2)
    ]


def test_a_comparison_in_python_is_logged(store: Any, iris: Any) -> None:
    X, y, _ = iris
    found = advise(
        *(X[::9], y[::9], X[1::3], y[1::3]),
        **{"splits": 2, "repeats": 1, "random_state": 0},
        callbacks=[MLflowCallback()],
        estimator=make_pipeline(StandardScaler(), LogisticRegression()),
    )
    run = only_run(store)
    assert run.data.tags["salutary.kind"] == "advise"
    assert [step for step, _ in metric(store, run, "loss/train and validation")] == [
        *(1, 2)
    ]
    loaded, _ = model_of(store, run)
    np.testing.assert_array_equal(
        loaded.predict_proba(X), found.model_.predict_proba(X)
    )
