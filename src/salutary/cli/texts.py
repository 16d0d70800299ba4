"""The options about texts, which several commands share."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from salutary.cli.conventions import declare, evaluated
from salutary.errors import InputError
from salutary.names import Pooling

if TYPE_CHECKING:
    from salutary.tables.sources import Texts

TEXTS = "Texts"
"""Panel of the help."""

TextPair = Annotated[
    str | None,
    typer.Option(
        rich_help_panel=TEXTS,
        metavar="COLUMN",
        help="Column of a second text for each row, for instance the answer to a "
        "question.",
    ),
]
PoolingOption = Annotated[
    Pooling,
    typer.Option(
        "--pooling",
        rich_help_panel=TEXTS,
        help="How the vectors of a text's tokens become one vector. mean: their mean. "
        "cls: the first token's vector. last: the last token's vector, for decoders.",
    ),
]
Device = Annotated[
    str | None,
    typer.Option(
        rich_help_panel=TEXTS,
        help="Device that the language model runs on, for instance cpu or cuda:1.",
        show_default="the fastest available",
    ),
]


def columns_of(text_column: str | None, text_pair: str | None) -> tuple[str, ...]:
    """The columns of texts, none, one or two.

    Raises
    ------
    InputError
        For a second column without a first, and for one column twice.
    """
    if text_column is None:
        if text_pair is not None:
            raise InputError(f"--text-pair {text_pair}: needs --text-column; pass it")
        return ()
    if text_pair == text_column:
        raise InputError(
            f"--text-pair {text_pair}: is --text-column too; pass another column"
        )
    return (text_column,) if text_pair is None else (text_column, text_pair)


def texts_of(
    text_column: Annotated[
        str | None,
        typer.Option(
            rich_help_panel=TEXTS,
            metavar="COLUMN",
            help="Column of texts, which --embedder turns into vectors. All other "
            "columns stay features.",
        ),
    ] = None,
    text_pair: TextPair = None,
    embedder: Annotated[
        str | None,
        typer.Option(
            rich_help_panel=TEXTS,
            metavar="NAME_OR_FOLDER",
            help="Language model that embeds the texts: a folder, or a name on the "
            "Hugging Face hub. Needs pip install 'salutary[text]'.",
        ),
    ] = None,
    pooling: PoolingOption = "mean",
    device: Device = None,
    embedding_cache: Annotated[
        Path | None,
        typer.Option(
            rich_help_panel=TEXTS,
            metavar="DIR",
            help="Folder that keeps the vectors of the texts for later runs. Beyond "
            "4 GiB, those that were not used for longest are removed.",
            show_default="a folder in the user's cache",
        ),
    ] = None,
) -> Texts | None:
    """Which texts to embed and how, by the six options of `takes_texts`.

    Returns
    -------
    Texts or None
        None without ``--text-column``.

    Raises
    ------
    InputError
        For a column without an embedder or the reverse, and for one column twice.
    """
    columns = columns_of(text_column, text_pair)
    if not columns:
        for option, value in (
            ("--embedder", embedder),
            ("--pooling", None if pooling == "mean" else pooling),
            ("--device", device),
            ("--embedding-cache", embedding_cache),
        ):
            if value is not None:
                raise InputError(f"{option} {value}: needs --text-column; pass it")
        return None
    if embedder is None:
        raise InputError(
            f"--text-column {text_column}: needs --embedder; pass a folder or the name "
            "of a language model"
        )
    if Path(embedder).is_dir():  # the same from any folder where a run goes on
        embedder = str(Path(embedder).absolute())
    # Imported here: 'salutary --help' needs none of it.
    from salutary.deep.vectors import default_folder
    from salutary.tables.sources import Texts

    return Texts(
        columns=columns,
        embedder=embedder,
        pooling=pooling,
        device=device,
        cache=default_folder() if embedding_cache is None else embedding_cache,
    )


def takes_texts(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the six options about texts in place of its parameter ``texts``.

    Parameters
    ----------
    command : callable
        A command with a parameter ``texts: Texts | None``.

    Returns
    -------
    callable
        The same command for typer, which reads the options from its signature. It hands
        what `texts_of` makes of them to ``command``.

    Examples
    --------
    >>> @takes_texts
    ... def show(train: str, texts: "Texts | None" = None, seed: int = 0) -> None:
    ...     print(train, texts)
    >>> list(inspect.signature(show).parameters)[:4]
    ['train', 'text_column', 'text_pair', 'embedder']
    >>> show(train="a.csv", text_column=None, seed=1)
    a.csv None
    """
    options = evaluated(texts_of)
    parameters: list[inspect.Parameter] = []
    for parameter in evaluated(command):
        parameters += options if parameter.name == "texts" else [parameter]

    @wraps(command)
    def with_options(**values: Any) -> None:
        names = [option.name for option in options if option.name in values]
        texts = texts_of(**{name: values.pop(name) for name in names})
        command(**values, texts=texts)

    declare(with_options, parameters)
    return with_options
