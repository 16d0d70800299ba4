"""What came of a run, in lines for a person."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from salutary.cli.terminal import printable

ENDINGS = {
    "budget": "ended with the budget",
    "pool_exhausted": "ended with the pool",
    "guard": "the guard undid the last {undone}",
    "no_positive_influence": "ended as no further label would help",
}
OF_RELABELING = {**ENDINGS, "pool_exhausted": "ended with the last row"}


def label_summary(report: dict[str, Any], out: Path) -> list[str]:
    """The report of ``salutary label`` in lines for a person."""
    outcome = report["outcome"]
    return [
        _ending("Labels assigned", report, ENDINGS),
        _by_class(outcome),
        *_tuned(report, "cross-validation on the training table"),
        *_losses(report),
        *_of_pool(outcome),
        *_remarks(outcome),
        *_advice(report, "these labels", ", and needs no pool"),
        f"In {out}: labels.parquet, model.skops, run.json, ledger.sqlite",
    ]


def finetune_summary(report: dict[str, Any], out: Path) -> list[str]:
    """The report of ``salutary finetune`` in lines for a person."""
    outcome = report["outcome"]
    return [
        _ending("Labels assigned", report, ENDINGS),
        _by_class(outcome),
        *_deep_losses(outcome),
        *_of_pool(outcome),
        *_remarks(outcome),
        *_deep_advice(report),
        f"In {out}: adapter/, labels.parquet, metrics.jsonl, run.json, ledger.sqlite, "
        "rounds/",
    ]


def _deep_losses(outcome: dict[str, Any]) -> Iterator[str]:
    yield (
        _loss_line("validation loss", outcome["validation_loss"])
        + f" on {outcome['validation_rows']} rows"
    )
    if outcome["canary_rows"]:
        yield _canary_line(outcome, "that influence never saw")


def _deep_advice(report: dict[str, Any]) -> Iterator[str]:
    outcome = report["outcome"]
    if outcome["termination"] == "guard" and outcome["labels"] == 0:
        yield (
            "No labels lowered the loss on rows that influence did not see, so none "
            "were kept and the adapter is the one fine-tuned on the training table "
            "alone. More validation rows may help."
        )
    if report["settings"]["refit_on_validation"]:
        without = ", without the labels, which do not help beside it"
        if outcome["labels"] == outcome["labels_trained_on"]:
            without = ""
        yield (
            f"The adapter was fine-tuned on the validation table too{without}; the "
            "losses are of the model before that."
        )
    elif outcome["both_tables"]:
        yield (
            _comparison(outcome, "these labels", "")
            + " That is by logistic regressions on the first model's embeddings; "
            "--refit-on-validation trains on the validation table too."
        )


def relabel_summary(report: dict[str, Any], out: Path) -> list[str]:
    """The report of ``salutary relabel`` in lines for a person."""
    outcome = report["outcome"]
    rows = ", ".join(
        f"{printable(label)} {before} -> {after}"
        for label, (before, after) in outcome["training_rows_by_class"].items()
    )
    return [
        _ending("Labels switched", report, OF_RELABELING),
        f"  rows by class    {rows}",
        *_tuned(report, "the validation table"),
        *_losses(report),
        *_remarks(outcome),
        *_advice(report, "the cleaned labels", ""),
        f"In {out}: switches.parquet, {outcome['cleaned']}, model.skops, run.json, "
        "ledger.sqlite",
    ]


def _ending(what: str, report: dict[str, Any], endings: dict[str, str]) -> str:
    outcome, rule = report["outcome"], report["settings"]["rule"]
    refused = outcome["refused_rounds"]
    undone = "round" if refused == 1 else f"{refused} rounds"
    ending = endings[outcome["termination"]].format(undone=undone)
    if outcome["termination"] == "guard" and not refused:
        # Of a fine-tuning, whose surrogate has a guard of its own.
        ending = "the surrogate's guard let no further label through"
    return (
        f"{what}: {outcome['labels']}, by the rule {rule!r}; "
        f"rounds: {outcome['rounds']}; {ending}"
    )


def _by_class(outcome: dict[str, Any]) -> str:
    by_class = ", ".join(
        f"{printable(label)} {count}"
        for label, count in outcome["labels_by_class"].items()
    )
    return f"  by class         {by_class}"


def _tuned(report: dict[str, Any], by: str) -> Iterator[str]:
    if report["settings"]["C"] is None:
        C = report["outcome"]["C"]
        yield f"  C                {C:g}, tuned by {by}"


def _losses(report: dict[str, Any]) -> Iterator[str]:
    outcome, objective = report["outcome"], report["settings"]["objective"]
    if objective != "log_loss":
        yield f"  objective        {objective}: losses below are its values"
    yield (
        _loss_line("validation loss", outcome["validation_loss"])
        + f" on {outcome['validation_rows']} rows"
    )
    if outcome["canary_rows"]:
        yield _canary_line(outcome)
    if outcome["both_tables"]:
        yield (
            f"  both tables      {outcome['both_tables']['canary_loss']:.4f} canary "
            "loss of a model of training and validation rows as they are"
        )
    if outcome["validation_only"]:
        alone = outcome["validation_only"]["canary_loss"]
        yield (
            f"  validation only  {alone:.4f} canary loss of a model of validation rows "
            "alone"
        )


def _advice(report: dict[str, Any], these: str, aside: str) -> Iterator[str]:
    """Sentences about what did not go well, and what may help."""
    outcome, z = report["outcome"], report["settings"]["min_influence_z"]
    first, guessing = outcome["validation_loss"][0], outcome["guessing_loss"]
    if first >= guessing:
        yield (
            f"Warning: the start model is no better than guessing by how frequent each "
            f"class is in the training table (validation loss {first:.4f}, guessing "
            f"{guessing:.4f}), so its influences mean little. Another --C, more "
            "training rows or other columns may help."
        )
    if outcome["termination"] == "guard" and outcome["labels"] == 0:
        yield (
            "No round lowered the canary loss, so no label was kept and the model is "
            "the one fitted on the training table alone. A smaller --C or more "
            "validation rows may help."
        )
    if outcome["both_tables"]:
        yield _comparison(outcome, these, aside)
    if outcome["termination"] == "no_positive_influence" and z:
        yield (
            f"No row of the last shortlist had an influence of {z:g} standard errors "
            "or more. A smaller --min-influence-z or more validation rows may help."
        )


def _comparison(outcome: dict[str, Any], these: str, aside: str) -> str:
    """What to train on, by validation rows that no model compared has seen."""
    rows, other = "the training and validation tables together", outcome["both_tables"]
    alone = outcome.get("validation_only")
    if alone and alone["fall"] > other["fall"]:
        rows, other = "the validation table alone", alone
    fall, se = other["fall"], other["se"]
    seen = f"by {abs(fall):.4f} ± {se:.4f} in canary loss"
    if fall > se:
        return f"Advice: train on {rows}; that is better than {these}, {seen}."
    if -fall > se:
        return f"Advice: use {these}; they are better than training on {rows}, {seen}."
    return (
        f"Advice: training on {rows} does as well as {these} (canary loss "
        f"{-fall:+.4f} ± {se:.4f}){aside}."
    )


def _of_pool(outcome: dict[str, Any]) -> Iterator[str]:
    """Lines about the pool."""
    if outcome["agreement"] is not None:
        yield (
            f"  agreement        {outcome['agreement']:.1%} of the labels are the "
            "pool's own, which were not looked at"
        )
    if outcome.get("unseen_categories"):
        counts = ", ".join(
            f"{printable(column)} {count}"
            for column, count in outcome["unseen_categories"].items()
        )
        yield (
            f"  new categories   pool rows with one that no training row has: {counts}"
        )


def _remarks(outcome: dict[str, Any]) -> Iterator[str]:
    """Warnings about the tables."""
    if outcome["classes_not_validated"]:
        yield f"  warning          {not_validated(outcome['classes_not_validated'])}"
    if outcome["recurring_validation_rows"]:
        yield (
            f"  warning          {outcome['recurring_validation_rows']} validation "
            "rows stand in the training table or the pool too; losses may flatter"
        )


def not_validated(classes: list[str]) -> str:
    """What to think of classes that no validation row has."""
    names = ", ".join(printable(label) for label in classes)
    return (
        f"no validation row has class {names}; whether labels help there, nothing shows"
    )


def _canary_line(
    outcome: dict[str, Any], unseen: str = "whose part influence never saw"
) -> str:
    line = _loss_line("canary loss", outcome["canary_loss"])
    if outcome["canary_se"] is not None:
        fall = outcome["canary_loss"][0] - outcome["canary_loss"][1]
        line += f", by {fall:.4f} ± {outcome['canary_se']:.4f},"
    return line + f" on {outcome['canary_rows']} rows {unseen}"


def _loss_line(name: str, losses: list[float]) -> str:
    return f"  {name:<16} {losses[0]:.4f} -> {losses[1]:.4f}"
