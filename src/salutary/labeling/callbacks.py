"""Callbacks: what code of a user's own is told of a run, while it goes on.

It is told figures, in plain values. Nothing that a callback does to them, and no error
that it raises, changes a run.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from numpy.typing import NDArray

from salutary.labeling.outcome import Round


@dataclass(frozen=True)
class RunBegin:
    """What a callback is told when a run begins, or goes on.

    Parameters
    ----------
    kind : {"label", "relabel", "finetune", "advise"}
    run : str
        Names the run. It is the same when the run goes on after an interruption.
    settings : dict
        Texts, numbers, booleans and None by the names of the settings, the budget among
        them. Other values of parameters in Python are told by their repr.
    classes : list
    rounds : list of dict
        Figures of the rounds that the run has already, as in ``history_``: the start,
        which is round 0, and those before an interruption. A comparison has none.
    facts : dict
        Of a run of the command line what its ledger holds besides, such as the files
        and their fingerprints, versions and options. Otherwise empty.
    directory : Path or None
        Of a run of the command line its ``--out``.
    folds : list of dict
        Figures of the folds that a comparison has judged already, as in `FoldEnd`.
    """

    kind: str
    run: str
    settings: Mapping[str, Any]
    classes: list[Any]
    rounds: list[dict[str, Any]]
    facts: Mapping[str, Any] = field(default_factory=dict)
    directory: Path | None = None
    folds: list[dict[str, Any]] = field(default_factory=list)

    @property
    def done(self) -> int:
        """Number of rounds, or of folds, that were run before; the next one follows."""
        return int(self.rounds[-1]["round"]) if self.rounds else len(self.folds)


@dataclass(frozen=True)
class RoundEnd:
    """What a callback is told of a round that is over.

    Parameters
    ----------
    figures : dict
        As in ``history_``; what does not exist, for instance without a guard, is NaN in
        Python, and None on the command line. The verdict of the guard is "kept",
        "waiting" (later rounds decide whether this one is undone) or "harmful" (it is
        undone).
    labels : list of dict
        For each label that the round assigned: row, label, influence, influence_se,
        probability and round; on the command line also the row's id.
    """

    figures: dict[str, Any]
    labels: list[dict[str, Any]]


@dataclass(frozen=True)
class FoldEnd:
    """What a callback is told of a fold of a comparison that has been judged.

    Parameters
    ----------
    figures : dict
        The number of the ``fold``, from 1, and ``options``: for each option that was
        judged in it the mean log loss of the held-out rows, ``C`` and the number of
        ``labels`` that it assigned.
    """

    figures: dict[str, Any]


@dataclass(frozen=True)
class RunEnd:
    """What a callback is told when a run is over.

    Parameters
    ----------
    outcome : dict
        On the command line that of ``run.json``. In Python the termination, the numbers
        of rounds, refused rounds and labels, and the verdict; of a comparison what
        `Advice.to_dict` says and the number of labels.
    rounds : list of dict
        Figures of all rounds, and whether they were undone.
    labels : list of dict
        All labels that stay, as in `RoundEnd`. Of a comparison those of the advised
        option, on the command line with the columns of its file.
    files : dict of str to Path
        On the command line each result by its name, for instance "labels.parquet".
    directory : Path or None
        On the command line, ``--out``.
    model : estimator or None
        In Python the fitted model; leave it as it is. The command line's is in the
        directory, for `salutary.load`.
    example : table, matrix or None
        In Python the first rows that the model was made from.
    folds : list of dict
        Figures of all folds of a comparison.
    """

    outcome: Mapping[str, Any]
    rounds: list[dict[str, Any]]
    labels: list[dict[str, Any]]
    files: Mapping[str, Path] = field(default_factory=dict)
    directory: Path | None = None
    model: Any = None
    example: Any = None
    folds: list[dict[str, Any]] = field(default_factory=list)


@runtime_checkable
class RunCallback(Protocol):
    """What is called as a run begins, after each of its rounds, and at its end.

    A comparison of options has no rounds: it is told fold by fold. Any object with the
    four methods will do. A class that derives from this one needs only those that it
    has a use for.

    A run that is interrupted has no end. When it goes on, `on_run_begin` is called
    again, with the figures of the rounds or folds that it has. Each that is run is told
    once. One that was written to the ledger just before the interruption may be told by
    `on_run_begin` alone.

    Whatever a callback raises becomes a warning that names it, and the run goes on. If
    it was `on_run_begin`, the callback is not called again in that run. Ctrl-C, and
    what else is no `Exception`, ends the run as always.

    See Also
    --------
    MLflowCallback : Tells MLflow.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_iris
    >>> from salutary import RunCallback, SalutaryClassifier
    >>> class Losses(RunCallback):
    ...     def on_run_begin(self, begin):
    ...         self.found = []
    ...
    ...     def on_round_end(self, end):
    ...         self.found.append(end.figures["validation_loss"])
    >>> X, y = load_iris(return_X_y=True)
    >>> marked = np.where(np.arange(150) % 3 == 0, y, -1)
    >>> losses = Losses()
    >>> model = SalutaryClassifier(budget=20, random_state=0, callbacks=[losses])
    >>> model.fit(X, marked).n_iter_, len(losses.found)
    (2, 2)
    """

    def on_run_begin(self, begin: RunBegin) -> None:
        """Called once the first model is fitted, or the run is restored."""

    def on_round_end(self, end: RoundEnd) -> None:
        """Called after each round; on the command line once the ledger holds it."""

    def on_fold_end(self, end: FoldEnd) -> None:
        """Called after each fold of a comparison, instead of rounds."""

    def on_run_end(self, end: RunEnd) -> None:
        """Called at the end; on the command line once all results are written."""


class Callbacks:
    """Several callbacks, told one after the other.

    What they are told is made only if there are any.

    Parameters
    ----------
    given : iterable of RunCallback or None
    """

    def __init__(self, given: Iterable[RunCallback] | None = None) -> None:
        self._listening = list(given or ())
        self.begun = False

    def begin(self, make: Callable[[], RunBegin]) -> None:
        """Tell that the run begins; whoever raises is told no more."""
        self.begun = True
        self._listening = self._tell("on_run_begin", make)

    def round(self, make: Callable[[], RoundEnd]) -> None:
        """Tell of a round."""
        self._tell("on_round_end", make)

    def fold(self, make: Callable[[], FoldEnd]) -> None:
        """Tell of a fold."""
        self._tell("on_fold_end", make)

    def end(self, make: Callable[[], RunEnd]) -> None:
        """Tell that the run is over, unless it never began."""
        if self.begun:
            self._tell("on_run_end", make)

    def _tell(self, hook: str, make: Callable[[], Any]) -> list[RunCallback]:
        """Call a hook of all; those that did not raise."""
        if not self._listening:
            return []
        told, well = make(), []
        for callback in self._listening:
            try:
                # Each gets its own, as it may change what it is given.
                getattr(callback, hook)(copy_of(told))
            except SystemExit as end:
                name = type(callback).__name__
                end.add_note(f"the callback {name} called sys.exit in {hook}")
                raise
            except Exception as error:  # whatever it is, the run is not to suffer
                warnings.warn(
                    f"the callback {type(callback).__name__} raised in {hook}: "
                    f"{_in_words(error)}; the run goes on",
                    UserWarning,
                    stacklevel=2,
                )
            else:
                well.append(callback)
        return well


def copy_of(told: Any) -> Any:
    """What a callback is told, with containers of its own; models and rows are shared.

    Examples
    --------
    >>> end = RoundEnd({"round": 1}, [{"row": 7}])
    >>> copy_of(end).figures.clear()
    >>> end.figures
    {'round': 1}
    """
    copied = {each.name: _copied(getattr(told, each.name)) for each in fields(told)}
    return replace(told, **copied)


def _copied(value: Any) -> Any:
    if type(value) is dict:
        return {key: _copied(each) for key, each in value.items()}
    return [_copied(each) for each in value] if type(value) is list else value


def _in_words(error: Exception) -> str:
    """The type of an error and what it says, if that can be had."""
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:
        return type(error).__name__


def check_callbacks(callbacks: Sequence[Any] | None) -> None:
    """Refuse what cannot be called back.

    Raises
    ------
    ValueError
        Names the first one, and what to pass.
    """
    for number, callback in enumerate(callbacks or ()):
        place = f"callbacks[{number}]"
        if isinstance(callback, type):
            raise ValueError(
                f"{place} is the class {callback.__name__}; pass an instance of it"
            )
        if isinstance(callback, RunCallback):
            continue
        found = f"{place} is of type {type(callback).__name__}"
        if hasattr(callback, "on_fit_task_end"):
            raise ValueError(
                f"{found}, a callback of scikit-learn; pass it to set_callbacks of the "
                "estimator"
            )
        raise ValueError(
            f"{found}; pass an object with on_run_begin, on_round_end, on_fold_end and "
            "on_run_end"
        )


def labels_of(
    record: Round, classes: NDArray[Any], ids: Sequence[str] | None = None
) -> list[dict[str, Any]]:
    """The labels of a round; ``ids`` are the names of its rows, if they have any."""
    chosen = record.selection
    columns = {
        "row": chosen.rows.tolist(),
        "label": classes[chosen.labels].tolist(),
        "influence": chosen.assigned_influence.tolist(),
        "influence_se": chosen.influence_se.tolist(),
        "probability": chosen.assigned_probability.tolist(),
        "round": [record.number] * len(chosen),
    }
    if ids is not None:
        columns["id"] = list(ids)
    return [
        dict(zip(columns, values, strict=True))
        for values in zip(*columns.values(), strict=True)
    ]


def plain(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as texts, numbers, booleans and None; anything else by its repr."""
    return {
        name: value
        if isinstance(value, str | int | float | bool | None)
        else repr(value)
        for name, value in settings.items()
    }
