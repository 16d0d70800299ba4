"""``SalutaryFineTuner``: fine-tune a deep model on labels by influence."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from numbers import Integral, Real
from typing import Any, ClassVar, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import (
    check_consistent_length,
    check_is_fitted,
    has_fit_parameter,
)

from salutary.deep.canary import part_validation
from salutary.deep.distillation import distill
from salutary.deep.final_model import final_model
from salutary.deep.fine_tuning import FineTuning
from salutary.deep.lesson import epochs_of, fitted, with_seed
from salutary.deep.rows import as_pandas, joined
from salutary.deep.soft_labels import SOFT_ARGUMENTS
from salutary.deep.trainer import Trainer
from salutary.deep.vectors import Vectors
from salutary.estimators.mistakes import check_rows, row_keys, warn_without_pool
from salutary.estimators.told import ToldRun
from salutary.estimators.transduction import TransductionMixin
from salutary.influence.inputs import check_held
from salutary.influence.labels import (
    encode_classes,
    encode_validation_labels,
    find_unlabeled,
)
from salutary.labeling.callbacks import RunCallback, check_callbacks
from salutary.labeling.loop import outcomes_of
from salutary.labeling.rules import Scores, find_rule
from salutary.labeling.splits import split_off
from salutary.names import RuleName


class SalutaryFineTuner(TransductionMixin, ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Fine-tune a deep model on labeled rows and on rows labeled by their influence.

    Influence can be computed for a logistic regression, but not for a deep model. Each
    round therefore fits a logistic regression, the surrogate, to the deep model's
    embeddings. The surrogate's influences label rows of the pool, as in
    `SalutaryClassifier`. Then the deep model is fine-tuned again, from the start, on
    all rows that have a label. No person is asked for a label.

    Parameters
    ----------
    trainer : object with ``fit`` and ``embed``
        The deep model: a `LoraClassifier`, a `TorchClassifier`, or any object that does
        what `salutary.Trainer` asks for.
    rule : {"tempered", "plausible", "paper"} or callable, default="tempered"
        How influences become scores, see `SalutaryClassifier`.
    budget : int, default=100
        Maximum number of labels to assign.
    batch_size : int, default=100
        Labels assigned in a round, before the deep model is fine-tuned again. The
        surrogate is refitted after every ten of them.
    validation_fraction : float, default=0.2
        Share of the labeled rows to validate on when ``fit`` gets no validation rows.
    guard : bool, default=True
        Whether to undo rounds that do not help. Three in ten validation rows become
        canary rows, which influence never sees. Fine-tuning stops early by them, and a
        round after which the deep model does worse on them is undone. The surrogate is
        guarded too, by parts of the other validation rows, so that a round may assign
        fewer labels than ``batch_size``. With fewer than twenty validation rows there
        is no guard, and a warning says so.
    refit_on_validation : bool or "auto", default="auto"
        Whether the final model is fine-tuned on the validation rows too. Fine-tunings
        without a third of the rows with a label, one third after the other, say how
        many epochs are best (all, or half as many, as long as that helps), and by which
        number the logits are to be divided. A trainer without ``set_temperature`` is
        fitted once, for all epochs. With a guard, the final model has the labels of the
        run only if these lower the log loss beside the validation rows, as surrogates
        show on validation rows that they were not fitted on. "auto": only if the
        validation rows were split off the labeled rows passed to ``fit``.
    distill : bool, default=False
        Whether to let the deep model learn, beside the labeled rows, what a teacher
        says of the whole pool: the better of the two regressions of ``baselines_``. Of
        a pool of more than 2,000 rows so many are drawn. The distilled model, which has
        no label of the run, is kept if its log loss on the canary rows is lower than
        that of the best round. Needs the guard, and a trainer with ``embed_frozen``
        whose ``fit`` takes soft labels, as `LoraClassifier` and `TorchClassifier` do.
    random_state : int, RandomState instance or None, default=None
        Decides the splits, and sets the ``random_state`` of a trainer that has None.
    verbose : int, default=0
        1 prints a line for each round. The logger "salutary" gets these lines too, at
        the level INFO.
    callbacks : list of RunCallback, optional
        Told when the run begins, after each round and at the end, see
        `salutary.RunCallback`; they change no result.

    Attributes
    ----------
    trainer_ : object
        The deep model, fine-tuned on the labeled rows and the rows labeled in the run.
    classes_ : ndarray of shape (n_classes,)
    transduction_ : ndarray of shape (n_samples,)
        Label of every row. A row without one keeps the mark it had in ``y``.
    labeled_iter_ : ndarray of shape (n_samples,), int
        Round in which a row was labeled; 0 if it was labeled in ``y``, -1 if never.
    influence_ : ndarray of shape (n_samples,), float64
        Influence of the assigned label on the surrogate's validation loss when it was
        assigned, in nats per unit weight. NaN for rows not labeled in the run.
    influence_se_ : ndarray of shape (n_samples,), float64
        Standard error of ``influence_`` over the validation rows.
    history_ : list of dict
        For the start and each round what `SalutaryClassifier` has; losses and
        accuracies are the deep model's.
    n_iter_ : int
        Number of rounds, including those that were undone.
    termination_condition_ : str
        Why the run ended: "budget", "no_positive_influence", "guard" or
        "pool_exhausted". It is "guard" whenever rounds were undone.
    verdict_ : Verdict or None
        Whether to use the labels, or to train on labeled rows, on validation rows or on
        both without them, see `SalutaryClassifier`. As on the command line it is about
        logistic regressions on the embeddings of the model that was fine-tuned on the
        labeled rows alone, and about the labels that its surrogate would assign in one
        round. If the trainer has ``embed_frozen``, regressions on the embeddings of the
        model as it comes are compared with too, on labeled and validation rows, and by
        information maximization with the whole pool. None without a guard, and if there
        was nothing to label.
    baselines_ : dict of str to dict
        "log_loss" and "accuracy" of these two regressions on the canary rows, which
        they were not fitted on; those of the deep model are in ``history_``. Empty
        without a guard or ``embed_frozen``.
    refit_ : dict or None
        How the final model was trained, if on the validation rows too; else None.
        "epochs" and "temperature", the number that its logits are divided by, were
        chosen by "log_loss", the cross-validated one of all rows with a label (None
        where nothing was chosen). "distilled" says whether it has learned from a
        teacher, "labels" how many of the run's labels it was trained on. "others" is a
        list of the other ways that were tried.
    distillation_ : dict or None
        What came of ``distill``; None if it was not asked for. "used" says whether the
        distilled model is left, in place of the best round's, and "reason" why no model
        was distilled, or None. Else "teacher" is the regression's name and "pool_rows"
        the number of pool rows that it taught. Of the canary rows there are
        "teacher_log_loss", and "guessing_log_loss" of class frequencies; the distilled
        model's "log_loss" and "accuracy"; and "decrease", by how much its loss is lower
        than the best round's, with its standard error "se".

    See Also
    --------
    SalutaryClassifier : Labels rows by the influence on a logistic regression itself.

    Notes
    -----
    A round costs one fine-tuning, one embedding of all rows, and a run of logistic
    regressions, which is cheap beside the other two. Fine-tuning on the labeled and
    validation rows together is often as good or better. Compare the two before you rely
    on this.

    References
    ----------
    Xiao and Liu, Salutary Labeling with Zero Human Annotation, arXiv 2405.17627,
    section 5 (a logistic regression on a deep model's embeddings). The rules "tempered"
    and "plausible" and the guard are not in the paper.

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> from sklearn.datasets import load_iris
    >>> from salutary import SalutaryFineTuner, TorchClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> marked = np.where(np.arange(150) % 3 == 0, y, -1)
    >>> module = torch.nn.Sequential(
    ...     torch.nn.Linear(4, 16), torch.nn.Tanh(), torch.nn.Linear(16, 3)
    ... )
    >>> trainer = TorchClassifier(module, "1", epochs=50, device="cpu")
    >>> model = SalutaryFineTuner(trainer, budget=20, guard=False, random_state=0)
    >>> model = model.fit(X, marked)
    >>> model.termination_condition_, int((model.labeled_iter_ > 0).sum())
    ('budget', 20)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "trainer": [Trainer],
        "rule": [StrOptions(set(get_args(RuleName))), callable],
        "budget": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "guard": ["boolean"],
        "refit_on_validation": ["boolean", StrOptions({"auto"})],
        "distill": ["boolean"],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
        "callbacks": [list, tuple, None],
    }

    def __init__(
        self,
        trainer: Trainer,
        *,
        rule: RuleName | Scores = "tempered",
        budget: int = 100,
        batch_size: int = 100,
        validation_fraction: float = 0.2,
        guard: bool = True,
        refit_on_validation: bool | Literal["auto"] = "auto",
        distill: bool = False,
        random_state: Any = None,
        verbose: int = 0,
        callbacks: Sequence[RunCallback] | None = None,
    ) -> None:
        self.trainer = trainer
        self.rule = rule
        self.budget = budget
        self.batch_size = batch_size
        self.validation_fraction = validation_fraction
        self.guard = guard
        self.refit_on_validation = refit_on_validation
        self.distill = distill
        self.random_state = random_state
        self.verbose = verbose
        self.callbacks = callbacks

    def fit(
        self, X: Any, y: Any, X_val: Any = None, y_val: Any = None
    ) -> SalutaryFineTuner:
        """Label the pool and fine-tune on the result.

        Parameters
        ----------
        X : sequence of rows
            Labeled and unlabeled rows as the trainer takes them: texts, a table of text
            pairs, an array of images. The trainer gets tables and columns of Arrow or
            polars as pandas has them.
        y : array-like of shape (n_samples,)
            Labels. -1 marks an unlabeled row; so does None or NaN in an array of
            objects or floats.
        X_val : sequence of rows, optional
            Validation rows, of the same type as ``X``. Without them,
            ``validation_fraction`` of the labeled rows is split off, stratified by
            class.
        y_val : array-like of shape (n_val,), optional
            Labels of the validation rows.

        Returns
        -------
        SalutaryFineTuner

        Raises
        ------
        ValueError
            For fewer than two classes; for labels that are empty texts or the text
            "-1"; for a class in ``y_val`` that no labeled row has; if too few rows are
            labeled to split off validation rows; if all validation rows are labeled
            rows of ``X``; and for what the trainer refuses.

        Warns
        -----
        UserWarning
            As `SalutaryClassifier.fit`.
        """
        self._check(X_val, y_val)
        X = as_pandas(X, "X")
        X_val = None if X_val is None else as_pandas(X_val, "X_val")
        rng = check_random_state(self.random_state)
        y, unlabeled = find_unlabeled(y)
        check_consistent_length(X, y)
        self.classes_, codes = encode_classes(y, unlabeled)
        labeled = np.flatnonzero(~unlabeled)
        if not unlabeled.any():
            warn_without_pool()
        if X_val is None:
            labeled, validation = split_off(
                labeled, codes, self.validation_fraction, rng
            )
        else:
            val_codes = encode_validation_labels(y_val, self.classes_, X_val)
            validation = len(codes) + np.arange(len(val_codes))
            X, codes = joined(X, X_val), np.concatenate([codes, val_codes])
        keys, pool = row_keys(X), np.flatnonzero(unlabeled)
        # Of rows split off, those that recur do so by chance.
        seen = keys[:0] if X_val is None else keys[validation]
        check_rows(keys[labeled], seen, keys[pool])
        own, canary = part_validation(validation, codes[validation], self.guard, rng)
        trainer = with_seed(self.trainer, rng)

        task = FineTuning(
            fine_tune=partial(fitted, trainer),
            X=X,
            codes=codes,
            labeled=labeled,
            pool=pool,
            own_rows=own,
            canary_rows=canary,
            classes=self.classes_,
            rule=find_rule(self.rule),
            batch_size=self.batch_size,
            seed=int(rng.randint(2**31)),
            embed_frozen=getattr(trainer, "embed_frozen", None),
            distills=self.distill,
            epochs=epochs_of(trainer),
        )
        told = ToldRun.of(self, "finetune")
        begun, state, records = told.run(task, self.budget)
        outcomes = outcomes_of(state, records)
        self._remember(y, unlabeled, outcomes, state.best_round, state.ending)
        self.verdict_ = task.verdict(begun.latest, self.budget)
        self.baselines_ = task.baselines()
        found = distill(task, state.best)
        self.distillation_ = found.figures
        self._model = found.best(state.best).model
        refit, self.refit_ = self.refit_on_validation, None
        if X_val is None if refit == "auto" else refit:
            kept = task.worth_adding(begun.latest, state.best)
            final = final_model(task, kept, found.is_better)
            self._model, self.refit_ = final.model, final.figures()
        self.trainer_ = getattr(self._model, "trainer", self._model)
        self._tell_end(told, self.trainer_, X)
        return self

    def _check(self, X_val: Any, y_val: Any) -> None:
        """Refuse parameters of the wrong kind, and validation rows without labels."""
        self._validate_params()
        check_callbacks(self.callbacks)
        if isinstance(self.trainer, type):
            raise ValueError(
                f"trainer is the class {self.trainer.__name__}; pass an instance of it"
            )
        check_held(X_val, y_val)
        if self.distill:
            self._check_distills()

    def _check_distills(self) -> None:
        """Refuse to distill where that cannot be done or judged."""
        trainer = self.trainer
        takes = all(has_fit_parameter(trainer, name) for name in SOFT_ARGUMENTS)
        if not takes or not hasattr(trainer, "embed_frozen"):
            raise ValueError(
                "distill needs a trainer that has embed_frozen and whose fit takes "
                f"{', '.join(SOFT_ARGUMENTS)}; {type(trainer).__name__} has not all of "
                "these; pass distill=False"
            )
        if not self.guard:
            raise ValueError(
                "distill needs the guard, whose rows say whether the distilled model "
                "is better; pass guard=True or distill=False"
            )

    def embed(self, X: Any) -> Vectors:
        """Vectors of rows under the fine-tuned model, shape (n_rows, n_features)."""
        check_is_fitted(self)
        vectors: Vectors = self._model.embed(as_pandas(X, "X"))
        return vectors

    def predict(self, X: Any) -> NDArray[Any]:
        """Most probable class of each row, shape (n_rows,)."""
        best = self.predict_proba(X).argmax(axis=1)
        return np.asarray(self.classes_[best])

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Class probabilities, shape (n_rows, n_classes).

        Those of the trainer. If it does not have ``predict_proba``, those of a logistic
        regression on its embeddings.
        """
        check_is_fitted(self)
        return np.asarray(self._model.predict_proba(as_pandas(X, "X")))

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "trainer_")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.no_validation = True
        return tags
