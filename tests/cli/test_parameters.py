"""The options that commands share: what is let through and what is refused."""

import inspect
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salutary.cli.parameters import check_numbers, check_objective
from salutary.cli.texts import takes_texts, texts_of
from salutary.errors import InputError

GOOD: dict[str, Any] = {
    "budget": 1,
    "batch_size": 1,
    "c": 1.0,
    "min_influence_z": 0.0,
    "seed": 0,
}


@given(
    st.none() | st.integers(1),
    st.none() | st.integers(1),
    st.floats(1e-100, allow_infinity=False),
    st.floats(0, allow_infinity=False),
    st.integers(0, 2**32 - 1),
)
def test_numbers_within_their_range_pass(
    budget: int | None, batch_size: int | None, c: float, z: float, seed: int
) -> None:
    check_numbers(budget, batch_size, c, z, seed)


TOO_SMALL = st.integers(max_value=0)
TOO_STRONG = st.floats(max_value=1e-100, exclude_max=True)
NO_PENALTY = TOO_STRONG | st.just(float("inf")) | st.just(float("nan"))
NEGATIVE = st.floats(max_value=0, exclude_max=True).filter(lambda z: z < 0)
OUTSIDE: dict[str, tuple[str, st.SearchStrategy[Any]]] = {
    "budget": ("--budget", TOO_SMALL),
    "batch_size": ("--batch-size", TOO_SMALL),
    "c": ("--C", NO_PENALTY),
    "min_influence_z": (
        "--min-influence-z",
        NEGATIVE | st.just(float("inf")) | st.just(float("nan")),
    ),
    "seed": ("--seed", st.integers(max_value=-1) | st.integers(2**32)),
}


@pytest.mark.parametrize("name", OUTSIDE)
@given(st.data())
def test_a_number_out_of_range_is_named_with_its_option(
    name: str, data: st.DataObject
) -> None:
    option, strategy = OUTSIDE[name]
    value = data.draw(strategy)
    with pytest.raises(InputError) as error:
        check_numbers(**{**GOOD, name: value})
    message = str(error.value)
    assert message.startswith(f"{option} {value}: must be ")
    assert "\n" not in message


NAMES = ["log_loss", "balanced", "worst_group", "cost"]


@pytest.mark.parametrize("costs", [None, Path("costs.csv")])
@pytest.mark.parametrize("group", [None, "site"])
@pytest.mark.parametrize("name", NAMES)
def test_an_objective_comes_with_what_it_needs_and_nothing_else(
    name: Any, group: str | None, costs: Path | None
) -> None:
    needs = {"worst_group": ("site", None), "cost": (None, Path("costs.csv"))}
    if (group, costs) == needs.get(name, (None, None)):
        check_objective(name, group, costs)
        return
    with pytest.raises(InputError) as error:
        check_objective(name, group, costs)
    message = str(error.value)
    if name == "worst_group" and group is None:
        assert message == "--objective worst_group: needs --group; pass it"
    elif name == "cost" and costs is None and group is None:
        assert message == "--objective cost: needs --costs; pass it"
    elif name != "worst_group" and group is not None:
        assert message.startswith("--group site: is for --objective worst_group; pass")
    else:
        assert message.startswith("--costs costs.csv: is for --objective cost; pass")


def test_the_smallest_c_is_told() -> None:
    with pytest.raises(InputError) as error:
        check_numbers(**{**GOOD, "c": 1e-320})
    words = "must be at least 1e-100 and finite, for instance 1.0"
    assert str(error.value) == f"--C {1e-320}: {words}"


def test_the_options_about_texts_take_the_place_of_the_parameter() -> None:
    seen = []

    @takes_texts
    def command(first: int, texts: Any = None, last: int = 0) -> None:
        seen.append((first, texts, last))

    names = list(inspect.signature(command).parameters)
    options = list(inspect.signature(texts_of).parameters)
    assert names == ["first", *options, "last"]
    assert options == [
        *["text_column", "text_pair", "embedder"],
        *["pooling", "device", "embedding_cache"],
    ]
    command(first=1, text_column="q", text_pair="a", embedder="m", last=2)
    [(first, texts, last)] = seen
    assert (first, last) == (1, 2)
    assert (texts.columns, texts.embedder, texts.pooling) == (("q", "a"), "m", "mean")
    command(first=1, text_column=None)
    assert seen[1] == (1, None, 0)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"text_pair": "a"}, "--text-pair a: needs --text-column"),
        ({"embedder": "m"}, "--embedder m: needs --text-column"),
        ({"pooling": "last"}, "--pooling last: needs --text-column"),
        ({"device": "cpu"}, "--device cpu: needs --text-column"),
        ({"embedding_cache": Path("c")}, "--embedding-cache c: needs --text-column"),
        ({"text_column": "q"}, "--text-column q: needs --embedder"),
        (
            {"text_column": "q", "embedder": "m", "text_pair": "q"},
            "--text-pair q: is --text-column too; pass another column",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else "",
)
def test_options_about_texts_come_together(options: Any, words: str) -> None:
    with pytest.raises(InputError) as error:
        texts_of(**options)
    assert str(error.value).startswith(words)
