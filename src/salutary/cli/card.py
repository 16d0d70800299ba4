"""The card about the tables of a run: what was found, and what will go wrong."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from math import isfinite
from typing import Any

from salutary.cli.terminal import printable
from salutary.errors import counted

MOST_LINES = 12
"""Lines of the card at the head of a run."""

MOST_NAMES = 4
"""Names in one list of the card."""

WIDTH = 12
"""Characters of the first column."""

KIND_WORDS = {
    "number": ("number", "numbers"),
    "boolean": ("true or false", "true or false"),
    "category": ("category", "categories"),
    "text": ("text", "texts"),
    "document": ("text to embed", "texts to embed"),
    "date": ("date", "dates"),
    "time": ("time of day", "times of day"),
    "duration": ("duration", "durations"),
    "vector": ("vector", "vectors"),
}
"""What one feature of a kind is called, and several."""

MANY_ROWS = 0.05
"""Share of a table's rows from which on a column, or copies, are warned of."""

FEW_ROWS = 30
"""With fewer validation rows chance decides too much."""

CLEAR_DRIFT = 0.7
"""From this figure on, tables are said to differ, if it is no chance."""

TABLES = {"train": "TRAIN", "validation": "VAL", "pool": "POOL"}


def card(checks: Mapping[str, Any]) -> list[str]:
    """The lines at the head of a run, twelve at most.

    Parameters
    ----------
    checks : mapping
        As from `Checks.to_dict`.
    """
    lines, warned = [*facts(checks)], [*_as_lines(warnings_of(checks))]
    room = MOST_LINES - len(lines)
    if len(warned) > room:
        left = len(warned) - room + 1
        more = f"warning: {left} more, which 'salutary check' shows"
        warned = [*warned[: room - 1], more]
    return [*lines, *warned]


def _as_lines(warned: Iterable[str]) -> Iterator[str]:
    yield from (f"warning: {text}" for text in warned)


def facts(checks: Mapping[str, Any], most_features: int = MOST_NAMES) -> Iterator[str]:
    """What was found, a line for each table and each group of columns.

    Of the features of each kind no more than ``most_features`` are named.
    """
    for name, n_rows in checks["rows"].items():
        parts = [counted(n_rows, "row")]
        if checks["examined"][name] < n_rows:
            parts[0] += f", {checks['examined'][name]} of them drawn to be looked at"
        if name in checks["classes"]:
            parts.append(_counts(checks["classes"][name]))
        if name == "pool":
            parts[1:] = [_pool_labels(checks)]
        beside = checks["beside"].get(name)
        if beside:
            if beside["recurring"]:
                parts.append(f"{_stand(beside['recurring'])} in TRAIN")
            if beside["drift"] is not None:
                parts.append(f"drift {beside['drift']:.2f} (0.5 if none)")
        yield _line(TABLES[name], "; ".join(parts))
    yield _line("features", _features(checks["features"], most_features))
    if checks["left_out"]:
        names = _names(
            [f"{_quoted(name)} ({what})" for name, what in checks["left_out"].items()]
        )
        yield _line("left out", f"{names}; --keep COLUMN makes one a feature")
    if checks["constant"]:
        names = _names(map(_quoted, checks["constant"]))
        yield _line("constant", f"{names}; one value in TRAIN, so of no use")
    for name, beside in checks["beside"].items():
        new = [
            f"{what} in {_shares(counts, checks['examined'][name])}"
            for what, counts in (
                ("new categories", beside["unseen_categories"]),
                ("numbers among texts", beside["numbers_among_texts"]),
                ("numbers far outside", beside["far_outside"]),
            )
            if counts
        ]
        if new:
            yield _line(f"new in {TABLES[name]}", "; ".join(new))


def _line(name: str, text: str) -> str:
    return f"{name:<{WIDTH}}{text}"


def _quoted(name: str) -> str:
    return f"'{_cut(name)}'"


def _cut(name: str) -> str:
    shown = printable(name)
    return shown if len(shown) <= 40 else f"{shown[:37]}..."


def _names(names: Iterable[str], most: int = MOST_NAMES) -> str:
    names = [*names]
    more = len(names) - most
    shown = ", ".join(names[:most])
    return f"{shown} and {more} more" if more > 0 else shown


def _counts(classes: Mapping[str, int]) -> str:
    return _names(f"{_cut(label)}: {count}" for label, count in classes.items())


def _pool_labels(checks: Mapping[str, Any]) -> str:
    marker = checks["pool_marker"]
    if "pool" in checks["classes"]:
        counts = _counts(checks["classes"]["pool"])
        return f"own labels ({counts}), only compared"
    if marker is None:
        return "no labels"
    return f"no labels (all {_quoted(marker)})" if marker else "no labels (all empty)"


def _features(kinds: Mapping[str, str], most: int) -> str:
    """Number and names of the features of each kind."""
    groups: dict[str, list[str]] = {}
    for name, kind in kinds.items():
        groups.setdefault(kind.partition(":")[0], []).append(_cut(name))
    parts = [
        f"{counted(len(names), *KIND_WORDS[kind])} ({_names(names, most)})"
        for kind, names in groups.items()
    ]
    return f"{len(kinds)}: {'; '.join(parts)}"


def warnings_of(checks: Mapping[str, Any]) -> Iterator[str]:
    """What will go wrong, and what to do about it, a sentence or two each."""
    yield from _of_classes(checks)
    yield from _of_training_rows(checks)
    yield from _of_validation(checks)
    for name, beside in checks["beside"].items():
        yield from _of_rows(name, beside, checks)
        yield from _of_columns(name, beside, checks["examined"][name])
        yield from _of_drift(name, beside, checks["features"])
    yield from _of_ids(checks)


def _of_ids(checks: Mapping[str, Any]) -> Iterator[str]:
    if checks["perhaps_ids"]:
        names = _names(map(_quoted, checks["perhaps_ids"]))
        yield (
            f"every row of TRAIN has a number of its own in {names}, which is a "
            "feature; if it names rows, pass it as --id, or drop it in all tables"
        )


def _of_training_rows(checks: Mapping[str, Any]) -> Iterator[str]:
    if checks["tell_the_class"]:
        names = _names(map(_quoted, checks["tell_the_class"]))
        yield (
            f"{names} tells the class of every row of TRAIN; if it was made from the "
            "label, or is known only after it, drop it in all tables"
        )
    if checks["far_from_others"]:
        shares = _shares(checks["far_from_others"], checks["rows"]["train"])
        yield (
            "TRAIN has numbers so far from all others that they set the scale of their "
            f"column, in {shares}; correct them, or leave them empty"
        )


def _of_classes(checks: Mapping[str, Any]) -> Iterator[str]:
    train, pool = checks["classes"]["train"], checks["classes"].get("pool", {})
    validated = checks["classes"]["validation"]
    marked = _perhaps_marked(train, validated)
    for label, count in marked.items():
        yield (
            f"{_cut(label)} is a class of TRAIN, of {counted(count, 'row')}; if it "
            "marks rows without a label, take them out"
        )
    unseen = [
        _cut(label)
        for label in train
        if not validated.get(label) and label not in marked
    ]
    if unseen:
        yield (
            f"VAL has no row of class {_names(unseen)}, so nothing shows whether "
            "labels help there; add such rows to VAL"
        )
    rare = [_cut(label) for label, count in train.items() if count < 5]
    if rare:
        yield (
            f"class {_names(rare)} has fewer than 5 rows in TRAIN, so hardly anything "
            "is learned of it; add rows, or join it with another class"
            if len(rare) == 1
            else f"classes {_names(rare)} have fewer than 5 rows each in TRAIN, so "
            "hardly anything is learned of them; add rows, or join some of them"
        )
    unknown = [label for label in pool if label not in train]
    if unknown:
        n_rows = sum(pool[label] for label in unknown)
        have = "has" if n_rows == 1 else "have"
        yield (
            f"{counted(n_rows, 'row')} of POOL {have} a label that TRAIN lacks "
            f"({_names(map(_quoted, unknown))}), and can only get a wrong one; take "
            "such rows out, or add some to TRAIN and VAL"
        )


def _perhaps_marked(
    classes: Mapping[str, int], validated: Mapping[str, int]
) -> dict[str, int]:
    """Classes that may mark rows without a label, with their numbers of rows.

    They are "-1" where no other class is a number, and words such as "unlabeled" where
    no validation row has that class.
    """
    # Imported here: 'salutary --help' needs none of it.
    from salutary.tables.targets import MARKERS

    numbers = {"-1", "-1.0"}
    is_odd = not any(map(_is_number, classes.keys() - numbers))
    return {
        label: count
        for label, count in classes.items()
        if label.casefold() in MARKERS
        and (is_odd if label in numbers else not validated.get(label))
    }


def _is_number(label: str) -> bool:
    try:
        return isfinite(float(label))
    except ValueError:
        return False


def _of_validation(checks: Mapping[str, Any]) -> Iterator[str]:
    # Imported here: 'salutary --help' needs none of it.
    from salutary.advice.comparison import FEWEST_VALIDATION

    n_rows, n_train = checks["rows"]["validation"], checks["rows"]["train"]
    if n_rows < FEWEST_VALIDATION:
        yield (
            f"VAL has {counted(n_rows, 'row')}, and a guard and the advice need "
            f"{FEWEST_VALIDATION} at the least; add rows, to {FEW_ROWS} or more"
        )
    elif n_rows < FEW_ROWS:
        yield (
            f"VAL has {counted(n_rows, 'row')}, so few that labels fit these rows "
            "rather than new ones, and losses are mostly chance; add rows, to "
            f"{FEW_ROWS} or more"
        )
    in_pool = checks["validation_in_pool"]
    # Where rows are alike by nature, so are those of two tables.
    if in_pool > 2 * (checks["twins"] * n_rows + 1):
        yield (
            f"{_stand(in_pool, n_rows, 'VAL')} in POOL, so rows get labels that judge "
            "them, and losses look too low; take such rows out of POOL"
        )
    twins = checks["beside"]["validation"]["twins"]
    # As many as among the training rows there may be by nature.
    by_chance = n_rows * checks["twins"] * max(1, n_rows / n_train)
    if twins >= MANY_ROWS * n_rows and twins > 2 * (by_chance + 1):
        yield (
            f"{twins} of {n_rows} rows of VAL are copies of one another, so the guard "
            "and the advice judge rows by models that saw their copies, and losses may "
            "flatter; keep one of each"
        )


def _stand(number: int, n_rows: int = 0, table: str = "") -> str:
    """So many rows, of those of a table, stand somewhere."""
    of = f" of {counted(n_rows, 'row')} of {table}" if table else ""
    return f"{number}{of} {'stands' if number == 1 else 'stand'}"


def _of_rows(
    name: str, beside: Mapping[str, Any], checks: Mapping[str, Any]
) -> Iterator[str]:
    n_rows, recurring = checks["examined"][name], beside["recurring"]
    # Where training rows are alike among themselves, so are others by nature.
    if recurring <= 2 * (checks["twins"] * n_rows + 1):
        return
    if name == "validation":
        yield (
            f"{_stand(recurring, n_rows, 'VAL')} in TRAIN, so losses on VAL look too "
            "low; take such rows out of one of the two"
        )
    else:
        yield (
            f"{_stand(recurring, n_rows, 'POOL')} in TRAIN, where such rows have "
            "labels, so further ones add nothing; take them out of POOL"
        )


def _of_columns(name: str, beside: Mapping[str, Any], n_rows: int) -> Iterator[str]:
    table = TABLES[name]
    if beside["empty"]:
        yield (
            f"{_names(map(_quoted, beside['empty']))} is empty in {table} but not in "
            "TRAIN, and its gaps are filled with the median; fill it, or drop it "
            "in all tables"
        )
    numbers = beside["numbers_among_texts"]
    if numbers:
        yield (
            f"numbers stand in {table} where TRAIN has texts, in "
            f"{_shares(numbers, n_rows)}; correct them, or leave them empty"
        )
    unseen = {
        column: count - numbers.get(column, 0)
        for column, count in beside["unseen_categories"].items()
    }
    for counts, what, remedy in (
        (
            unseen,
            "a category that no row of TRAIN has, of which the model knows nothing",
            "look for other spellings",
        ),
        (
            beside["far_outside"],
            "a number far outside TRAIN's range, where the model guesses",
            "look for other units and wrong values",
        ),
    ):
        many = {
            column: count
            for column, count in counts.items()
            if count >= MANY_ROWS * n_rows
        }
        if many:
            yield f"rows of {table} have {what}, in {_shares(many, n_rows)}; {remedy}"


def _shares(counts: Mapping[str, int], n_rows: int) -> str:
    """Columns with the share of the rows that each is about, the largest first."""
    largest = sorted(counts.items(), key=lambda item: -item[1])
    return _names(
        f"{_quoted(name)} ({count / n_rows:.1%} of rows)" for name, count in largest
    )


def _of_drift(
    name: str, beside: Mapping[str, Any], kinds: Mapping[str, str]
) -> Iterator[str]:
    area, error = beside["drift"], beside["drift_se"]
    if area is None or area < max(CLEAR_DRIFT, 0.5 + 3 * error):
        return
    columns, texts = "", [column for column in kinds if kinds[column] == "text"]
    if beside["most_different"]:
        columns = f", most in {_names(map(_quoted, beside['most_different']))}"
    elif texts:
        columns = f", perhaps in its texts ({_names(map(_quoted, texts))})"
    table = TABLES[name]
    what = "what does well there may do badly elsewhere"
    if name == "pool":
        what = "labels for it may come from a model that does not fit it"
    yield (
        f"{table} differs from TRAIN{columns}, so {what}; draw both from one source, "
        "or make the columns alike"
    )
