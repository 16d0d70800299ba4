"""Tell MLflow of runs: parameters, figures of each round, results and the model."""

from __future__ import annotations

import re
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from importlib.metadata import packages_distributions, version
from math import isfinite
from numbers import Real
from typing import Any

import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

from salutary.errors import needs
from salutary.labeling.callbacks import (
    FoldEnd,
    RoundEnd,
    RunBegin,
    RunCallback,
    RunEnd,
)
from salutary.names import TRAIN_AND_VALIDATION
from salutary.runs.artifacts import MODEL, TRUSTED_TYPES, load

NAME = "salutary.run"
"""The tag by which a run that goes on finds what MLflow has of it."""

OUTCOME = ("termination", "rounds", "refused_rounds", "option", "labels")
"""What of a run's outcome becomes a tag, if it has it, besides the advice."""

TYPES = {
    "number": "double",
    **dict.fromkeys(("category", "text", "document"), "string"),
}
"""What MLflow calls kinds of columns."""


class MLflowCallback(RunCallback):
    """Log a run to MLflow.

    MLflow gets

    - the settings as parameters;
    - the figures of every round as metrics, the number of the round being the step; of
      a comparison, fold by fold, those of every option;
    - how the run ended and the advice about its labels as tags;
    - the results as artifacts: on the command line the files of the run's directory
      and its page ``report.html``, in Python the labels as ``labels.csv``;
    - the model with its signature, saved with skops and not pickled.

    A run of the command line that goes on after an interruption goes on in the same run
    of MLflow. A fine-tuned language model is logged as its files.

    Parameters
    ----------
    log_model : bool, default=True
        Whether to log the model.

    Raises
    ------
    InputError
        If MLflow is not installed; the message says how to install it.

    Notes
    -----
    Where to is up to MLflow: to its run that is active, or else to a new one under the
    tracking URI and the experiment that it is set to. On the command line these are the
    environment variables ``MLFLOW_TRACKING_URI`` and ``MLFLOW_EXPERIMENT_NAME``. MLflow
    itself reports to its makers that it is used, unless ``MLFLOW_DISABLE_TELEMETRY`` is
    "true".

    Examples
    --------
    >>> from salutary import MLflowCallback, SalutaryClassifier
    >>> callback = MLflowCallback()  # doctest: +SKIP
    >>> SalutaryClassifier(callbacks=[callback]).fit(X, marked)  # doctest: +SKIP
    """

    def __init__(self, log_model: bool = True) -> None:
        # MLflow warns of type hints of its own as it is imported.
        with needs("mlflow"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import mlflow.pyfunc
            import mlflow.sklearn  # noqa: F401
        self.log_model = log_model

    @property
    def _mlflow(self) -> Any:
        """MLflow, which an attribute would keep from being copied and pickled."""
        return import_module("mlflow")

    def on_run_begin(self, begin: RunBegin) -> None:
        """Begin a run of MLflow, or go on with the one that has this name."""
        self._client = self._mlflow.MlflowClient()
        self._unsent: list[tuple[int, dict[str, float]]] = []
        active = self._mlflow.active_run()
        self._is_ours = active is None
        found = [active] if active else self._runs_of(begin.run)
        self._id = found[0].info.run_id if found else None
        with self._in_run() as run:
            self._id = run.info.run_id
            tags = {NAME: begin.run, "salutary.kind": begin.kind}
            if begin.directory is not None:
                tags["salutary.directory"] = str(begin.directory.absolute())
            self._mlflow.set_tags(tags)
            self._log_settings(begin.settings)
        if self._is_ours:
            self._client.update_run(self._id, status="RUNNING")
        steps = [*map(_of_round, begin.rounds), *map(_of_fold, begin.folds)]
        logged = self._logged()
        self._unsent = [step for step in steps if _place(*step) not in logged]
        self._send()

    def on_round_end(self, end: RoundEnd) -> None:
        """Log the figures of a round."""
        self._unsent.append(_of_round(end.figures))
        self._send()

    def on_fold_end(self, end: FoldEnd) -> None:
        """Log the figures of a fold."""
        self._unsent.append(_of_fold(end.figures))
        self._send()

    def on_run_end(self, end: RunEnd) -> None:
        """Log the results and the model, and end the run of MLflow."""
        with self._in_run():
            self._send()
            self._log_outcome(end)
            for name, path in end.files.items():
                folder, _, _ = name.rpartition("/")
                self._mlflow.log_artifact(str(path), folder or None)
            if end.directory is None:
                labels = pd.DataFrame(end.labels)
                self._mlflow.log_text(labels.to_csv(index=False), "labels.csv")
            if self.log_model:
                self._log_model(end)

    @contextmanager
    def _in_run(self) -> Iterator[Any]:
        """The active run of MLflow, which is ours for the block or the user's own."""
        if not self._is_ours:
            yield self._mlflow.active_run()
            return
        with self._mlflow.start_run(run_id=self._id) as run:
            yield run

    def _runs_of(self, name: str) -> list[Any]:
        """The run of MLflow that has this name, in the experiment of the moment."""
        found: list[Any] = self._mlflow.search_runs(
            filter_string=f"tags.`{NAME}` = '{name}'",
            max_results=1,
            output_format="list",
        )
        return found

    def _log_settings(self, settings: Mapping[str, Any]) -> None:
        """Log parameters; what has changed since they were logged becomes a tag.

        MLflow changes no parameter. A budget may be raised.
        """
        known = self._client.get_run(self._id).data.params
        new = {name: value for name, value in settings.items() if name not in known}
        self._mlflow.log_params(new)
        for name, value in known.items():
            if name in settings and str(settings[name]) != value:
                self._mlflow.set_tag(f"salutary.{name}", str(settings[name]))

    def _log_outcome(self, end: RunEnd) -> None:
        """Log what came of the run, and which rounds were undone."""
        told = {name: end.outcome[name] for name in OUTCOME if name in end.outcome}
        # That of a comparison is a verdict itself.
        verdict = end.outcome.get("verdict", end.outcome)
        if verdict is not None:
            told["advice"] = verdict["sentence"]
        self._mlflow.set_tags({f"salutary.{name}": told[name] for name in told})
        for figures in end.rounds:
            self._log(figures["round"], {"undone": float(figures["undone"])})

    def _logged(self) -> set[tuple[int, float]]:
        """Places of the rounds and folds that MLflow has."""
        histories = (
            self._client.get_metric_history(self._id, name) for name in KNOWN_BY
        )
        return {(each.step, each.value) for history in histories for each in history}

    def _send(self) -> None:
        """Log figures that MLflow has not got; what it does not take is kept."""
        while self._unsent:
            self._log(*self._unsent[0])
            del self._unsent[0]

    def _log(self, number: int, figures: Mapping[str, float]) -> None:
        """Log figures of a round or a fold."""
        from mlflow.entities import Metric

        now = int(1000 * time.time())
        metrics = [Metric(*figure, now, number) for figure in figures.items()]
        self._client.log_batch(self._id, metrics)

    def _log_model(self, end: RunEnd) -> None:
        """Log the model of scikit-learn, if the run has one."""
        from skops.io import dumps, get_untrusted_types

        model = end.model
        if end.directory is not None:
            if MODEL not in end.files:  # a language model, whose files are logged
                return
            model = load(end.directory)
            trusted, signature = TRUSTED_TYPES, self._signature_of(model)
            packages = ["salutary"]
        else:
            if not isinstance(model, LogisticRegression | Pipeline):
                return
            trusted = get_untrusted_types(data=dumps(model))
            signature = self._mlflow.models.infer_signature(
                end.example, model.predict(end.example)
            )
            modules = {"sklearn", "skops", *(name.split(".")[0] for name in trusted)}
            homes = packages_distributions()
            packages = sorted({homes[name][0] for name in modules if name in homes})
        self._mlflow.sklearn.log_model(
            model,
            name="model",
            signature=signature,
            serialization_format="skops",
            skops_trusted_types=trusted,
            # Without these MLflow would load the model in another process to see.
            pip_requirements=[f"{name}=={version(name)}" for name in packages],
        )

    def _signature_of(self, model: Pipeline) -> Any:
        """What the model of a run of the command line takes and gives.

        A column of numbers or texts is one to MLflow. What else a column holds, such as
        dates, the model itself reads in any form.
        """
        from mlflow.models import ModelSignature, infer_signature
        from mlflow.types.schema import AnyType, ColSpec, Schema

        kinds = model[0].kinds
        columns = [
            ColSpec(TYPES.get(kind) or AnyType(), name, required=False)
            for name, kind in kinds.items()
        ]
        given = infer_signature(model_output=model.classes_)
        return ModelSignature(inputs=Schema(columns), outputs=given.outputs)


def _of_round(figures: Mapping[str, Any]) -> tuple[int, dict[str, float]]:
    """The step of a round, and its metrics."""
    found = {
        name: float(value)
        for name, value in figures.items()
        if name != "round" and _is_figure(value)
    }
    return figures["round"], found


def _of_fold(figures: Mapping[str, Any]) -> tuple[int, dict[str, float]]:
    """The step of a fold, and the metrics of each option under names MLflow takes."""
    found = {
        _metric(what, option): float(value)
        for option, values in figures["options"].items()
        for what, value in values.items()
    }
    return figures["fold"], found


def _metric(what: str, option: str) -> str:
    # MLflow takes neither a plus nor an apostrophe.
    name = re.sub(r"[^\w .:-]", "", option.replace(" + ", " and "))
    return f"{what}/{name}"


KNOWN_BY = ("validation_loss", _metric("loss", TRAIN_AND_VALIDATION))
"""One of these metrics every round, or fold, has."""


def _place(number: int, figures: Mapping[str, float]) -> tuple[int, float]:
    """By what a round or a fold is known; a round may be run anew."""
    return number, next(figures[name] for name in KNOWN_BY if name in figures)


def _is_figure(value: Any) -> bool:
    is_number = isinstance(value, Real) and not isinstance(value, bool)
    return is_number and isfinite(value)
