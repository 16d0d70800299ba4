"""What to train on when the training rows differ from the rows to predict?

    python -m studies.shift

trains on white wine to judge red, on the one half of CelebA to judge the other, and on
Bank's calls of May to judge those of November, under every option of
``salutary advise``. It writes ``docs/studies/shift`` and resumes from the measurements
it finds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy.stats import ttest_1samp

from salutary.advice.options import options_of
from salutary.advice.task import AdviceTask
from salutary.influence.objectives import log_losses
from salutary.labeling.rows import LabeledRows
from salutary.labeling.tuning import probabilities
from salutary_benchmark.data.splits import make_encoder
from salutary_benchmark.experiments.experiment import Display
from studies.writing import environment, real_data, write_study

CASES = ("wine, white to red", "celeba, women to men", "celeba, young to old", "bank")
SIZES = (50, 200)
"""Numbers of validation rows."""

SEEDS = range(10)
N_TRAIN, N_POOL, N_TEST = 300, 2_000, 1_000
BUDGET, BATCH = 100, 10
REFERENCE = "train + validation"


@lru_cache(maxsize=1)
def halves(case: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows to train on and the rows to predict, with their ``label``."""
    folder = real_data()
    if case.startswith("wine"):
        rows = pd.read_parquet(folder / "wine_quality.parquet")
        # Red wine has only ten bottles of the rarest grades.
        rows["label"] = rows["label"].clip(4, 7)
        first, column = rows["color"] == "white", "color"
    elif case.startswith("celeba"):
        rows = pd.read_parquet(folder / "celeba_attributes.parquet")
        column = "Male" if case.endswith("men") else "Young"
        first = (rows[column] > 0) == (column == "Young")
    else:
        rows = pd.read_parquet(folder / "bank_marketing.parquet")
        rows = rows[(rows != "unknown").all(axis=1)].drop(columns="duration")
        rows = rows[rows["month"].isin(["may", "nov"])]
        first, column = rows["month"] == "may", "month"
    rows = rows.drop(columns=column)
    return rows[first.loc[rows.index]], rows[~first.loc[rows.index]]


def draw(case: str, n_validation: int, seed: int) -> tuple[AdviceTask, LabeledRows]:
    """A task with training rows of one half and all else of the other; test rows."""
    source, target = halves(case)
    train = source.sample(N_TRAIN, random_state=seed)
    shuffled = target.sample(frac=1, random_state=seed)
    test, validation = shuffled[:N_TEST], shuffled[N_TEST : N_TEST + n_validation]
    n_pool = min(N_POOL, len(shuffled) - N_TEST - max(SIZES))
    pool = shuffled[len(shuffled) - n_pool :]
    classes = np.unique(train["label"])
    seen = pd.concat([train, pool], ignore_index=True).drop(columns="label")
    encoder = make_encoder("table", seed).fit(seen)

    def encoded(rows: pd.DataFrame) -> LabeledRows:
        rows = rows[rows["label"].isin(classes)]
        X = np.asarray(encoder.transform(rows.drop(columns="label")), np.float64)
        labels = np.searchsorted(classes, rows["label"]).astype(np.intp)
        return LabeledRows(X, labels, np.ones(len(rows)))

    found = AdviceTask(
        classes=np.arange(len(classes)),
        train=encoded(train),
        validation=encoded(validation),
        pool=encoded(pool).X,
        budget=BUDGET,
        batch_size=BATCH,
        seed=seed,
    )
    return found, encoded(test)


def measure(case: str, n_validation: int, seed: int) -> Iterator[dict[str, Any]]:
    """Every option on one draw."""
    drawn, test = draw(case, n_validation, seed)
    for name, option in options_of(drawn).items():
        chance = probabilities(option(drawn).model, test.X, drawn.classes)
        yield {
            "option": name,
            "log_loss": float(log_losses(chance, test.labels).mean()),
            "accuracy": float(np.mean(chance.argmax(axis=1) == test.labels)),
        }


@dataclass(frozen=True)
class Options:
    """A measure of every option, case by case, against training on both.

    Parameters
    ----------
    found : DataFrame
        Measurements with one number of validation rows.
    measure : {"accuracy", "log_loss"}
    """

    found: pd.DataFrame
    measure: str

    def _wide(self, case: str) -> pd.DataFrame:
        own = self.found[self.found["case"] == case]
        wide = own.pivot(index="seed", columns="option", values=self.measure)
        return wide[own["option"].unique()]

    def frame(self) -> pd.DataFrame:
        """Means and standard errors over the draws.

        + and - where a paired t-test says that the option is better or worse than
        training on both, p < 0.05.
        """
        columns: dict[str, Any] = {"option": self._wide(CASES[0]).columns}
        sign = 1 if self.measure == "accuracy" else -1
        for case in CASES:
            wide, cells = self._wide(case), []
            for name in wide:
                gain, mark = sign * (wide[name] - wide[REFERENCE]), ""
                if gain.std() > 0 and ttest_1samp(gain, 0).pvalue < 0.05:
                    mark = " +" if gain.mean() > 0 else " -"
                cells.append(f"{wide[name].mean():.3f} ± {wide[name].sem():.3f}{mark}")
            columns[case] = cells
        return pd.DataFrame(columns)

    def plot(self) -> Figure:
        """How far each option is from training on both."""
        figure = Figure(figsize=(11, 4), layout="constrained")
        panels = figure.subplots(1, len(CASES), sharey=True)
        for panel, case in zip(panels, CASES, strict=True):
            wide = self._wide(case)
            change = wide.sub(wide[REFERENCE], axis=0)
            places = np.arange(change.shape[1])
            panel.errorbar(change.mean(), places, xerr=change.sem(), fmt="o", ms=4)
            panel.axvline(0, color="0.6", lw=0.8)
            panel.set_title(case, fontsize=9)
            measure = self.measure.replace("_", " ")
            panel.set_xlabel(f"{measure} less both's", fontsize=8)
            panel.set_yticks(places, change.columns, fontsize=8)
        panels[0].invert_yaxis()
        return figure


def shown(found: pd.DataFrame) -> dict[str, Display]:
    """Log loss and accuracy, for each number of validation rows."""
    displays: dict[str, Display] = {}
    for size in SIZES:
        of_size = found[found["n_validation"] == size]
        displays[f"Log loss, {size} validation rows"] = Options(of_size, "log_loss")
        displays[f"Accuracy, {size} validation rows"] = Options(of_size, "accuracy")
    return displays


READING = f"""\
{N_TRAIN} training rows of one kind; {" or ".join(map(str, SIZES))} validation rows, the
pool ({N_POOL} rows, or what there is) and {N_TEST} test rows of another; drawn anew
{len(SEEDS)} times. Wine: white, then red; grades up to 4 and from 7 on are one each.
CelebA: the attribute that parts the rows is no feature. Bank: May, then November;
complete rows, without `duration` and `month`. The options are those of
`salutary advise`, each with its C tuned on validation rows; {BUDGET} labels in rounds
of {BATCH}. + and - mark a paired t-test against "{REFERENCE}" with p < 0.05, without
correction."""


def main() -> None:
    write_study(
        "shift",
        {"seed": SEEDS, "case": CASES, "n_validation": SIZES},
        measure,
        shown,
        heading=(
            "What to train on when the training rows are of another kind?",
            f"{environment()}.\n\n{READING}",
        ),
        jobs=1,
    )


if __name__ == "__main__":
    main()
