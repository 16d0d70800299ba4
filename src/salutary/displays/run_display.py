"""`RunDisplay`: where the displays of a run get it from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import pandas as pd

from salutary.displays.frames import RunFrames

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure


class RunDisplay:
    """A picture of what a run did, made of an estimator, a directory or frames."""

    frame: pd.DataFrame
    ax_: Axes
    figure_: Figure | SubFigure
    artists_: dict[str, Artist]

    @classmethod
    def from_estimator(cls, estimator: Any) -> Self:
        """That of a fitted estimator which labels rows.

        Parameters
        ----------
        estimator : SalutaryClassifier or SalutaryFineTuner
        """
        return cls.from_frames(RunFrames.of_estimator(estimator))

    @classmethod
    def from_run(cls, path: Path | str) -> Self:
        """That of a run in a directory.

        Parameters
        ----------
        path : Path or str
            The ``--out`` of ``salutary label``, ``relabel`` or ``finetune``.

        Raises
        ------
        InputError
            If it holds no run.
        """
        return cls.from_frames(RunFrames.of_run(path))

    @classmethod
    def from_frames(cls, frames: RunFrames) -> Self:
        """That of what a run did, as tables."""
        raise NotImplementedError
