"""``salutary demo``: salutary labels on data that comes with scikit-learn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from salutary.cli import parameters
from salutary.cli.conventions import is_conventional
from salutary.cli.terminal import display, print_json, say
from salutary.names import TRAIN_AND_VALIDATION, TRAIN_ONLY

if TYPE_CHECKING:
    import pandas as pd

N_LABELED = 100
N_BOUGHT = 100
N_SPLITS = 5

SALUTARY = "salutary"
MARGIN = "true labels, margin"


@is_conventional
def demo(as_json: parameters.AsJson = False) -> None:
    """Label scikit-learn's digits, and compare the alternatives.

    Of the 1797 images, 100 have labels, 20% are validation rows, 20% are test rows, and
    the rest is the pool. Salutary labels 100 pool images without asking anyone. Active
    learning buys 100 true labels instead. 'train + validation' uses no pool image. The
    figures are means over five splits.

    Example: salutary demo
    """
    if as_json:
        print_json(_document(_results()))
        return
    say(
        "Handwritten digits (scikit-learn), pixels standardized: 100 labeled images, "
        "359 to validate, 979 without labels, 359 to test. Logistic regression, C = 1; "
        f"mean ± standard error over {N_SPLITS} splits."
    )
    results = _results()
    Console().print(_table(results))
    say(conclusion(results))


def _results() -> pd.DataFrame:
    """Accuracy and log loss of every contender on every split."""
    # Imported here: 'salutary --help' needs none of it.
    import pandas as pd
    from sklearn.datasets import load_digits
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import scale
    from threadpoolctl import threadpool_limits

    from salutary.cli.contenders import CONTENDERS, Plan, compare, split

    X, y = load_digits(return_X_y=True)
    plan = Plan(LogisticRegression(C=1.0, max_iter=1000), budget=N_BOUGHT)
    results = []
    with (
        display(N_SPLITS * len(CONTENDERS), "models") as shown,
        threadpool_limits(limits=1, user_api="blas"),
    ):
        for seed in range(N_SPLITS):
            data = split(scale(X), y, n_labeled=N_LABELED, seed=seed)
            for result in compare(data, plan, seed):
                results.append(result)
                shown.advance(1, f"split {seed + 1} of {N_SPLITS}")
    return pd.DataFrame(results)


def _table(results: pd.DataFrame) -> Table:
    table = Table()
    table.add_column("trained on")
    for column in ("labels bought", "accuracy", "log loss"):
        table.add_column(column, justify="right")
    for name in results["contender"].unique():
        rows = results[results["contender"] == name]
        table.add_row(
            name,
            str(_bought(name)),
            _mean(rows["accuracy"]),
            _mean(rows["log_loss"]),
        )
    return table


def _document(results: pd.DataFrame) -> dict[str, Any]:
    """The table for a program: of each figure the mean and its standard error."""
    figures = results.groupby("contender", sort=False)[["accuracy", "log_loss"]]
    found = figures.agg(["mean", "sem"])
    return {
        "splits": N_SPLITS,
        "contenders": [
            {
                "trained_on": name,
                "labels_bought": _bought(str(name)),
                **{
                    figure: {
                        "mean": float(row[figure, "mean"]),
                        "se": float(row[figure, "sem"]),
                    }
                    for figure in ("accuracy", "log_loss")
                },
            }
            for name, row in found.iterrows()
        ],
        "conclusion": conclusion(results),
    }


def _bought(contender: str) -> int:
    return N_BOUGHT if contender.startswith("true labels") else 0


def _mean(values: Any) -> str:
    return f"{values.mean():.3f} ± {values.sem():.3f}"


def conclusion(results: pd.DataFrame) -> str:
    """What the table means, in one sentence.

    Parameters
    ----------
    results : pandas.DataFrame
        With the columns contender and accuracy.

    Returns
    -------
    str
    """
    accuracy = results.groupby("contender")["accuracy"].mean()
    start, salutary, margin, both = (
        accuracy[name] for name in (TRAIN_ONLY, SALUTARY, MARGIN, TRAIN_AND_VALIDATION)
    )
    return (
        "Without asking anyone, salutary labels took accuracy from "
        f"{start:.3f} to {salutary:.3f}; {N_BOUGHT} true labels by margin "
        f"sampling are {_compared(margin, salutary)} ({margin:.3f}), and simply "
        f"fitting on {TRAIN_AND_VALIDATION}, without any pool, is "
        f"{_compared(both, salutary)} ({both:.3f})."
    )


def _compared(other: float, salutary: float) -> str:
    difference = round(other - salutary, 3)
    if difference == 0:
        return "just as good"
    return "better" if difference > 0 else "worse"
