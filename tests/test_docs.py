"""README and docs: links lead somewhere, what is named exists, and their code works."""

import io
import itertools
import re
import shlex
import subprocess
import tarfile
import tomllib
from pathlib import Path

import pandas as pd
import pytest

import salutary
from docs import learning_curve, outputs
from docs.outputs import PAGES, PICTURE, PRINTED, ROOT
from salutary.cli.main import _command

README = ROOT / "README.md"
EXTENDING = sorted((ROOT / "docs" / "extending").glob("*.md"))
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
SHELL = re.compile(r"```sh\n(.*?)```", re.DOTALL)
PYTHON = re.compile(r"```python\n(.*?)```", re.DOTALL)


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def prose(page: Path) -> str:
    """The page without its blocks of code."""
    return re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.DOTALL)


def anchors(page: Path) -> set[str]:
    """Where links into a page may lead: its headings as addresses."""
    headings = re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE)
    kept = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.replace(" ", "-") for heading in kept}


@pytest.mark.parametrize("page", [*PAGES, *EXTENDING], ids=named)
def test_every_link_leads_to_a_file_of_the_checkout(page: Path) -> None:
    for link in LINK.findall(prose(page)):
        if link.startswith("https://"):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.is_relative_to(ROOT), link
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_every_page_can_be_reached_from_the_contents() -> None:
    contents = ROOT / "docs" / "index.md"
    linked = {
        (contents.parent / link).resolve() for link in LINK.findall(prose(contents))
    }
    assert linked >= {page for page in PAGES if page not in (README, contents)}


def test_every_public_name_stands_once_in_the_api() -> None:
    text = (ROOT / "docs" / "api.md").read_text("utf-8")
    assert sorted(re.findall(r"^   (\w+)$", text, re.MULTILINE)) == salutary.__all__


@pytest.mark.slow
@pytest.mark.parametrize("page", EXTENDING, ids=named)
def test_the_example_of_a_page_about_extending_runs(page: Path) -> None:
    blocks = PYTHON.findall(page.read_text("utf-8"))
    assert any("assert " in block for block in blocks)
    # One module, so that a class of the first block is known in the others.
    exec(compile("\n".join(blocks), str(page), "exec"), {"__name__": page.stem})


def commands(page: Path) -> list[list[str]]:
    """The words of every command of salutary that a page shows."""
    found = []
    for block in SHELL.findall(page.read_text("utf-8")):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            if words[:1] == ["salutary"]:
                found.append(words[1:])
    return found


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_option_that_a_page_shows_is_one(page: Path) -> None:
    for words in commands(page):
        command = _command()
        while hasattr(command, "commands") and words:
            command, words = command.commands[words[0]], words[1:]
        known = {option for parameter in command.params for option in parameter.opts}
        # What comes after a pipe is another program's.
        own = itertools.takewhile(lambda word: word != "|", words)
        shown = {word.partition("=")[0] for word in own if word.startswith("-")}
        assert shown - {"--help"} <= known, words


def test_the_readme_is_short_and_names_the_two_commands_of_a_fresh_clone() -> None:
    text = README.read_text("utf-8")
    assert len(text.splitlines()) <= 150
    assert "make demo" in text
    assert "make test" in text
    assert "make test\n" in (ROOT / ".ci" / "run").read_text("utf-8")


def test_a_package_page_has_no_link_into_the_checkout() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    readme = project["tool"]["hatch"]["metadata"]["hooks"]["fancy-pypi-readme"]
    assert [part["path"] for part in readme["fragments"]] == ["README.md"]
    text = README.read_text("utf-8")
    for change in readme["substitutions"]:
        text = re.sub(change["pattern"], change["replacement"], text)
    assert all(link.startswith("https://") for link in LINK.findall(text))
    assert "![" not in text
    assert "[arXiv 2405.17627](https://arxiv.org/abs/2405.17627)" in text
    assert "| What to train on |" in text


def test_what_is_distributed_is_small() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    sdist = project["tool"]["hatch"]["build"]["targets"]["sdist"]
    assert sdist["exclude"] == [
        ".*",
        "/docs/**/*.png",
        "/docs/results",
        "/docs/studies",
    ]
    left_out = re.compile(r"(.*/)?[.]|.*[.]png$|docs/(results|studies)/|.*__pycache__")
    names = subprocess.run(
        ["git", "ls-files", *sdist["only-include"]],
        cwd=ROOT, check=True, capture_output=True, text=True,
    ).stdout.split("\n")  # fmt: skip
    kept = [name for name in names if name and not left_out.match(name)]
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name in kept:
            archive.add(ROOT / name)
    assert "src/salutary/__init__.py" in kept
    assert len(packed.getvalue()) < 1_000_000


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_marked_block_has_commands_and_an_output(page: Path) -> None:
    text = page.read_text("utf-8")
    blocks = list(PRINTED.finditer(text))
    assert len(blocks) == text.count("<!-- printed -->")
    assert all(block["printed"].strip() for block in blocks)


PAGE = """Some words.

```sh
touch other
```

```sh
echo new
echo error >&2
```

prints

<!-- printed -->
```text
old
```

```text
old
```
"""


def test_outputs_are_written_below_the_commands_that_print_them(
    tmp_path: Path,
) -> None:
    once = outputs.rewritten(PAGE, tmp_path)
    assert once == PAGE.replace("old", "new\nerror", 1)
    assert outputs.rewritten(once, tmp_path) == once
    assert not any(tmp_path.iterdir())


def test_a_command_that_fails_leaves_the_page(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="failed"):
        outputs.rewritten(PAGE.replace("echo new", "false"), tmp_path)


def test_pictures_are_small_and_fetch_nothing() -> None:
    for picture in PICTURE.parent.iterdir():
        assert picture.stat().st_size < 300_000
    drawn = PICTURE.read_text("utf-8")
    assert "url(http" not in drawn
    for command in outputs.PICTURED:
        assert command in README.read_text("utf-8")
        assert all(word in drawn for word in command.split())


def test_the_learning_curve_ends_where_the_report_says() -> None:
    report = (learning_curve.MEASURED.parent / "report.md").read_text("utf-8")
    means = learning_curve.curves(pd.read_parquet(learning_curve.MEASURED))
    gains = re.findall(r"\| (\w+) \| C=tuned \| (\S+) ± ", report)[: len(means) // 3]
    labels = means.xs("Salutary-guarded", level="strategy")
    for name, gain in gains:
        assert labels.loc[name, 0] - labels.loc[name, 10] == pytest.approx(
            float(gain),
            abs=2e-4,  # few runs go on after ten rounds
        )
    both = means.xs("TrainPlusValidation", level="strategy")
    assert (both[10] < labels[10]).all()  # as the README says
    assert (labels[10] < labels[0]).all()
    assert len(learning_curve.plot(means).axes) == len(gains)


@pytest.mark.slow
def test_the_first_commands_of_a_newcomer_work(tmp_path: Path) -> None:
    outputs.prepare(tmp_path)
    page = (ROOT / "docs" / "get-started.md").read_text("utf-8")
    _install, *blocks = SHELL.findall(page)
    for block in blocks:
        outputs.printed_by(block, tmp_path, subprocess.STDOUT)
    new = pd.read_csv(tmp_path / "tables" / "new.csv")
    predicted = pd.read_csv(tmp_path / "predictions.csv")
    assert (predicted["prediction"] == new["diagnosis"]).mean() > 0.9
    assert (tmp_path / "labeled" / "labels.parquet").exists()


@pytest.mark.slow
def test_the_readmes_commands_work(tmp_path: Path) -> None:
    outputs.prepare(tmp_path)
    (block,) = (
        text for text in SHELL.findall(README.read_text("utf-8")) if "cd" in text
    )
    assert len(block.splitlines()) <= 15
    printed = outputs.printed_by(block, tmp_path, subprocess.STDOUT)
    assert "Advice: " in printed
    new = pd.read_csv(tmp_path / "tables" / "new.csv")
    predicted = pd.read_csv(tmp_path / "tables" / "predictions.csv")
    assert (predicted["prediction"] == new["diagnosis"]).mean() > 0.9
