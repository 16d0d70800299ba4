"""`Advice`: what `salutary.advise` returns, to be looked at and followed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from salutary.advice.comparison import Comparison, how_pool_is_used, rows_of_pool
from salutary.displays.advice import AdviceDisplay
from salutary.displays.reprs import in_a_notebook, on_a_screen, options_table

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, repr=False)
class Advice(Comparison):
    """The result of `salutary.advise`: which option does best, and by how much.

    Parameters
    ----------
    verdict : Verdict
        What was compared, and the decision.
    n_train, n_validation, n_pool : int
        Numbers of rows.
    n_pool_used : int
        Number of pool rows that were used. Of more than 20,000 a part is drawn, unless
        all were wanted.
    splits, repeats : int
        Number of folds, and how often the cross-fitting was repeated.
    classes_not_validated : list of str
        Classes that no validation row has. Nothing shows what helps for them.
    whole_pool_rows : dict of str to int
        How many pool rows take part under each method of the option "whole pool", where
        the pool is not left alone. Empty without a pool.
    pool_method : str or None
        The method by which an advised pool takes part in the last fit, one of
        `SemiSupervisedClassifier`; None otherwise.
    pool_left_alone : bool or None
        Whether the whole pool is advised, but the last fit, on all rows, leaves it
        alone: then ``model_`` is that of training on both tables. None only on the
        command line without ``--out``, where there is no last fit.
    model_ : Pipeline or classifier
        The advised option, fitted on all rows. It takes rows as `salutary.advise` was
        given them.

    See Also
    --------
    salutary.advise : Compares the options.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from salutary import advise
    >>> X, y = load_iris(return_X_y=True)
    >>> advice = advise(
    ...     X[::9], y[::9], X[1::3], y[1::3], splits=2, repeats=1, random_state=0
    ... )
    >>> advice.option
    'train + validation'
    >>> differences = advice.table.set_index("option")["difference"]
    >>> bool(differences["train only"] > 0)  # its log loss is higher
    True
    >>> advice.to_dict()["n_validation"]
    50
    """

    model_: Any = None

    def plot(self, ax: Axes | None = None, **kwargs: Any) -> AdviceDisplay:
        """Draw how far each option is behind the advised one, with intervals.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; by default in a new figure.
        **kwargs
            See `AdviceDisplay.plot`.

        Returns
        -------
        AdviceDisplay
        """
        return AdviceDisplay.from_advice(self).plot(ax, **kwargs)

    def __repr__(self) -> str:
        return on_a_screen(self.sentence, options_table(self.verdict), self._rows())

    def _repr_html_(self) -> str:
        return in_a_notebook(self.sentence, options_table(self.verdict), self._rows())

    def _rows(self) -> str:
        pool = f", {self.n_pool} in the pool" if self.n_pool else ""
        used = f", of which {self.n_pool_used} were used"
        rows = (
            f"Rows: {self.n_train} to train, {self.n_validation} to validate{pool}"
            f"{used if self.n_pool_used < self.n_pool else ''}."
        )
        told = self.to_dict()
        return " ".join(
            [rows, *rows_of_pool(told, "use_all=True"), *how_pool_is_used(told)]
        )
