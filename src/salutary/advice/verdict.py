"""The verdict: which rows and labels to train on, by how much, and how sure that is.

It is made here alone. ``salutary label``, ``relabel``, ``finetune`` and ``advise``, the
fitted estimators and `Advice` all show this one object.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from salutary.advice.cross_fitting import Judged, rows_by_kind
from salutary.advice.measure import Difference, Measure
from salutary.names import (
    FROZEN,
    FROZEN_POOL,
    RELABELED,
    SALUTARY,
    TRAIN_AND_VALIDATION,
    TRAIN_ONLY,
    VALIDATION_ONLY,
    WHOLE_POOL,
)

ACTIONS = {
    TRAIN_ONLY: "train on the training rows alone",
    VALIDATION_ONLY: "train on the validation rows alone",
    TRAIN_AND_VALIDATION: "train on both tables",
    "train + weighted validation": (
        "train on both tables, with a tuned weight of the validation rows (about "
        "{weight:g})"
    ),
    RELABELED: "use the training rows with the switched labels",
    f"{RELABELED} + validation": (
        "use the training rows with the switched labels, together with the validation "
        "rows"
    ),
    "self-training": "train on the training rows and self-train on the pool",
    f"{SALUTARY}, paper's rule": "use salutary labels under the paper's rule",
    SALUTARY: "use the salutary labels",
    f"{SALUTARY} + validation": (
        "use the salutary labels, and train on the validation rows as well"
    ),
    WHOLE_POOL: "train on both tables and, without labels, on the whole pool",
    FROZEN: (
        "train a logistic regression on both tables, on embeddings of the model as it "
        "comes"
    ),
    FROZEN_POOL: (
        "train a logistic regression on both tables and, without labels, on the whole "
        "pool (information maximization), on embeddings of the model as it comes"
    ),
}
"""How to follow an option, in words, by its name."""

LABELED = (RELABELED, SALUTARY, "self-training")
"""How the names of options begin that choose rows to label."""

ASSIGNED = (*LABELED, WHOLE_POOL)
"""How the names of options begin that need more than people's labels."""

UNSEEN = (
    "VAL lacks a class, so its rows cannot show what else would be better; add rows of "
    "that class"
)
"""Why nothing else is advised: what never predicts the class would seem better."""

Finding = Literal["better", "worse", "no difference", "no labels"]
"""What assigned labels do, compared with the best use of people's labels alone.

"better" and "worse" only if the 95% interval of the difference leaves out zero, which
allows for the number of options with such labels, and if every class has a validation
row. "no labels": none was kept.
"""


@dataclass(frozen=True, eq=False)
class Verdict:
    """What to train on.

    Parameters
    ----------
    option : str
        The advised option.
    sentence : str
        The advice and the reason in words, beginning with "Advice: ".
    finding : {"better", "worse", "no difference", "no labels"}
        What assigned labels do, compared with the best use of people's labels alone.
        "better" and "worse" are said only where the 95% interval leaves out zero and
        every class has a validation row.
    difference : Difference or None
        How much higher the loss of the best option with assigned labels is than that of
        the best with people's alone. Its interval allows for the number of options with
        assigned labels. None if there is no such option. The whole pool, which chooses
        no rows, does not count as such.
    objective : str
        The objective that the options are compared by, such as "log_loss".
    table : DataFrame
        A row for each option, with the columns

        - ``option``: the name;
        - ``accuracy``, and ``loss``, the value of the objective (the log loss in nats),
          on validation rows that the option was not fitted on;
        - ``difference``, ``lower``, ``upper``: how much higher the loss is than that of
          the advised option, and the ends of the 95% interval of that difference. If
          one of the two has assigned labels, it allows for the number of such options;
        - ``C`` and ``validation_weight``: medians of the tuned values over all fits. A
          weight of 0 means that the option was not fitted on validation rows;
        - ``labels``, ``pool_rows``: mean numbers, over all fits, of labels that no
          person gave, and of pool rows that took part without one.
    beyond : Difference or None
        Like ``difference``, but to the first option without such labels, which is to
        train on both tables, however good others are.

    Notes
    -----
    Training on both tables is advised unless something is surely better: unless the 95%
    interval of the difference leaves out zero. Of other options with people's labels
    alone that are, the one with the lowest loss is best. Assigned labels
    must be surely better than that. ``docs/studies/advise`` compares this with other
    ways to decide. Where a class has no validation row, training on both tables is
    advised: what hardly predicts the class would seem better.

    The whole pool needs a lower loss only, sure or not, with and without two more rows
    that its model gets wrong (`Measure.cautious_loss`). It had to show before, in
    cross-validation of the rows with a label, that it helps; otherwise the option is
    training on both tables, to the last digit. ``docs/studies/worth`` chose this rule
    on half of its data sets and checked it on the others.
    """

    option: str
    sentence: str
    finding: Finding
    difference: Difference | None
    objective: str
    table: pd.DataFrame
    beyond: Difference | None = None

    def __str__(self) -> str:
        return self.sentence

    def to_dict(self) -> dict[str, Any]:
        """The verdict as numbers, strings, lists and dicts, for instance for JSON.

        The rows of the table are under ``options``.
        """
        return {
            "option": self.option,
            "sentence": self.sentence,
            "finding": self.finding,
            "difference": None if self.difference is None else asdict(self.difference),
            "beyond": None if self.beyond is None else asdict(self.beyond),
            "objective": self.objective,
            "options": self.table.to_dict("records"),
        }


def reach_verdict(judged: Mapping[str, Judged], measure: Measure) -> Verdict:
    """Decide between options that were judged on the same rows.

    Parameters
    ----------
    judged : mapping of str to Judged
        The first with people's labels alone is preferred unless another is surely
        better.
    measure : Measure

    Returns
    -------
    Verdict
    """
    losses = {name: measure.loss(found) for name, found in judged.items()}
    people = [name for name in judged if not name.startswith(ASSIGNED)]
    assigning = [name for name in judged if name not in people]
    taking_part = [name for name in assigning if judged[name].n_labels.any()]
    having = [name for name in taking_part if name != WHOLE_POOL]
    seen = _sees_every_class(judged, measure)
    better = _surely_better(judged, measure, people[1:], people[0]) if seen else []
    without = safest = _lowest(losses, better) if better else people[0]
    if seen and WHOLE_POOL in taking_part and _pool_helps(judged, measure, without):
        safest = WHOLE_POOL
    option = safest
    labeled, difference, beyond = None, None, None
    finding: Finding = "no labels"
    if having:
        among = len(having)
        better = _surely_better(judged, measure, having, without, among)
        labeled = _lowest(losses, better or having)
        difference = measure.difference(judged[labeled], judged[without], among)
        beyond = measure.difference(judged[labeled], judged[people[0]], among)
        finding = _finding(difference) if seen else "no difference"
        if finding == "better":
            option = _lowest(losses, [option, labeled])

    def beside(name: str) -> Difference:
        among = len(having) if {name, option} & {*having} else 1
        return measure.difference(judged[name], judged[option], among)

    table = _table(judged, measure, losses, beside)
    other = _compared_with(option, without, labeled, losses)
    loss = measure.name.replace("_", " ")
    compared = "" if other is None else _in_words(other, beside(other), loss)
    lowest, further = _lowest(losses, [*people, *taking_part]), ""
    if lowest not in (option, other):
        bar = people[0] if lowest in people else without
        bar = safest if lowest == WHOLE_POOL else bar
        called = f"The {loss} of {lowest!r} is the lowest"
        further = _ahead_in_words(lowest, called, beside(lowest), bar)
    tried = WHOLE_POOL in judged and option != WHOLE_POOL
    if tried and not (further and lowest == WHOLE_POOL):
        ahead = ""
        if WHOLE_POOL in taking_part:
            called = f"The {loss} of {WHOLE_POOL!r} is lower"
            behind = beside(WHOLE_POOL)
            ahead = _ahead_in_words(WHOLE_POOL, called, behind, safest)
        further += ahead or f" The whole pool does not lower the {loss}."
    reason = _reason(finding, option, compared)
    if not seen:
        reason, further = UNSEEN, ""
    weight = float(np.median(judged[option].validation_weight))
    action = ACTIONS.get(option, f"follow the option {option!r}").format(weight=weight)
    sentence = f"Advice: {action}; {reason}.{further}"
    return Verdict(option, sentence, finding, difference, measure.name, table, beyond)


def _pool_helps(judged: Mapping[str, Judged], measure: Measure, without: str) -> bool:
    """Whether the whole pool has a lower loss, and a lower cautious loss."""
    pool, plain = judged[WHOLE_POOL], judged[without]
    return measure.loss(pool) < measure.loss(plain) and (
        measure.cautious_loss(pool) < measure.cautious_loss(plain)
    )


def _surely_better(
    judged: Mapping[str, Judged],
    measure: Measure,
    names: list[str],
    than: str,
    among: int = 1,
) -> list[str]:
    """Those of some options that are surely better than another."""

    def finding(name: str) -> Finding:
        return _finding(measure.difference(judged[name], judged[than], among))

    return [name for name in names if finding(name) == "better"]


def _sees_every_class(judged: Mapping[str, Judged], measure: Measure) -> bool:
    """Whether every class has a validation row; else they show nothing."""
    n_classes = next(iter(judged.values())).logits.shape[2]
    return bool(len(np.unique(measure.truth.labels)) == n_classes)


def _lowest(losses: Mapping[str, float], names: list[str]) -> str:
    return min(names, key=losses.__getitem__)


def _finding(difference: Difference) -> Finding:
    if not difference.is_sure:
        return "no difference"
    return "better" if difference.mean < 0 else "worse"


def _compared_with(
    option: str, without: str, labeled: str | None, losses: Mapping[str, float]
) -> str | None:
    """The option that the reason compares the advised one with; None if it is alone."""
    if option != without:
        return without
    rest = [name for name in losses if name != option and not name.startswith(ASSIGNED)]
    if labeled is not None:
        return labeled
    if TRAIN_ONLY in rest:
        return TRAIN_ONLY
    return _lowest(losses, rest) if rest else None


def _reason(finding: Finding, option: str, compared: str) -> str:
    """Why an option is advised, given how it compares with another."""
    if option == WHOLE_POOL:
        return compared
    before = {
        "better": "",
        "worse": "assigned labels do worse here: ",
        "no difference": "assigned labels add nothing that is sure: ",
        "no labels": "no label was kept; ",
    }
    return (before[finding] + compared).removesuffix("; ")


def _in_words(other: str, found: Difference, objective: str) -> str:
    """How the loss of another option compares with that of the advised one."""
    if found.lower == found.upper == 0:
        return f"the {objective} of {other!r} is the same"
    size = f"{abs(found.mean):.4f} {'higher' if found.mean >= 0 else 'lower'}"
    if round(found.mean, 4) == 0:
        size = "as high"
    return f"the {objective} of {other!r} is {size} ({_interval(found)})"


def _ahead_in_words(name: str, called: str, found: Difference, bar: str) -> str:
    """A sentence that an option named nowhere else is ahead of the advised one.

    Parameters
    ----------
    name : str
    called : str
        How the sentence begins.
    found : Difference
        How much higher its loss is than that of the advised one.
    bar : str
        What it would have to be surely better than.
    """
    if round(found.mean, 4) >= 0:  # the same in all figures that are shown
        return ""
    words = f" {called}, by {-found.mean:.4f}"
    words += f" ({_interval(found)})"
    if name == WHOLE_POOL:
        words += (
            f", but with two more validation rows predicted wrong that of {bar!r} "
            "would be lower"
        )
    elif found.is_sure:
        words += f", but not surely lower than that of {bar!r}"
    return f"{words}."


def _interval(found: Difference) -> str:
    """The interval of a difference, as in the table."""
    of = " of the difference" if found.mean < 0 else ""
    words = f"95% interval{of} {found.lower:z.4f} to {found.upper:z.4f}"
    if found.among > 1:
        words += f", allowing for {found.among} such options"
    return words if found.is_sure else f"{words}; maybe by chance"


def _table(
    judged: Mapping[str, Judged],
    measure: Measure,
    losses: Mapping[str, float],
    beside: Callable[[str], Difference],
) -> pd.DataFrame:
    rows = []
    for name, found in judged.items():
        behind = beside(name)
        rows.append(
            {
                "option": name,
                "accuracy": measure.accuracy(found),
                "loss": losses[name],
                "difference": behind.mean,
                "lower": behind.lower,
                "upper": behind.upper,
                "C": float(np.median(found.C)),
                "validation_weight": float(np.median(found.validation_weight)),
                **rows_by_kind(name, float(np.mean(found.n_labels))),
            }
        )
    return pd.DataFrame(rows)
