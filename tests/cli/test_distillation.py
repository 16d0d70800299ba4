"""``salutary finetune --distill``: a teacher worked out here, and real kills."""

import json
import shutil
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import log_loss
from sklearn.preprocessing import StandardScaler

import salutary
from salutary import LoraClassifier, SemiSupervisedClassifier, TransformerEmbedder
from salutary.cli.main import main
from salutary.cli.run_summary import finetune_summary
from salutary.deep import final_model
from salutary.deep.canary import part_validation
from salutary.deep.final_model import Way
from salutary.names import FROZEN_POOL
from tests.cli.test_finetune import arguments, outputs, tables, write_tables
from tests.words import once

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("peft") is None, reason="needs salutary[text]"),
]


class OneSeed(np.random.RandomState):
    """Draws one number as every seed, as the command does."""

    def randint(self, *_: Any, **__: Any) -> int:
        return 0


def words_of(folder: Path, model: str, *more: str, out: str = "run") -> list[str]:
    """A run whose distilled model does better on the canary rows."""
    rate = ("--distill", "--learning-rate", "0.01")
    return once([*arguments(folder, model, out=out), *rate, *more])


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    write_tables(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, decoder: str) -> Path:
    """A run that nothing disturbed."""
    folder = tmp_path_factory.mktemp("source")
    write_tables(folder)
    main(words_of(folder, decoder))
    return folder / "run"


def outcome_of(run: Path) -> dict[str, Any]:
    """The outcome of a run's report."""
    found: dict[str, Any] = json.loads((run / "run.json").read_text())["outcome"]
    return found


def by_hand(
    decoder: str, sees_all: bool, epochs: int = 4
) -> tuple[LoraClassifier, np.ndarray]:
    """The distilled classifier, and numbers of the canary rows."""
    parts = tables()
    kinds = {
        name: (parts[name]["kind"] == "y").to_numpy().astype(int)
        for name in ("train", "validation")
    }
    own, canary = part_validation(
        np.arange(40), kinds["validation"], True, np.random.RandomState(0)
    )
    order = [text for name in parts for text in parts[name]["text"]]
    assert [*parts] == ["train", "validation", "pool"]
    embedder = TransformerEmbedder(decoder, pooling="last", device="cpu")
    X = StandardScaler().fit_transform(embedder.fit_transform(order))
    X = X.astype(np.float64)
    seen = np.concatenate([own, canary]) if sees_all else own
    teacher = SemiSupervisedClassifier(random_state=OneSeed(0)).fit(
        np.vstack([X[:24], X[24 + seen], X[64:]]),
        [*kinds["train"], *kinds["validation"][seen], *[-1] * 60],
    )
    assert teacher.parameters_
    validation = parts["validation"]
    rows, labels = [*parts["train"]["text"]], [*parts["train"]["kind"]]
    held = validation["text"].iloc[canary], validation["kind"].iloc[canary]
    if sees_all:
        rows += [*validation["text"].iloc[seen]]
        labels += [*validation["kind"].iloc[seen]]
        held = None, None
    classifier = LoraClassifier(
        decoder, pooling="last", device="cpu", learning_rate=0.01, epochs=epochs,
        random_state=0,
    ).fit(
        rows, labels, *held, X_soft=[*parts["pool"]["text"]],
        y_soft=teacher.predict_proba(X[64:]), soft_weight=len(rows) / 60,
    )  # fmt: skip
    return classifier, canary


def test_the_adapter_is_the_distilled_model(whole: Path, decoder: str) -> None:
    expected, canary = by_hand(decoder, sees_all=False)
    validation = tables()["validation"]
    found = salutary.load(whole).predict_proba(validation)
    np.testing.assert_allclose(
        found, expected.predict_proba(validation["text"]), atol=5e-3
    )
    outcome = outcome_of(whole)
    figures = outcome["distillation"]
    truth = (validation["kind"] == "y").to_numpy().astype(int)[canary]
    assert figures["used"]
    assert (figures["teacher"], figures["pool_rows"]) == (FROZEN_POOL, 60)
    assert figures["log_loss"] == pytest.approx(log_loss(truth, found[canary]))
    run_loss = outcome["canary_loss"][1]
    assert figures["decrease"] == pytest.approx(run_loss - figures["log_loss"])
    baseline = outcome["baselines"][FROZEN_POOL]["log_loss"]
    assert figures["teacher_log_loss"] == pytest.approx(baseline)
    assert outcome["labels_trained_on"] == 0
    # The labels are those of the run, and are still there.
    assert len(pq.read_table(whole / "labels.parquet")) == outcome["labels"] > 0


def test_the_summary_says_which_model_is_left(whole: Path) -> None:
    report = json.loads((whole / "run.json").read_text())
    figures = report["outcome"]["distillation"]
    said = "\n".join(finetune_summary(report, whole))
    assert (
        f"{figures['log_loss']:.4f} on the same rows, lower by "
        f"{figures['decrease']:.4f} ± {figures['se']:.4f}, so the adapter is this:"
    ) in said
    assert f"a model that learned what {FROZEN_POOL!r} says of 60 pool rows" in said
    assert "The adapter has learned from people and a teacher, from no label" in said
    report["data"]["pool"]["rows"] = 3000
    said = "\n".join(finetune_summary(report, whole))
    assert "says of 60 pool rows drawn from 3000" in said
    figures |= {"used": False, "decrease": -figures["decrease"]}
    said = "\n".join(finetune_summary(report, whole))
    assert f"higher by {-figures['decrease']:.4f}" in said
    assert "so it is not used:" in said
    assert "from people and a teacher" not in said
    report["outcome"]["distillation"] = {"used": False, "reason": "there is no pool"}
    said = "\n".join(finetune_summary(report, whole))
    assert "not distilled      there is no pool" in said


def test_the_page_says_that_its_labels_are_not_in_the_model(whole: Path) -> None:
    loss = outcome_of(whole)["distillation"]["log_loss"]
    text = (whole / "report.html").read_text()
    assert "and from no label here. Its log loss on the held-out rows is" in text
    assert f"rows is {loss:.4f}" in text


KILLED = """
import os, signal
from salutary.cli.main import main
from salutary.deep.lora_classifier import LoraClassifier

def run(where, words):
    own = getattr(LoraClassifier, where)

    def dying(self, *arguments, **named):
        found = own(self, *arguments, **named)
        if "X_soft" in named or "distilled" in str(arguments[0]):
            os.kill(os.getpid(), signal.SIGKILL)
        return found

    setattr(LoraClassifier, where, dying)
    main(words)
"""


@pytest.mark.parametrize("where", ["fit", "save"])
def test_killed_while_it_distills_it_resumes_to_the_same(
    texts: Path, decoder: str, where: str, whole: Path, killed: Callable[[str], None]
) -> None:
    words = words_of(texts, decoder, "--resume")
    killed(f"{KILLED}\nrun({where!r}, {words!r})")
    assert not (texts / "run" / "run.json").exists()
    main(words)
    assert outputs(texts / "run") == outputs(whole)
    assert (
        outcome_of(texts / "run")["distillation"] == outcome_of(whole)["distillation"]
    )


def test_a_distilled_model_that_was_lost_is_made_again(
    texts: Path, decoder: str, whole: Path
) -> None:
    run = texts / "run"
    shutil.copytree(whole, run)
    shutil.rmtree(run / "rounds" / "distilled")
    (run / "adapter" / "layer.safetensors").unlink()
    main(words_of(texts, decoder, "--resume"))
    assert outputs(run) == outputs(whole)


def test_the_final_model_may_see_the_validation_table(
    texts: Path,
    decoder: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def prefers_the_teacher(way: Way) -> bool:
        return not way.distilled

    monkeypatch.setattr(final_model, "_loss", prefers_the_teacher)
    main(words_of(texts, decoder, "--refit-on-validation"))
    # What is left is not what the verdict is about, but the advice is not kept back.
    printed = capsys.readouterr().out.splitlines()
    assert outcome_of(texts / "run")["verdict"]["sentence"] in printed
    refit = outcome_of(texts / "run")["refit"]
    tried = [refit, *refit["others"]]
    assert {way["distilled"] for way in tried} == {True, False}
    assert refit["distilled"]
    assert all(way["log_loss"] > 0 and way["temperature"] >= 1 for way in tried)
    expected, _ = by_hand(decoder, sees_all=True, epochs=refit["epochs"])
    expected.set_temperature(refit["temperature"])
    pool = tables()["pool"]
    np.testing.assert_allclose(
        salutary.load(texts / "run").predict_proba(pool),
        expected.predict_proba(pool["text"]),
        atol=5e-3,
    )


def test_without_a_guard_it_is_refused_with_nothing_written(
    texts: Path, decoder: str, refusal: Callable[[list[str]], str]
) -> None:
    line = refusal(words_of(texts, decoder, "--no-guard"))
    assert "--distill: needs the guard, whose rows say whether the" in line
    assert not (texts / "run").exists()


def test_a_run_goes_on_as_it_was_begun(
    texts: Path, decoder: str, whole: Path, refusal: Callable[[list[str]], str]
) -> None:
    shutil.copytree(whole, texts / "run")
    words = words_of(texts, decoder, "--resume", "--budget", "20")
    words.remove("--distill")
    assert "was started with distill = True, not False; pass the same" in refusal(words)
