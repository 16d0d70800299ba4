"""Callbacks that raise, mutate or are none: who is told, and who no more."""

from dataclasses import replace
from typing import Any

import pytest

from salutary.labeling.callbacks import (
    Callbacks,
    FoldEnd,
    RoundEnd,
    RunBegin,
    RunCallback,
    RunEnd,
    check_callbacks,
    plain,
)

BEGIN = RunBegin("label", "a", {"budget": 10}, ["x", "y"], [{"round": 0}])
ROUND = RoundEnd({"round": 1}, [])
FOLD = FoldEnd({"fold": 1, "options": {}})
END = RunEnd({}, [], [])


class Notes(RunCallback):
    """Notes what it is told, and raises where it is to."""

    def __init__(self, raises: str = "", error: BaseException | None = None) -> None:
        self.told: list[Any] = []
        self._raises, self._error = raises, error or ValueError("no")

    def _note(self, hook: str, told: Any) -> None:
        self.told.append(told)
        if hook == self._raises:
            raise self._error

    def on_run_begin(self, begin: RunBegin) -> None:
        self._note("begin", begin)

    def on_round_end(self, end: RoundEnd) -> None:
        self._note("round", end)

    def on_fold_end(self, end: FoldEnd) -> None:
        self._note("fold", end)

    def on_run_end(self, end: RunEnd) -> None:
        self._note("end", end)


def tell_all(callbacks: Callbacks) -> None:
    callbacks.begin(lambda: BEGIN)
    callbacks.round(lambda: ROUND)
    callbacks.fold(lambda: FOLD)
    callbacks.end(lambda: END)


def test_each_is_told_all() -> None:
    both = Notes(), Notes()
    tell_all(Callbacks(both))
    assert both[0].told == both[1].told == [BEGIN, ROUND, FOLD, END]


def test_what_one_does_to_what_it_is_told_the_next_one_does_not_see() -> None:
    class Clearing(RunCallback):
        def on_round_end(self, end: RoundEnd) -> None:
            end.figures.clear()
            end.labels.clear()

        def on_fold_end(self, end: FoldEnd) -> None:
            end.figures["options"]["x"] = 1

    after = Notes()
    tell_all(Callbacks([Clearing(), after]))
    assert after.told == [BEGIN, ROUND, FOLD, END]
    assert ROUND.figures
    assert not FOLD.figures["options"]


def test_an_error_that_cannot_be_printed_is_named_by_its_type() -> None:
    class SilentError(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    with pytest.warns(UserWarning, match="raised in on_run_end: SilentError; the run"):
        tell_all(Callbacks([Notes("end", SilentError())]))


def test_nothing_is_made_for_nobody() -> None:
    def make() -> Any:
        raise AssertionError

    for callbacks in (Callbacks(), Callbacks([])):
        callbacks.begin(make)
        callbacks.round(make)
        callbacks.fold(make)
        callbacks.end(make)
    Callbacks([Notes()]).end(make)  # a run that never began has no end


@pytest.mark.parametrize(
    ("raises", "told"),
    [
        ("begin", [BEGIN]),
        ("round", [BEGIN, ROUND, FOLD, END]),
        ("fold", [BEGIN, ROUND, FOLD, END]),
        ("end", [BEGIN, ROUND, FOLD, END]),
    ],
)
def test_one_that_raises_is_named_and_holds_up_nobody(
    raises: str, told: list[Any]
) -> None:
    bad, good = Notes(raises), Notes()
    with pytest.warns(UserWarning, match=f"Notes raised in on_.*{raises}.*no; the run"):
        tell_all(Callbacks([bad, good]))
    assert bad.told == told
    assert good.told == [BEGIN, ROUND, FOLD, END]


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_passes(error: type[BaseException]) -> None:
    with pytest.raises(error):
        tell_all(Callbacks([Notes("round", error())]))


def test_a_callback_that_derives_needs_no_method() -> None:
    class Silent(RunCallback):
        pass

    tell_all(Callbacks([Silent()]))
    check_callbacks([Silent()])


class Half:
    def on_run_begin(self, begin: RunBegin) -> None: ...


class OfScikitLearn:
    def on_fit_task_end(self) -> None: ...


@pytest.mark.parametrize(
    ("callback", "message"),
    [
        (Notes, r"callbacks\[1\] is the class Notes; pass an instance"),
        (Half(), r"callbacks\[1\] is of type Half; pass an object with on_run_begin"),
        (OfScikitLearn(), "of scikit-learn; pass it to set_callbacks"),
    ],
)
def test_what_is_no_callback_is_refused(callback: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_callbacks([Notes(), callback])


def test_a_run_that_goes_on_says_after_which_round() -> None:
    rounds = [{"round": number} for number in range(3)]
    assert (BEGIN.done, RunBegin("label", "a", {}, [], rounds).done) == (0, 2)
    folds = [{"fold": 1}, {"fold": 2}]
    compared = RunBegin("advise", "a", {}, [], [], folds=folds)
    assert (compared.done, replace(compared, folds=[]).done) == (2, 0)


def test_settings_are_plain() -> None:
    found = plain({"a": 1, "b": None, "c": [1], "d": "x", "e": True, "f": 0.5})
    assert found == {"a": 1, "b": None, "c": "[1]", "d": "x", "e": True, "f": 0.5}
