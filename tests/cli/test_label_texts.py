"""``salutary label`` on tables with texts and with vectors."""

import json
import shutil
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_score

import salutary
from salutary.cli.main import main
from salutary.deep.transformer_embedder import TransformerEmbedder
from salutary.labeling.tuning import PENALTIES
from tests.words import once

pytestmark = pytest.mark.slow

SIZES = {"train": 40, "validation": 30, "pool": 50}


def tables(seed: int) -> dict[str, pd.DataFrame]:
    """Texts whose words tell the class, mostly; one of the pool's is "NA"."""
    rng = np.random.default_rng(seed)
    found = {}
    for name, n in SIZES.items():
        kind = rng.integers(0, 2, n)
        words = [
            " ".join(rng.choice(list("abcdefgh"), 4, p=np.roll(LIKELY, 4 * k)))
            for k in kind
        ]
        found[name] = pd.DataFrame({"text": words, "kind": np.array(["x", "y"])[kind]})
    found["pool"].loc[3, "text"] = "NA"
    return found


LIKELY = np.repeat([0.2, 0.05], 4)


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    for name, frame in tables(0).items():
        if name == "pool":
            frame = frame.drop(columns="kind")
        frame.to_csv(tmp_path / f"{name}.csv", index=False)
    return tmp_path


def arguments(folder: Path, kind: str = "csv", out: str = "run") -> list[str]:
    return [
        *["label", str(folder / f"train.{kind}"), "--target", "kind"],
        *["--validation", str(folder / f"validation.{kind}")],
        *["--pool", str(folder / f"pool.{kind}"), "--out", str(folder / out)],
        *["--budget", "6", "--batch-size", "3", "--no-guard"],
    ]


def of_texts(folder: Path, model: str) -> list[str]:
    return [
        *["--text-column", "text", "--embedder", model, "--pooling", "last"],
        *["--device", "cpu", "--embedding-cache", str(folder / "cache")],
    ]


def test_texts_are_embedded_and_labeled(
    texts: Path, decoder: str, capsys: pytest.CaptureFixture[str]
) -> None:
    main([*arguments(texts), *of_texts(texts, decoder)])
    report = json.loads((texts / "run" / "run.json").read_text())
    assert report["settings"]["text"] == ["text"]
    assert report["settings"]["embedder"] == decoder
    assert report["settings"]["C"] is None
    labels = pq.read_table(texts / "run" / "labels.parquet").to_pandas()
    assert len(labels) == 6
    model = salutary.load(texts / "run")
    frames = tables(0)
    pool = model[:-1].transform(frames["pool"][["text"]])
    # The same vectors, standardized over training table and pool.
    embedder = TransformerEmbedder(decoder, pooling="last", device="cpu")
    stacked = pd.concat([frames["train"], frames["pool"]])["text"]
    vectors = embedder.fit_transform(stacked)
    expected = (vectors - vectors.mean(axis=0)) / vectors.std(axis=0)
    np.testing.assert_allclose(pool, expected[SIZES["train"] :], atol=1e-4)
    # C is as good as any by scikit-learn's own cross-validation, nearly.
    C = report["outcome"]["C"]
    assert f"C                  {C:g}, tuned" in capsys.readouterr().out
    train, y = expected[: SIZES["train"]], frames["train"]["kind"]
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    losses = {
        penalty: -cross_val_score(
            LogisticRegression(C=penalty, max_iter=5000),
            train,
            y,
            cv=folds,
            scoring="neg_log_loss",
        ).mean()
        for penalty in PENALTIES
    }
    assert losses[C] < min(losses.values()) + 0.05 < losses[10.0]
    assert model[-1].C == C


def test_vectors_are_kept_for_the_next_run(
    texts: Path, decoder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from salutary.deep.language_model import LanguageModel

    main([*arguments(texts), *of_texts(texts, decoder)])

    def encode(self: Any, batch: Any) -> Any:
        raise AssertionError("encoded again")

    monkeypatch.setattr(LanguageModel, "encode", encode)
    main([*arguments(texts, out="again"), *of_texts(texts, decoder)])
    main(
        once(
            [*arguments(texts), *of_texts(texts, decoder), "--resume", "--budget", "9"]
        )
    )
    first, again, more = (
        pq.read_table(texts / run / "labels.parquet").to_pandas()
        for run in ("run", "again", "run")
    )
    assert len(more) == 9
    pd.testing.assert_frame_equal(first[:6], again)


KILLED = """
import os, signal
from salutary.cli.main import main
from salutary.deep.language_model import LanguageModel

encode, calls = LanguageModel.encode, []

def dying(self, batch):
    calls.append(batch)
    if len(calls) == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return encode(self, batch)

LanguageModel.encode = dying
"""


def test_a_kill_while_embedding_loses_no_vector(
    texts: Path,
    decoder: str,
    killed: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from salutary.deep.language_model import LanguageModel

    words = [*arguments(texts), *of_texts(texts, decoder), "--resume"]
    killed(f"{KILLED}\nmain({words!r})")
    asked: list[str] = []
    encode = LanguageModel.encode

    def counted(self: Any, batch: Any) -> Any:
        asked.extend(batch)
        return encode(self, batch)

    monkeypatch.setattr(LanguageModel, "encode", counted)
    main(words)
    different = set(pd.concat(tables(0).values())["text"])
    assert len(asked) == len(set(asked)) == len(different) - 64
    main([*arguments(texts, out="whole"), *of_texts(texts, decoder)])
    files = [texts / run / "labels.parquet" for run in ("run", "whole")]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_pairs_and_other_columns_are_features_too(texts: Path, decoder: str) -> None:
    for name in SIZES:
        frame = pd.read_csv(texts / f"{name}.csv", keep_default_na=False)
        frame["more"], frame["size"] = frame["text"].str[::-1], 0.5
        frame.loc[::2, "size"] = 1.5
        frame.to_csv(texts / f"{name}.csv", index=False)
    main([*arguments(texts), *of_texts(texts, decoder), "--text-pair", "more"])
    model = salutary.load(texts / "run")
    frame = pd.read_csv(texts / "validation.csv", keep_default_na=False)
    assert model[:-1].transform(frame).shape == (SIZES["validation"], 8 + 1)
    out = texts / "predictions.csv"
    main(
        [
            "predict",
            str(texts / "run"),
            str(texts / "validation.csv"),
            "--out",
            str(out),
        ]
    )
    found = pd.read_csv(out)
    np.testing.assert_array_equal(found["prediction"], model.predict(frame))


def test_a_missing_text_is_refused_by_its_row(
    texts: Path, decoder: str, refusal: Callable[[list[str]], str]
) -> None:
    for name in SIZES:
        frame = pd.read_csv(texts / f"{name}.csv", keep_default_na=False)
        if name == "pool":
            frame.loc[7, "text"] = None
        frame.to_parquet(texts / f"{name}.parquet")
    line = refusal([*arguments(texts, "parquet"), *of_texts(texts, decoder)])
    assert "pool.parquet: column 'text', row 7: the text is missing; fill it" in line
    assert not (texts / "run").exists()


def test_texts_can_be_relabeled_and_advised_on(
    texts: Path, decoder: str, capsys: pytest.CaptureFixture[str]
) -> None:
    tables_of = ["--target", "kind", "--validation", str(texts / "validation.csv")]
    words = [str(texts / "train.csv"), *tables_of, *of_texts(texts, decoder)]
    main(["relabel", *words, "--out", str(texts / "relabeled"), "--budget", "3"])
    assert (texts / "relabeled" / "cleaned.csv").is_file()
    capsys.readouterr()
    main(["advise", *words, "--splits", "2", "--repeats", "1", "--json"])
    found = json.loads(capsys.readouterr().out)
    assert found["settings"]["text"] == ["text"]
    assert found["sentence"].startswith("Advice: ")


def test_what_is_asked_of_texts_must_make_sense(
    texts: Path,
    decoder: str,
    refusal: Callable[[list[str]], str],
) -> None:
    known = arguments(texts)
    column, embedder = ["--text-column", "text"], ["--embedder", decoder]
    cases = {
        "--text-column text: needs --embedder": column,
        f"--embedder {decoder}: needs --text-column": embedder,
        "--text-pair text: needs --text-column": ["--text-pair", "text"],
        "--text-pair text: is --text-column too": [
            *column,
            *embedder,
            *["--text-pair", "text"],
        ],
        "train.csv: has no text column 'words'": [*embedder, "--text-column", "words"],
        "--text-column 'kind': is the target": [*embedder, "--text-column", "kind"],
        "there is no such folder, and the Hugging Face hub": [
            *column,
            *["--embedder", "nobody/nothing"],
        ],
        "is not a model that transformers can load": [
            *column,
            *["--embedder", str(texts)],
        ],
        "device 'abacus' cannot be used": [*column, *embedder, "--device", "abacus"],
        "--pooling last: needs --text-column": ["--pooling", "last"],
        "--text-column 'text': is --id too": [*column, *embedder, "--id", "text"],
        "run: is in the run's own directory; pass another --embedding-cache": [
            *column,
            *embedder,
            *["--embedding-cache", str(texts / "run")],
        ],
        "c: is in the run's own directory": [
            *column,
            *embedder,
            *["--embedding-cache", str(texts / "run" / "b" / "c")],
        ],
    }
    for words, further in cases.items():
        assert words in refusal([*known, *further])
    assert not (texts / "run").exists()


def test_a_column_of_numbers_is_no_text(
    texts: Path, decoder: str, refusal: Callable[[list[str]], str]
) -> None:
    for name in SIZES:
        frame = pd.read_csv(texts / f"{name}.csv", keep_default_na=False)
        frame.assign(text=1.5).to_parquet(texts / f"{name}.parquet")
    line = refusal([*arguments(texts, "parquet"), *of_texts(texts, decoder)])
    assert "train.parquet: text column 'text' holds double, not text" in line


def test_a_run_goes_on_with_its_own_model_only(
    texts: Path,
    decoder: str,
    tmp_path_factory: pytest.TempPathFactory,
    refusal: Callable[[list[str]], str],
) -> None:
    import torch
    from transformers import GPT2Model

    model = tmp_path_factory.mktemp("models") / "model"
    shutil.copytree(decoder, model)
    words = [*arguments(texts), *of_texts(texts, str(model))]
    main(words)
    changed = GPT2Model.from_pretrained(decoder)
    with torch.no_grad():
        changed.ln_f.bias += 1
    changed.save_pretrained(model)
    line = refusal(once([*words, "--resume", "--budget", "9"]))
    assert "was started with another model in" in line
    line = refusal(["predict", str(texts / "run"), str(texts / "pool.csv"),
                    "--out", str(texts / "out.csv")])  # fmt: skip
    assert "is another model" in line


def test_a_run_whose_model_has_moved_is_told_where_it_is(
    texts: Path, decoder: str, tmp_path: Path, refusal: Callable[[list[str]], str]
) -> None:
    folder = tmp_path / "models" / "model"
    shutil.copytree(decoder, folder)
    main([*arguments(texts), *of_texts(texts, str(folder))])
    labels = (texts / "run" / "labels.parquet").read_bytes()
    folder = folder.rename(tmp_path / "moved")
    words = ["predict", str(texts / "run"), str(texts / "pool.csv")]
    words += ["--out", str(texts / "out.csv")]
    assert "there is no such folder" in refusal(words)
    main([*arguments(texts), *of_texts(texts, str(folder)), "--resume"])
    assert (texts / "run" / "labels.parquet").read_bytes() == labels
    main(words)
    assert len(pd.read_csv(texts / "out.csv")) == SIZES["pool"]


@pytest.mark.parametrize("kind", ["parquet", "jsonl"])
def test_a_column_of_vectors_is_as_good_as_its_numbers(
    tmp_path: Path, kind: str
) -> None:
    rng = np.random.default_rng(1)
    for name, n in SIZES.items():
        y = rng.integers(0, 2, n)
        vectors = (rng.normal(size=(n, 5)) + y[:, None]).astype(np.float32)
        labels = {} if name == "pool" else {"kind": np.array(["x", "y"])[y]}
        spread = {f"v{number}": vectors[:, number] for number in range(5)}
        for folder, columns in (
            ("whole", {"v": vectors.tolist()}),
            ("spread", spread),
        ):
            (tmp_path / folder).mkdir(exist_ok=True)
            frame = pd.DataFrame({**columns, **labels})
            path = tmp_path / folder / f"{name}.{kind}"
            if kind == "parquet":
                frame.to_parquet(path)
            else:
                frame.to_json(path, orient="records", lines=True, double_precision=15)
    found = []
    for folder in ("whole", "spread"):
        main(arguments(tmp_path / folder, kind))
        found.append(pq.read_table(tmp_path / folder / "run" / "labels.parquet"))
    assert found[0].column("id").equals(found[1].column("id"))
    assert found[0].column("label").equals(found[1].column("label"))
    np.testing.assert_allclose(found[0]["influence"], found[1]["influence"], rtol=1e-4)


@pytest.mark.parametrize(
    ("vector", "words"),
    [
        ([1.0], "row 2: is not a vector of 2 numbers"),
        (None, "row 2: is not a vector of 2 numbers"),
        ([1.0, None], "row 2: has a number that is missing or too large"),
        ([1.0, float("inf")], "row 2: has a number that is missing or too large"),
    ],
)
def test_a_vector_unlike_the_others_is_refused_by_its_row(
    tmp_path: Path, vector: Any, words: str, refusal: Callable[[list[str]], str]
) -> None:
    rng = np.random.default_rng(1)
    for name, n in SIZES.items():
        vectors = rng.normal(size=(n, 2)).tolist()
        if name == "validation":
            vectors[2] = vector
        frame = pd.DataFrame({"v": vectors, "kind": list("xy") * (n // 2)})
        frame.to_parquet(tmp_path / f"{name}.parquet")
    line = refusal(arguments(tmp_path, "parquet"))
    assert f"validation.parquet: column 'v', {words}" in line


def test_an_entry_called_as_a_column_is_refused(
    tmp_path: Path, refusal: Callable[[list[str]], str]
) -> None:
    for name, n in SIZES.items():
        columns = {"v[0]": 7.0, "v": [[1.0, 2.0]] * n, "kind": list("xy") * (n // 2)}
        pd.DataFrame(columns).to_parquet(tmp_path / f"{name}.parquet")
    line = refusal(arguments(tmp_path, "parquet"))
    assert (
        "column 'v': an entry of its vectors has the name of the column 'v[0]'" in line
    )


def test_vectors_of_very_large_integers_are_numbers(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name, n in SIZES.items():
        vectors = [[2**62 + 1, int(number)] for number in rng.integers(0, 9, n)]
        frame = pd.DataFrame({"v": vectors, "kind": list("xy") * (n // 2)})
        frame.to_parquet(tmp_path / f"{name}.parquet")
    main(arguments(tmp_path, "parquet"))


def test_a_display_without_reports_will_do(decoder: str, texts: Path) -> None:
    from salutary.runs.kind import Request
    from salutary.runs.label import LABELING
    from salutary.runs.table_problem import Settings
    from salutary.tables.sources import Sources, Texts

    sources = Sources(
        *(texts / f"{name}.csv" for name in ("train", "validation", "pool")),
        "kind",
        None,
        texts=Texts(("text",), decoder, device="cpu"),
    )
    settings = Settings("paper", None, 3, False, 0)
    request = Request(sources, settings, 10, texts / "run", resume=False)
    prepared = LABELING.prepare(
        request, lambda name: nullcontext(lambda done, total: None)
    )
    assert prepared.embedder is not None


@pytest.mark.filterwarnings("ignore:.*more than 2 tokens")
def test_a_run_of_before_goes_on_with_its_length(
    texts: Path, decoder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = Path(shutil.copytree(decoder, texts / "limited"))
    (model / "sentence_bert_config.json").write_text('{"max_seq_length": 2}')
    words = [*arguments(texts), *of_texts(texts, str(model))]
    with monkeypatch.context() as before:
        before.setattr("salutary.deep.loading.sentence_length", lambda *_: None)
        main(words)
        whole = [*arguments(texts, out="whole"), *of_texts(texts, str(model))]
        main(once([*whole, "--budget", "9"]))
    out = texts / "predictions.csv"
    main(["predict", str(texts / "run"), str(texts / "pool.csv"), "--out", str(out)])
    main(once([*words, "--resume", "--budget", "9"]))
    found, expected = (
        (texts / run / "labels.parquet").read_bytes() for run in ("run", "whole")
    )
    assert found == expected
    main(
        once(
            [
                *arguments(texts, out="now"),
                *of_texts(texts, str(model)),
                "--budget",
                "9",
            ]
        )
    )
    assert (texts / "now" / "labels.parquet").read_bytes() != expected
    predict = ["predict", str(texts / "run"), str(texts / "pool.csv")]
    main([*predict, "--out", str(texts / "again.csv")])


@pytest.mark.filterwarnings("default")
def test_texts_that_are_cut_are_told_of_once_by_table(
    texts: Path, decoder: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, rows in (("train", [1, 2]), ("pool", [5]), ("validation", [])):
        frame = pd.read_csv(texts / f"{name}.csv", keep_default_na=False)
        frame.loc[rows, "text"] = "a b c d e f g h a b c d e f g h a b"
        frame.to_csv(texts / f"{name}.csv", index=False)
    main([*arguments(texts), *of_texts(texts, decoder)])
    lines = capsys.readouterr().err.splitlines()
    assert [line for line in lines if " tokens; " in line] == [
        f"warning: {texts / 'train.csv'}: 2 of 40 texts, {texts / 'pool.csv'}: 1 of 50 "
        "texts have more than 16 tokens; the rest of each is ignored"
    ]
