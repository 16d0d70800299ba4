"""What came of a run, in lines for a person."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from salutary.cli.terminal import printable
from salutary.cli.verdict import verdict_lines
from salutary.errors import counted
from salutary.names import FROZEN, FROZEN_POOL, RELABELED, SALUTARY

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


BY_ADVISE = (
    "'salutary advise' judges by more folds, so its losses differ a little{more}. "
    "Where it says otherwise, follow it; with --out it leaves the model of what it "
    "advises."
)
WITH_POOL = ", and tries to train on the whole pool at once, without labels"


def label_summary(report: dict[str, Any], out: Path) -> list[str]:
    """The report of ``salutary label`` in lines for a person."""
    outcome = report["outcome"]
    return [
        _ending("Labels assigned", report, ENDINGS),
        _by_class(outcome),
        *_tuned(report, "both tables"),
        *_losses(report),
        *_decided(outcome),
        *_about_pool(report),
        *_advice(report),
        *([BY_ADVISE.format(more=WITH_POOL)] if outcome["verdict"] else []),
        f"{_in(out)}: labels.parquet, model.skops, metrics.jsonl, run.json, "
        "config.toml, ledger.sqlite",
    ]


def finetune_summary(report: dict[str, Any], out: Path) -> list[str]:
    """The report of ``salutary finetune`` in lines for a person."""
    outcome = report["outcome"]
    return [
        _ending("Labels assigned", report, ENDINGS),
        _by_class(outcome),
        *_deep_losses(outcome),
        *_frozen(outcome),
        *_distilled(report),
        *_about_pool(report),
        *_deep_advice(report),
        f"{_in(out)}: adapter/, labels.parquet, metrics.jsonl, run.json, config.toml, "
        "ledger.sqlite, rounds/",
    ]


def relabel_summary(report: dict[str, Any], out: Path) -> list[str]:
    """The report of ``salutary relabel`` in lines for a person."""
    outcome = report["outcome"]
    rows = ", ".join(
        f"{printable(label)}: {before} -> {after}"
        for label, (before, after) in outcome["training_rows_by_class"].items()
    )
    return [
        _ending("Labels switched", report, RELABEL_ENDINGS),
        _line("rows by class", rows),
        *_tuned(report, "the validation table"),
        *_losses(report),
        *_advice(report),
        *([BY_ADVISE.format(more="")] if outcome["verdict"] else []),
        f"{_in(out)}: switches.parquet, {outcome['cleaned']}, model.skops, "
        "metrics.jsonl, run.json, config.toml, ledger.sqlite",
    ]


def recurring(n_rows: int) -> str:
    """What to think of validation rows that are also in another table."""
    are = "is" if n_rows == 1 else "are"
    return (
        f"{counted(n_rows, 'validation row')} {are} also in the training table or the "
        "pool, so losses may look too low"
    )


def not_validated(classes: list[str]) -> str:
    """What to think of classes that no validation row has."""
    names = ", ".join(printable(label) for label in classes)
    return (
        f"no validation row has class {names}, so nothing shows whether labels help "
        "there"
    )


def _in(out: Path) -> str:
    return f"In {printable(str(out))}"


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
        f"{printable(label)}: {count}"
        for label, count in outcome["labels_by_class"].items()
    )
    return _line("by class", by_class)


def _tuned(report: dict[str, Any], by: str) -> Iterator[str]:
    if report["settings"]["C"] is None:
        yield _line("C", f"{report['outcome']['C']:g}, tuned by {by}")


def _losses(report: dict[str, Any]) -> Iterator[str]:
    outcome, objective = report["outcome"], report["settings"]["objective"]
    if objective != "log_loss":
        yield _line("objective", f"{objective}: losses below are its values")
    yield _validation_line(outcome)
    if outcome["canary_rows"]:
        yield _canary_line(outcome, ", each unseen by the run that it judges")


def _deep_losses(outcome: dict[str, Any]) -> Iterator[str]:
    yield _validation_line(outcome)
    if outcome["canary_rows"]:
        yield _canary_line(outcome, " that influence never saw")


def _frozen(outcome: dict[str, Any]) -> Iterator[str]:
    """What needs no fine-tuning, on the rows of the held-out loss."""
    found = outcome.get("baselines")
    if found:
        losses = [f"{found[FROZEN]['log_loss']:.4f} on the same rows"]
        if FROZEN_POOL in found:
            losses.append(f"{found[FROZEN_POOL]['log_loss']:.4f} with the whole pool")
        yield _line("without tuning", f"{', '.join(losses)}: a logistic regression on")
        yield _line("", "embeddings of the model as it comes, fitted on both tables")


def _distilled(report: dict[str, Any]) -> Iterator[str]:
    """What a model that has learned from a teacher does, on the same rows."""
    found = report["outcome"].get("distillation")
    if found is None:
        return
    if found["reason"]:
        yield _line("not distilled", found["reason"])
        return
    of_pool = counted(found["pool_rows"], "pool row")
    if found["pool_rows"] < report["data"]["pool"]["rows"]:
        of_pool += f" drawn from {report['data']['pool']['rows']}"
    lower, rest = "lower", "so the adapter is this"
    if report["outcome"].get("refit") is not None:
        rest = "so it is tried on both tables too"
    if not found["used"]:
        lower, rest = "higher", "so it is not used"
    yield _line(
        "distilled",
        f"{found['log_loss']:.4f} on the same rows, {lower} by "
        f"{abs(found['decrease']):.4f} ± {found['se']:.4f}, {rest}:",
    )
    yield _line(
        "",
        f"a model that learned what {found['teacher']!r} says of {of_pool}",
    )


def _decided(outcome: dict[str, Any]) -> Iterator[str]:
    """What people have decided, and what the labels are then."""
    decided = outcome.get("decisions")
    if decided is None:
        return
    before, after = decided["validation_loss"]
    counts = ", ".join(f"{decided[w]} {w}" for w in ("accepted", "changed", "rejected"))
    yield _line(
        "decisions",
        f"{counts}; fitted again with {counted(decided['labels'], 'label')}, "
        f"validation loss {before:.4f} -> {after:.4f}",
    )


def _validation_line(outcome: dict[str, Any]) -> str:
    rows = f" on {counted(outcome['validation_rows'], 'row')}"
    return _loss_line("validation loss", outcome["validation_loss"], rows)


def _canary_line(outcome: dict[str, Any], unseen: str) -> str:
    before, after = outcome["canary_loss"]
    decrease = ""
    if outcome["canary_se"] is not None:
        decrease = f", by {before - after:.4f} ± {outcome['canary_se']:.4f},"
    rows = f" on {counted(outcome['canary_rows'], 'validation row')}{unseen}"
    return _loss_line("held-out loss", [before, after], decrease + rows)


def _about_pool(report: dict[str, Any]) -> Iterator[str]:
    outcome, checks = report["outcome"], report["checks"]
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
        looked_at = checks["examined"]["pool"]
        some = (
            f" of {looked_at} looked at" if looked_at < checks["rows"]["pool"] else ""
        )
        yield _line(
            "new categories",
            f"pool rows{some} with one that no training row has: {counts}",
        )


def run_warnings(report: dict[str, Any]) -> Iterator[str]:
    """What to think of the figures of a run, in lines for standard error."""
    yield from table_warnings(report["outcome"])
    first = report["outcome"]["validation_loss"][0]
    guessing = report["outcome"].get("guessing_loss")
    if guessing is not None and first >= guessing:
        yield (
            "warning: the start model is no better than guessing by the frequency of "
            f"each class in the training table (validation loss {first:.4f}, guessing "
            f"{guessing:.4f}), so its influences mean little. Another --C, more "
            "training rows or other columns may help."
        )


def table_warnings(found: dict[str, Any]) -> Iterator[str]:
    """What to think of figures by the validation rows."""
    if found["recurring_validation_rows"]:
        yield f"warning: {recurring(found['recurring_validation_rows'])}"
    if found["classes_not_validated"]:
        yield f"warning: {not_validated(found['classes_not_validated'])}"


def _advice(report: dict[str, Any]) -> Iterator[str]:
    """What may help, whose model it is, and the verdict."""
    outcome, z = report["outcome"], report["settings"]["min_influence_z"]
    if outcome["termination"] == "no_positive_influence" and z:
        yield (
            f"No row of the last shortlist had an influence of {z:g} standard errors "
            "or more. A smaller --min-influence-z or more validation rows may help."
        )
    if _kept_nothing(outcome):
        yield "The model is the one fitted on the training table alone."
    yield from _verdict(outcome)
    follows = (outcome["verdict"] or {"option": None})["option"] in (
        SALUTARY,
        RELABELED,
    )
    if outcome["verdict"] and outcome["labels"] and not follows:
        yield "model.skops is fitted on TRAIN with these labels, whatever is advised."


def _deep_advice(report: dict[str, Any]) -> Iterator[str]:
    outcome = report["outcome"]
    distilled = (outcome.get("distillation") or {"used": False})["used"]
    refit = outcome.get("refit")
    if refit is not None:
        distilled = refit["distilled"]
    if distilled:
        yield "The adapter has learned from people and a teacher, from no label above."
    elif _kept_nothing(outcome):
        yield "The adapter is the one fine-tuned on the training table alone."
    if report["settings"]["refit_on_validation"]:
        without = ", without the labels, which do not help beside it"
        if distilled or outcome["labels"] == outcome["labels_trained_on"]:
            without = ""
        yield (
            f"The adapter was fine-tuned on the validation table too{without}. The "
            "losses above are of the model before that."
        )
        if refit is not None:
            yield _refit(refit)
    yield from _verdict(outcome)
    if outcome["verdict"]:
        yield (
            "This compares logistic regressions on the first model's embeddings; "
            f"{FROZEN!r} are those of the model as it comes."
        )
        if not report["settings"]["refit_on_validation"]:
            yield "--refit-on-validation fine-tunes on the validation table too."


def _refit(refit: dict[str, Any]) -> str:
    """How the adapter of both tables was trained, and what says so."""
    words = f"It was trained for {counted(refit['epochs'], 'epoch')}"
    if round(refit["temperature"], 2) != 1:
        words += (
            f", and its logits are divided by {refit['temperature']:.2f}, as it was "
            "too certain"
        )
    words += (
        ". Cross-validation of all labeled rows gives that a log loss of "
        f"{refit['log_loss']:.4f}"
    )
    others = [
        f"{counted(other['epochs'], 'epoch')}"
        f"{' with a teacher' if other['distilled'] else ''} {other['log_loss']:.4f}"
        for other in refit["others"]
        if other["log_loss"] is not None
    ]
    return f"{words}, and {', '.join(others)}." if others else f"{words}."


def _kept_nothing(outcome: dict[str, Any]) -> bool:
    return (outcome["termination"], outcome["labels"]) == ("guard", 0)


def _verdict(outcome: dict[str, Any]) -> Iterator[str]:
    if outcome["verdict"]:
        yield (
            "The table below judges by rows that had no part in choosing C or how many "
            "labels to keep, so losses there may be above the held-out loss."
        )
        yield from verdict_lines(outcome["verdict"])
    else:
        yield (
            "Without a guard no row is left to judge by; 'salutary advise' compares "
            "the labels with training on both tables."
        )
