"""What came of a run, in lines for a person."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from salutary.cli.terminal import printable
from salutary.names import TRAIN_AND_VALIDATION, VALIDATION_ONLY

ENDINGS = {
    "budget": "ended with the budget",
    "pool_exhausted": "ended as every pool row has a label",
    "guard": "the guard undid the last {undone}",
    "no_positive_influence": "ended as no further label would help",
}
RELABEL_ENDINGS = {
    **ENDINGS,
    "pool_exhausted": "ended as every training row has been switched",
}


def label_summary(report: dict[str, Any], out: Path) -> list[str]:
    """The report of ``salutary label`` in lines for a person."""
    outcome = report["outcome"]
    return [
        _ending("Labels assigned", report, ENDINGS),
        _by_class(outcome),
        *_tuned(report, "cross-validation on the training table"),
        *_losses(report),
        *_about_pool(outcome),
        *_warnings(outcome),
        *_advice(report, "these labels", ", and needs no pool"),
        f"In {out}: labels.parquet, model.skops, run.json, config.toml, ledger.sqlite",
    ]


def finetune_summary(report: dict[str, Any], out: Path) -> list[str]:
    """The report of ``salutary finetune`` in lines for a person."""
    outcome = report["outcome"]
    return [
        _ending("Labels assigned", report, ENDINGS),
        _by_class(outcome),
        *_deep_losses(outcome),
        *_about_pool(outcome),
        *_warnings(outcome),
        *_deep_advice(report),
        f"In {out}: adapter/, labels.parquet, metrics.jsonl, run.json, config.toml, "
        "ledger.sqlite, rounds/",
    ]


def relabel_summary(report: dict[str, Any], out: Path) -> list[str]:
    """The report of ``salutary relabel`` in lines for a person."""
    outcome = report["outcome"]
    rows = ", ".join(
        f"{printable(label)} {before} -> {after}"
        for label, (before, after) in outcome["training_rows_by_class"].items()
    )
    return [
        _ending("Labels switched", report, RELABEL_ENDINGS),
        _line("rows by class", rows),
        *_tuned(report, "the validation table"),
        *_losses(report),
        *_warnings(outcome),
        *_advice(report, "the cleaned labels", ""),
        f"In {out}: switches.parquet, {outcome['cleaned']}, model.skops, run.json, "
        "config.toml, ledger.sqlite",
    ]


def recurring(n_rows: int) -> str:
    """What to think of validation rows that are also in another table."""
    return (
        f"{n_rows} validation rows are also in the training table or the pool, so "
        "losses may look too low"
    )


def not_validated(classes: list[str]) -> str:
    """What to think of classes that no validation row has."""
    names = ", ".join(printable(label) for label in classes)
    return (
        f"no validation row has class {names}, so nothing shows whether labels help "
        "there"
    )


def _line(name: str, text: str) -> str:
    return f"  {name:<18} {text}"


def _loss_line(name: str, losses: list[float], more: str) -> str:
    return _line(name, f"{losses[0]:.4f} -> {losses[1]:.4f}{more}")


def _ending(what: str, report: dict[str, Any], endings: dict[str, str]) -> str:
    outcome, rule = report["outcome"], report["settings"]["rule"]
    n_undone = outcome["refused_rounds"]
    undone = "round" if n_undone == 1 else f"{n_undone} rounds"
    ending = endings[outcome["termination"]].format(undone=undone)
    if outcome["termination"] == "guard" and not n_undone:
        # In a fine-tuning, the regression on the embeddings has a guard of its own.
        ending = "the guard of the logistic regression let no further label through"
    return (
        f"{what}: {outcome['labels']}, by the rule {rule!r}; "
        f"rounds: {outcome['rounds']}; {ending}"
    )


def _by_class(outcome: dict[str, Any]) -> str:
    by_class = ", ".join(
        f"{printable(label)} {count}"
        for label, count in outcome["labels_by_class"].items()
    )
    return _line("by class", by_class)


def _tuned(report: dict[str, Any], by: str) -> Iterator[str]:
    if report["settings"]["C"] is None:
        yield _line("C", f"{report['outcome']['C']:g}, tuned by {by}")


def _losses(report: dict[str, Any]) -> Iterator[str]:
    outcome, objective = report["outcome"], report["settings"]["objective"]
    both, alone = outcome["both_tables"], outcome["validation_only"]
    if objective != "log_loss":
        yield _line("objective", f"{objective}: losses below are its values")
    yield _validation_line(outcome)
    if outcome["canary_rows"]:
        yield _canary_line(outcome, ", each unseen by the run that it judges")
    if both:
        yield _line(
            TRAIN_AND_VALIDATION,
            f"{both['canary_loss']:.4f} held-out loss of a model fitted on both tables "
            "as they are",
        )
    if alone:
        yield _line(
            VALIDATION_ONLY,
            f"{alone['canary_loss']:.4f} held-out loss of a model fitted on the "
            "validation table alone",
        )


def _deep_losses(outcome: dict[str, Any]) -> Iterator[str]:
    yield _validation_line(outcome)
    if outcome["canary_rows"]:
        yield _canary_line(outcome, " that influence never saw")


def _validation_line(outcome: dict[str, Any]) -> str:
    rows = f" on {outcome['validation_rows']} rows"
    return _loss_line("validation loss", outcome["validation_loss"], rows)


def _canary_line(outcome: dict[str, Any], unseen: str) -> str:
    before, after = outcome["canary_loss"]
    decrease = ""
    if outcome["canary_se"] is not None:
        decrease = f", by {before - after:.4f} ± {outcome['canary_se']:.4f},"
    rows = f" on {outcome['canary_rows']} validation rows{unseen}"
    return _loss_line("held-out loss", [before, after], decrease + rows)


def _about_pool(outcome: dict[str, Any]) -> Iterator[str]:
    if outcome["agreement"] is not None:
        yield _line(
            "agreement",
            f"{outcome['agreement']:.1%} of the labels equal the pool's own, which "
            "were not used",
        )
    if outcome.get("unseen_categories"):
        counts = ", ".join(
            f"{printable(column)} {count}"
            for column, count in outcome["unseen_categories"].items()
        )
        yield _line(
            "new categories", f"pool rows with one that no training row has: {counts}"
        )


def _warnings(outcome: dict[str, Any]) -> Iterator[str]:
    if outcome["classes_not_validated"]:
        yield _line("warning", not_validated(outcome["classes_not_validated"]))
    if outcome["recurring_validation_rows"]:
        yield _line("warning", recurring(outcome["recurring_validation_rows"]))


def _advice(report: dict[str, Any], these: str, aside: str) -> Iterator[str]:
    """Sentences about what did not go well, and what may help."""
    outcome, z = report["outcome"], report["settings"]["min_influence_z"]
    first, guessing = outcome["validation_loss"][0], outcome["guessing_loss"]
    if first >= guessing:
        yield (
            "Warning: the start model is no better than guessing by the frequency of "
            f"each class in the training table (validation loss {first:.4f}, guessing "
            f"{guessing:.4f}), so its influences mean little. Another --C, more "
            "training rows or other columns may help."
        )
    if outcome["termination"] == "guard" and outcome["labels"] == 0:
        yield (
            "No round lowered the held-out loss, so no label was kept and the model is "
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


def _deep_advice(report: dict[str, Any]) -> Iterator[str]:
    outcome = report["outcome"]
    if outcome["termination"] == "guard" and outcome["labels"] == 0:
        yield (
            "No labels lowered the loss on rows that influence never saw, so none "
            "were kept and the adapter is the one fine-tuned on the training table "
            "alone. More validation rows may help."
        )
    if report["settings"]["refit_on_validation"]:
        without = ", without the labels, which do not help beside it"
        if outcome["labels"] == outcome["labels_trained_on"]:
            without = ""
        yield (
            f"The adapter was fine-tuned on the validation table too{without}. The "
            "losses above are of the model before that."
        )
    elif outcome["both_tables"]:
        yield (
            _comparison(outcome, "these labels", "")
            + " This compares logistic regressions on the first model's embeddings; "
            "--refit-on-validation fine-tunes on the validation table too."
        )


def _comparison(outcome: dict[str, Any], these: str, aside: str) -> str:
    """What to train on, by validation rows that no model compared has seen."""
    rows, other = "the training and validation tables together", outcome["both_tables"]
    alone = outcome.get("validation_only")
    if alone and alone["fall"] > other["fall"]:
        rows, other = "the validation table alone", alone
    decrease, error = other["fall"], other["se"]
    by = f"by {abs(decrease):.4f} ± {error:.4f} in held-out loss"
    if decrease > error:
        return f"Advice: train on {rows}; that is better than {these}, {by}."
    if -decrease > error:
        return f"Advice: use {these}; they are better than training on {rows}, {by}."
    return (
        f"Advice: training on {rows} does as well as {these} (held-out loss "
        f"{-decrease:+.4f} ± {error:.4f}){aside}."
    )
