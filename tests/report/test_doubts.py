"""Which labels to distrust, and why."""

import numpy as np

from salutary.ledgers.record import AssignedLabels, Record
from salutary.report.doubts import (
    AGAINST,
    DISAGREED,
    FAR,
    UNDONE,
    UNSEEN,
    UNSURE,
    by_doubt,
    find_doubts,
    most_doubtful,
    reasons_in_words,
    rows_of_other_labels,
)
from tests.report.made import frames


def test_each_reason_is_found():
    labels = frames(undone=10).labels
    labels["influence"], labels["influence_se"] = 1.0, 0.1
    labels["guess"], labels["distance"] = labels["label"], np.linspace(1, 2, 40)
    labels["probability"] = 0.5
    labels.loc[3, "influence_se"] = 0.5
    labels.loc[4, "guess"] = "something else"
    labels.loc[5, "distance"] = 100.0
    unseen = [at == 6 for at in range(40)]
    doubts = find_doubts(labels, unseen)
    expected = {3: [UNSURE], 4: [AGAINST], 5: [FAR], 6: [UNSEEN], 30: [UNDONE]}
    assert {at: doubts.of(at) for at in expected} == expected
    assert doubts.of(0) == []
    assert doubts.masks[:7] == [0, 0, 0, 1, 2, 4, 8]
    # Improbable labels come first, then rows of which TRAIN knows nothing; undone
    # labels are in no result.
    assert most_doubtful(labels, doubts, 10) == [4, 5, 6, 3]


def test_an_improbable_label_comes_before_a_probable_one_in_a_far_row():
    labels = frames(n_labels=5, undone=0).labels
    labels["influence"], labels["influence_se"] = 1.0, 0.1
    labels["guess"] = labels["label"]
    labels["distance"] = 1.0
    labels["probability"] = [0.99, 0.02, 0.9, 0.3, 0.999]
    labels.loc[0, ["distance", "influence_se"]] = 100.0, 0.9
    labels.loc[[1, 3], "guess"] = "something else"
    labels.loc[1, "guess_probability"] = 0.98
    unseen = [False, False, True, False, False]
    doubts = find_doubts(labels, unseen)
    assert most_doubtful(labels, doubts, 5) == [1, 3, 0, 2]
    assert by_doubt(labels, doubts).tolist() == [1, 3, 0, 2, 4]
    (words,) = reasons_in_words(doubts, labels.iloc[1], 1, {}, "labels")
    assert words == (
        "against the model's own guess: something else, with probability 0.98"
    )


def test_what_the_model_held_impossible_comes_before_what_is_merely_unsure():
    labels = frames(n_labels=4, undone=0).labels
    labels["influence"], labels["influence_se"] = 1.0, [0.1, 0.9, 0.9, 0.1]
    labels["distance"], labels["guess"] = 1.0, labels["label"]
    labels["probability"] = [0.02, 0.5, 0.3, 0.4]
    labels.loc[[0, 3], "guess"] = "something else"
    assert most_doubtful(labels, find_doubts(labels, None), 4) == [0, 3, 2, 1]


def test_a_distance_is_far_by_the_fence_of_tukey():
    labels = frames(n_labels=5, undone=0).labels
    labels["distance"] = [1.0, 2.0, 3.0, 4.0, 10.0]
    assert find_doubts(labels, None).far == 4 + 3 * (4 - 2)
    assert find_doubts(labels, None).reasons[FAR].tolist() == [False] * 5


def test_where_all_were_undone_those_are_shown():
    labels = frames(undone=40).labels
    assert len(most_doubtful(labels, find_doubts(labels, None), 3)) == 3


def test_unknown_distances_and_errors_are_no_reason():
    labels = frames(undone=0).labels
    labels["distance"], labels["influence_se"] = np.nan, np.nan
    labels["guess"] = labels["label"]
    doubts = find_doubts(labels, None)
    assert not doubts.reasons.to_numpy().any()
    assert most_doubtful(labels, doubts, 3) == []


def test_no_labels():
    labels = frames(n_labels=0, undone=0).labels
    doubts = find_doubts(labels, None)
    assert most_doubtful(labels, doubts, 3) == doubts.masks == []


def test_a_fold_that_gave_a_row_another_label_is_named_and_moves_nothing():
    labels = frames(n_labels=4, undone=0).labels
    labels["influence"], labels["influence_se"] = 1.0, 0.1
    labels["distance"], labels["guess"] = 1.0, labels["label"]
    labels["probability"] = [0.4, 0.3, 0.2, 0.1]
    labels.loc[0, "influence_se"] = 0.9
    doubts = find_doubts(labels, None, [False, True, False, False])
    assert doubts.of(1) == [DISAGREED]
    assert most_doubtful(labels, doubts, 4) == [0]
    assert by_doubt(labels, doubts).tolist() == [0, 3, 2, 1]
    (words,) = reasons_in_words(doubts, labels.iloc[1], 1, {}, "labels")
    assert words == DISAGREED


def test_rows_that_folds_gave_another_label():
    def part(*pairs):
        rows, classes = np.array(pairs).reshape(-1, 2).T
        return rows, classes, np.ones(len(rows), dtype=np.intp)

    empty = np.zeros((2, 2))
    nothing = np.zeros(2)
    rows, classes, rounds = part((7, 0), (3, 1))
    labels = AssignedLabels(
        *(rows, rounds, classes, empty, empty, nothing, nothing, nothing, nothing)
    )
    folds = (part((3, 1), (9, 0)), part((7, 1)), part())
    assert rows_of_other_labels(Record({}, [], labels, folds)) == {7}
