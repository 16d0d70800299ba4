"""Displays: what is drawn is what the frames say, whatever these hold."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.testing import assert_allclose, assert_array_equal

from salutary import (
    AdviceDisplay,
    LabelDisplay,
    LearningCurveDisplay,
    PromiseDisplay,
)
from salutary.displays.curves import DASHES
from salutary.names import TAKING_POOL
from tests.displays.made import HOSTILE, Frames, frames, verdict

OF_RUNS = (LearningCurveDisplay, LabelDisplay, PromiseDisplay)

RUNS: dict[str, Callable[[], Frames]] = {
    "plain": frames,
    "all kept": lambda: frames(best_round=6),
    "none kept": lambda: frames(best_round=0),
    "one round": lambda: frames(1, best_round=1),
    "no round": lambda: frames(0, best_round=0),
    "no guard": lambda: frames(best_round=6, guard=False),
    "no guard, no round": lambda: frames(0, best_round=0, guard=False),
    "one class": lambda: frames(classes=["one"]),
    "one label": lambda: frames(1, 1, best_round=1),
    "100 classes": lambda: frames(30, classes=[f"class {k}" for k in range(100)]),
    "numbers": lambda: frames(classes=[-1, 0, 1]),
    "10,000 labels": lambda: frames(100, 100),
    "hostile": lambda: frames(20, classes=HOSTILE),
}


def axes() -> Axes:
    return Figure(layout="constrained").subplots()


def texts(ax: Axes) -> list[str]:
    legend = ax.get_legend()
    return [] if legend is None else [text.get_text() for text in legend.get_texts()]


@pytest.mark.parametrize("name", RUNS)
@pytest.mark.parametrize("display", OF_RUNS)
def test_every_run_is_drawn_without_a_warning(display: Any, name: str) -> None:
    ax = axes()
    drawn = display.from_frames(RUNS[name]()).plot(ax)
    assert (drawn.ax_, drawn.figure_) == (ax, ax.figure)
    ax.figure.canvas.draw()  # with warnings as errors


def test_the_curve_is_its_frame() -> None:
    run = frames()
    display = LearningCurveDisplay.from_frames(run).plot(axes())
    frame, drawn = display.frame, display.artists_
    for column in ("round", "validation_loss", "canary_loss", "undone"):
        assert_array_equal(frame[column], run.rounds[column])
    for name, column in (
        ("validation", "validation_loss"),
        ("held-out", "canary_loss"),
    ):
        assert_array_equal(drawn[name].get_xydata(), frame[["round", column]])
        undone = frame.loc[frame["undone"], ["round", column]]
        assert_array_equal(drawn[f"{name} undone"].get_xydata(), undone)
        assert drawn[f"{name} undone"].get_fillstyle() == "none"
        assert_array_equal(drawn[name].get_markevery(), ~frame["undone"])
    error = run.rounds["canary_se"].fillna(0)  # nothing has fallen at the start
    assert_allclose(frame["upper"] - frame["canary_loss"], error, atol=1e-15)
    corners = {tuple(corner) for corner in drawn["band"].get_paths()[0].vertices}
    for end in ("lower", "upper"):
        assert set(frame[["round", end]].itertuples(index=False, name=None)) <= corners
    for name, loss in (("train + validation", 0.41), ("train only", 0.55)):
        assert_array_equal(drawn[name].get_ydata(), [loss, loss])
        assert (frame[name] == loss).all()
    assert display.ax_.get_ylabel() == "log loss"


def test_without_a_guard_the_curve_has_validation_rows_alone() -> None:
    run = frames(best_round=6, guard=False)
    display = LearningCurveDisplay.from_frames(run).plot(axes())
    assert set(display.artists_) == {"validation"}
    assert texts(display.ax_) == ["validation rows"]
    assert display.ax_.get_ylabel() == "loss"


@pytest.mark.parametrize("name", ["validation only", "train + weighted validation"])
def test_the_best_option_without_labels_is_a_line_where_it_is_another_one(
    name: str,
) -> None:
    found = verdict()
    assert "validation only" not in LearningCurveDisplay.from_frames(frames()).frame
    found["options"][2] |= {"option": name, "loss": 0.3}
    run = frames(of_verdict=found)
    display = LearningCurveDisplay.from_frames(run).plot(axes())
    assert_array_equal(display.artists_[name].get_ydata(), [0.3, 0.3])
    assert f"{name}, best without labels" in texts(display.ax_)
    lines = ("train + validation", "train only", name)
    dashes = {str(display.artists_[line]._dash_pattern) for line in lines}
    assert len(dashes) == 3
    # That of labels is no line, however good it is.
    found["options"][3]["loss"] = 0.1
    assert "salutary" not in LearningCurveDisplay.from_frames(run).frame


def test_the_verdict_on_a_surrogate_is_no_line_beside_a_deep_models_losses() -> None:
    run = frames()
    run.facts["kind"] = "finetune"
    assert "train only" not in LearningCurveDisplay.from_frames(run).frame


def bars(collection: Any) -> np.ndarray:
    """Place, lower and upper end of each vertical bar."""
    segments = np.array(collection.get_segments())
    assert_array_equal(segments[:, 0, 0], segments[:, 1, 0])
    return np.column_stack([segments[:, 0], segments[:, 1, 1]])


@pytest.mark.parametrize("name", ["plain", "100 classes", "one label", "none kept"])
def test_the_labels_are_their_frame(name: str) -> None:
    run = RUNS[name]()
    display = LabelDisplay.from_frames(run).plot(axes())
    frame, drawn = display.frame, display.artists_
    error = run.labels["influence_se"]
    assert_allclose(frame["lower"], run.labels["influence"] - 2 * error)
    assert_allclose(frame["upper"], run.labels["influence"] + 2 * error)
    kept, undone, of_bars = [], [], []
    for part, artist in drawn.items():
        if part.endswith("bars"):
            of_bars.append(bars(artist))
        elif part.endswith(" undone"):
            undone.append(artist.get_xydata())
            assert artist.get_fillstyle() == "none"
        elif part != "undone":
            kept.append(artist.get_xydata())
    places = frame.assign(place=frame["position"] + 1)
    for found, rows in (
        (kept, places.loc[~places["undone"], ["place", "influence"]]),
        (undone, places.loc[places["undone"], ["place", "influence"]]),
        (of_bars, places[["place", "lower", "upper"]]),
    ):
        together = np.concatenate(found) if found else np.empty((0, rows.shape[1]))
        assert_array_equal(together[np.argsort(together[:, 0])], rows)


def test_each_class_has_labels_of_its_own() -> None:
    run = frames(classes=["a", "b", "c"])
    display = LabelDisplay.from_frames(run).plot(axes())
    counts = run.labels["label"].value_counts()
    names = [f"{name}: {count}" for name, count in counts.items()]
    assert texts(display.ax_) == [*names, "undone (hollow)"]
    for number, name in enumerate(counts.index):
        places = run.labels.loc[run.labels["label"] == name, "position"] + 1
        assert_array_equal(bars(display.artists_[f"class {number} bars"])[:, 0], places)


def test_of_many_classes_the_largest_have_a_look_of_their_own() -> None:
    run = RUNS["100 classes"]()
    display = LabelDisplay.from_frames(run).plot(axes())
    counts = run.labels["label"].value_counts()
    *own, others, _ = texts(display.ax_)
    assert own == [f"{name}: {count}" for name, count in counts.iloc[:5].items()]
    rest = counts.iloc[5:]
    assert others == f"{len(rest)} other classes: {rest.sum()}"


def test_a_label_without_an_error_has_no_bar() -> None:
    run = frames()
    run.labels.loc[3, "influence_se"] = np.nan
    display = LabelDisplay.from_frames(run).plot(axes())
    display.figure_.canvas.draw()
    assert display.frame["lower"].isna().sum() == 1


def test_labels_that_reach_zero_are_counted() -> None:
    run = frames()
    display = LabelDisplay.from_frames(run).plot(axes())
    labels = run.labels
    n_unsure = int((labels["influence"] <= 2 * labels["influence_se"]).sum())
    assert f"({n_unsure} of 60 bars reach zero)" in display.ax_.get_xlabel()


def test_promises_are_sums_of_influences_and_falls_are_differences() -> None:
    run = frames()
    display = PromiseDisplay.from_frames(run).plot(axes())
    frame, rounds = display.frame.set_index("round"), run.rounds.set_index("round")
    assert list(frame.index) == [1, 2, 3, 4, 5, 6]
    for number, row in frame.iterrows():
        labels = run.labels[run.labels["round"] == number]
        assert row["n_labels"] == len(labels)
        assert row["promised"] == pytest.approx(labels["influence"].sum())
        error = labels["influence_se"].sum()
        assert row["upper"] - row["promised"] == pytest.approx(error)
        assert row["promised"] - row["lower"] == pytest.approx(error)
        for column, loss in (
            ("validation", "validation_loss"),
            ("held_out", "canary_loss"),
        ):
            fall = rounds.loc[number - 1, loss] - rounds.loc[number, loss]
            assert row[column] == pytest.approx(fall)


def test_the_drawn_promises_are_the_frame() -> None:
    display = PromiseDisplay.from_frames(frames()).plot(axes())
    frame, drawn = display.frame, display.artists_
    for name, place in (("promised", -0.2), ("validation", 0.0), ("held_out", 0.2)):
        points = np.column_stack([frame["round"] + place, frame[name]])
        undone = frame["undone"].to_numpy()
        assert_allclose(drawn[name].get_xydata(), points[~undone])
        assert_allclose(drawn[f"{name} undone"].get_xydata(), points[undone])
    assert_allclose(bars(drawn["bars"])[:, 1:], frame[["lower", "upper"]])


def test_an_error_that_is_not_known_is_not_drawn_as_small() -> None:
    run = frames()
    run.labels.loc[0, "influence_se"] = np.nan
    frame = PromiseDisplay.from_frames(run).frame
    assert frame["upper"].isna().tolist() == [True] + [False] * 5
    assert frame["promised"].notna().all()


def test_the_advice_is_its_verdict() -> None:
    display = AdviceDisplay.from_verdict(verdict()).plot(axes())
    frame, drawn = display.frame, display.artists_
    columns = ["option", "loss", "difference", "lower", "upper"]
    pd.testing.assert_frame_equal(
        frame[columns], pd.DataFrame(verdict()["options"])[columns]
    )
    assert frame["assigned"].tolist() == [False] * 3 + [True] * 2
    for kind, rows in (("people", frame.iloc[:3]), ("assigned", frame.iloc[3:])):
        points = np.column_stack([rows["difference"], rows.index])
        assert_array_equal(drawn[kind].get_xydata(), points)
        segments = np.array(drawn[f"{kind} bars"].get_segments())
        assert_array_equal(segments[:, :, 0], rows[["lower", "upper"]])
        assert_array_equal(segments[:, 0, 1], rows.index)
    ticks = [text.get_text() for text in display.ax_.get_yticklabels()]
    assert ticks[0] == "▸ train + validation  0.4100"
    assert ticks[3] == "salutary  0.4400"
    low, high = display.ax_.get_ylim()
    assert low > high  # the first option is on top


def test_options_in_which_the_pool_takes_part_look_their_own() -> None:
    figures = verdict()
    for row, name in zip(figures["options"][3:], TAKING_POOL, strict=False):
        row["option"] = name
    display = AdviceDisplay.from_verdict(figures).plot(axes())
    assert display.frame["whole_pool"].tolist() == [False] * 3 + [True] * 2
    assert not display.frame["assigned"].any()
    assert {*display.artists_} == {"people", "people bars", "pool", "pool bars"}
    assert_array_equal(display.artists_["pool"].get_ydata(), [3, 4])
    legend = display.ax_.get_legend().get_texts()
    assert legend[-1].get_text() == "with the whole pool, without labels"
    # A frame of one's own needs no such column.
    frame = display.frame.drop(columns="whole_pool")
    AdviceDisplay(frame, option=display.option).plot(axes())


def test_options_of_any_name_are_drawn() -> None:
    figures = verdict()
    figures["objective"] = "$\\frac{" + "x" * 100_000
    for row, name in zip(figures["options"], HOSTILE, strict=False):
        row["option"] = name
    figures["option"] = HOSTILE[3]
    AdviceDisplay.from_verdict(figures).plot(axes()).figure_.canvas.draw()


@pytest.mark.parametrize("display", OF_RUNS)
def test_options_of_lines_can_be_set(display: Any) -> None:
    drawn = display.from_frames(frames()).plot(axes(), markersize=11)
    assert any(
        getattr(artist, "get_markersize", float)() == 11
        for artist in drawn.artists_.values()
    )


def test_few_large_values_do_not_flatten_the_others() -> None:
    even = LabelDisplay.from_frames(frames()).plot(axes())
    assert even.ax_.get_yscale() == "asinh"
    assert "stretched near zero" in even.ax_.get_ylabel()
    run = frames()
    run.labels.loc[0, ["influence", "influence_se"]] = 0.005
    run.labels["influence"] = run.labels["influence"].clip(lower=0.002)
    plain = LabelDisplay.from_frames(run).plot(axes())
    assert plain.ax_.get_yscale() == "linear"


def test_without_axes_a_figure_is_made() -> None:
    plt = pytest.importorskip("matplotlib.pyplot")
    display = LearningCurveDisplay.from_frames(frames()).plot()
    assert display.figure_.number in plt.get_fignums()
    plt.close(display.figure_)


def test_without_axes_and_with_a_backend_that_is_not_there_it_can_be_saved() -> None:
    code = """
from io import BytesIO
from salutary import LearningCurveDisplay
from tests.displays.made import frames
display = LearningCurveDisplay.from_frames(frames()).plot()
file = BytesIO()
display.figure_.savefig(file)
print(len(file.getvalue()) > 1000)
"""
    found = subprocess.run(
        [sys.executable, "-c", code],
        # Without a display no window can be opened.
        env={**without("DISPLAY", "WAYLAND_DISPLAY"), "MPLBACKEND": "tkagg"},
        capture_output=True,
        text=True,
    )
    assert (found.stdout, found.stderr) == ("True\n", "")


def without(*names: str) -> dict[str, str]:
    """The environment without some variables."""
    return {name: value for name, value in os.environ.items() if name not in names}


def test_a_color_is_never_all_that_tells_two_series_apart() -> None:
    run = frames(classes=list("abcdefg"))
    for display in OF_RUNS:
        drawn = display.from_frames(run).plot(axes()).artists_
        looks = [
            (artist.get_marker(), artist.get_linestyle(), artist.get_fillstyle())
            for artist in drawn.values()
            if hasattr(artist, "get_marker") and artist.get_marker() != "None"
        ]
        assert len(looks) == len({*looks}), display
    dashes = [*DASHES.values()]
    assert len(dashes) == len({*dashes})


def test_matplotlib_is_imported_only_to_draw() -> None:
    code = (
        "import sys\n"
        "from salutary import AdviceDisplay, LabelDisplay, LearningCurveDisplay\n"
        "from salutary import Advice, PromiseDisplay, Relabeling, SalutaryClassifier\n"
        "sys.exit('matplotlib' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.parametrize(
    "display", [LabelDisplay, PromiseDisplay, LearningCurveDisplay]
)
@pytest.mark.parametrize(
    "own", [{"color": "k"}, {"c": "k"}, {"ls": ":"}, {"ms": 3, "gid": "mine"}]
)
def test_any_property_of_lines_can_be_set(display: Any, own: dict[str, Any]) -> None:
    drawn = display.from_frames(frames()).plot(axes(), **own)
    lines = [each for each in drawn.artists_.values() if isinstance(each, Line2D)]
    if "ms" in own:
        assert any(line.get_markersize() == 3 for line in lines)
        assert any(line.get_gid() == "mine" for line in lines)
    elif "ls" in own:
        assert any(line.get_linestyle() == ":" for line in lines)
    else:
        assert any(line.get_color() == "k" for line in lines)
