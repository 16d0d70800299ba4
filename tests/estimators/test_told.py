"""What callbacks are told in Python, against what the fitted estimators say."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from salutary import (
    FoldEnd,
    RoundEnd,
    RunBegin,
    RunCallback,
    RunEnd,
    SalutaryClassifier,
    advise,
    relabel,
)
from salutary.advice import comparison

X, Y = load_iris(return_X_y=True)
MARKED = np.where(np.arange(150) % 3 == 0, Y, -1)


class Notes(RunCallback):
    """Notes what it is told."""

    def on_run_begin(self, begin: RunBegin) -> None:
        self.begin, self.rounds, self.folds = begin, [], []

    def on_round_end(self, end: RoundEnd) -> None:
        self.rounds.append(end)

    def on_fold_end(self, end: FoldEnd) -> None:
        self.folds.append(end.figures)

    def on_run_end(self, end: RunEnd) -> None:
        self.end = end


class Wrecks(RunCallback):
    """Spoils whatever it is told, and draws random numbers."""

    def on_run_begin(self, begin: RunBegin) -> None:
        begin.rounds.clear()
        begin.classes.clear()

    def on_round_end(self, end: RoundEnd) -> None:
        np.random.random()  # noqa: NPY002
        end.figures.clear()
        end.labels.clear()
        raise ValueError("spoilt")

    def on_run_end(self, end: RunEnd) -> None:
        end.rounds[0].clear()
        end.labels.clear()


def classifier(*callbacks: Any, **more: Any) -> SalutaryClassifier:
    return SalutaryClassifier(
        make_pipeline(StandardScaler(), LogisticRegression(C=0.1)),
        **{"budget": 20, "random_state": 0, "callbacks": callbacks, **more},
    )


def test_callbacks_are_told_what_the_estimator_says() -> None:
    notes = Notes()
    model = classifier(notes).fit(X, MARKED)
    begin, end = notes.begin, notes.end
    assert (begin.kind, begin.done, begin.classes) == ("label", 0, [0, 1, 2])
    assert (begin.settings["budget"], begin.settings["rule"]) == (20, "tempered")
    assert "callbacks" not in begin.settings
    assert "StandardScaler" in begin.settings["estimator"]
    history = [{**each} for each in model.history_]
    np.testing.assert_equal(end.rounds, history)
    for each in history:
        del each["undone"]
    np.testing.assert_equal(
        [*begin.rounds, *(each.figures for each in notes.rounds)], history
    )
    kept = np.flatnonzero(model.labeled_iter_ > 0)
    assert sorted(label["row"] for label in end.labels) == kept.tolist()
    assert end.labels == [label for each in notes.rounds for label in each.labels]
    for label in end.labels:
        row = label["row"]
        assert label["label"] == model.transduction_[row]
        assert label["round"] == model.labeled_iter_[row]
        assert label["influence"] == model.influence_[row]
        assert label["influence_se"] == model.influence_se_[row]
    assert end.model is model.estimator_
    np.testing.assert_array_equal(end.example, X[:5])
    assert end.outcome["labels"] == len(kept) == 20
    assert end.outcome["rounds"] == model.n_iter_ == len(notes.rounds) == 2
    assert model.verdict_ is not None
    assert end.outcome["verdict"] == model.verdict_.to_dict()


def test_callbacks_change_nothing() -> None:
    alone = classifier().fit(X, MARKED)
    with pytest.warns(UserWarning, match="Wrecks raised in on_round_end"):
        told = classifier(Wrecks()).fit(X, MARKED)
    np.testing.assert_array_equal(told.transduction_, alone.transduction_)
    np.testing.assert_array_equal(told.influence_, alone.influence_)
    np.testing.assert_array_equal(told.predict_proba(X), alone.predict_proba(X))
    for one, other in zip(told.history_, alone.history_, strict=True):
        np.testing.assert_equal({**one, "seconds": 0}, {**other, "seconds": 0})


@pytest.mark.parametrize("option", ["self-training", "salutary + validation"])
def test_a_comparison_is_told_fold_by_fold(
    option: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    decide = comparison.reach_verdict
    monkeypatch.setattr(
        comparison,
        "reach_verdict",
        lambda *judged: replace(decide(*judged), option=option),
    )
    notes, pool = Notes(), X[2::3]
    found = advise(
        *(X[::9], Y[::9], X[1::3], Y[1::3], pool),
        estimator=make_pipeline(StandardScaler(), LogisticRegression()),
        **{"budget": 6, "batch_size": 3, "splits": 2, "repeats": 1},
        random_state=0,
        callbacks=[notes],
    )
    begin, end = notes.begin, notes.end
    assert (begin.kind, begin.done, begin.classes) == ("advise", 0, [0, 1, 2])
    assert (begin.rounds, begin.settings["splits"]) == ([], 2)
    assert [each["fold"] for each in notes.folds] == [1, 2]
    assert end.folds == notes.folds
    for row in found.to_dict()["options"]:
        losses = [each["options"][row["option"]]["loss"] for each in notes.folds]
        assert min(losses) <= row["loss"] <= max(losses)
    assert end.outcome == {**found.to_dict(), "labels": len(end.labels)}
    assert end.model is found.model_
    np.testing.assert_array_equal(end.example, X[::9][:5])
    assert end.labels
    for label in end.labels:
        row = pool[[label["row"]]]
        chance = found.model_.predict_proba(row)[0, label["label"]]
        if option == "self-training":  # its model has given these labels
            assert label["probability"] == pytest.approx(chance)
            assert np.isnan(label["influence"])
        else:
            assert label["influence"] > 0


def test_without_a_pool_there_is_no_run_to_tell_of() -> None:
    notes = Notes()
    with pytest.warns(UserWarning, match="no unlabeled row"):
        classifier(notes).fit(X, Y)
    assert not vars(notes)


def test_a_clone_has_callbacks_of_its_own() -> None:
    notes = Notes()
    clone(classifier(notes)).fit(X, MARKED)
    assert not vars(notes)


def test_relabeling_tells_of_its_switches() -> None:
    noisy = Y[::2].copy()
    noisy[::5] = (noisy[::5] + 1) % 3
    notes = Notes()
    found = relabel(X[::2], noisy, X[1::2], Y[1::2], random_state=0, callbacks=[notes])
    assert notes.begin.kind == "relabel"
    assert notes.begin.settings["estimator"] is None
    np.testing.assert_equal(notes.end.rounds, found.history)
    columns = ["row", "label", "influence", "influence_se", "probability", "round"]
    expected = found.switches[columns].to_dict("records")
    assert notes.end.labels == expected
    assert notes.end.model is found.model


@pytest.mark.slow
def test_fine_tuning_tells_of_its_rounds() -> None:
    torch = pytest.importorskip("torch", reason="needs salutary[torch]")
    from salutary import SalutaryFineTuner, TorchClassifier

    module = torch.nn.Sequential(
        torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3)
    )
    notes = Notes()
    tuner = SalutaryFineTuner(
        TorchClassifier(module, "1", epochs=5, device="cpu"),
        budget=20,
        batch_size=10,
        guard=False,
        random_state=0,
        callbacks=[notes],
    ).fit(X.astype(np.float32), MARKED)
    assert notes.begin.kind == "finetune"
    np.testing.assert_equal(notes.end.rounds, tuner.history_)
    assert len(notes.end.labels) == 20
    assert notes.end.model is tuner.trainer_


def test_a_class_among_the_callbacks_is_refused() -> None:
    with pytest.raises(ValueError, match="pass an instance"):
        classifier(Notes).fit(X, MARKED)
    with pytest.raises(ValueError, match="'callbacks'"):
        classifier(callbacks=Notes()).fit(X, MARKED)


class TestScikitLearnsOwn:
    """Its experimental callbacks, told as its own estimators tell them."""

    @pytest.fixture(autouse=True)
    def _exist(self) -> None:
        pytest.importorskip("sklearn.callback", reason="needs scikit-learn 1.9")

    def test_the_model_after_each_round_is_scored(self) -> None:
        from sklearn.callback import ScoringMonitor

        monitor = ScoringMonitor(scoring="accuracy")
        labeled = np.flatnonzero(MARKED >= 0)
        rest = np.arange(150) % 3 != 1
        model = classifier().set_callbacks(monitor)
        model.fit(X[rest], MARKED[rest], X[~rest], Y[~rest])
        log = monitor.get_logs().data
        scores = {each["task_id_path"]: each["accuracy"] for each in log}
        assert [*scores] == [(0,), (0, 0), (0, 1)]
        # With validation rows of their own, all labeled rows are trained on.
        last = accuracy_score(Y[labeled], model.predict(X[labeled]))
        assert scores[0, 1] == scores[(0,)] == last

    def test_a_callback_sees_the_model_of_its_round(self) -> None:
        seen: list[tuple[str, Any]] = []

        class Sees:
            def setup(self, estimator: Any, context: Any) -> None:
                seen.append(("setup", None))

            def on_fit_task_begin(self, estimator: Any, context: Any) -> None:
                seen.append((f"begin {context.task_name}", None))

            def on_fit_task_end(
                self, estimator: Any, context: Any, *, fitted_estimator: Any = None
            ) -> bool:
                chance = None
                if fitted_estimator is not None:
                    chance = fitted_estimator.predict_proba(X)
                seen.append((f"end {context.task_name}", chance))
                return True  # asks to end the run, which no callback does

            def teardown(self, estimator: Any, context: Any) -> None:
                seen.append(("teardown", None))

        options = {"refit_on_validation": False, "guard": False}
        model = classifier(**options).set_callbacks(Sees()).fit(X, MARKED)
        assert [name for name, _ in seen] == [
            *("setup", "begin fit", "begin round", "end round", "begin round"),
            *("end round", "begin round", "end round", "end fit", "teardown"),
        ]
        shorter = classifier(budget=10, **options).fit(X, MARKED)
        np.testing.assert_array_equal(seen[3][1], shorter.predict_proba(X))
        np.testing.assert_array_equal(seen[5][1], model.predict_proba(X))
        assert seen[7][1] is None  # no third round was run
        np.testing.assert_array_equal(seen[8][1], model.predict_proba(X))

    def test_in_a_search_the_rounds_are_below_its_fits(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        from sklearn.callback import ProgressBar

        search = GridSearchCV(classifier(guard=False), {"budget": [10]}, cv=2)
        search.set_callbacks(ProgressBar()).fit(X, MARKED)
        assert "SalutaryClassifier - fit" in capsys.readouterr().out

    def test_neither_kind_is_taken_for_the_other(self) -> None:
        from sklearn.callback import ScoringMonitor

        monitor = ScoringMonitor(scoring="accuracy")
        with pytest.raises(ValueError, match="set_callbacks"):
            classifier(monitor).fit(X, MARKED)
        with pytest.raises(TypeError, match="FitCallback"):
            classifier().set_callbacks(Notes())
