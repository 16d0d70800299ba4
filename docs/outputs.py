r"""Rerun the commands of README.md and docs/*.md, and write down what they print.

A block of commands followed by a block of output with a marker before it,

    ```sh
    salutary demo
    ```

    <!-- printed -->
    ```text
    ```

is run by a shell in an empty folder that has the checkout's ``examples`` and the real
data, and what it prints, errors included, becomes the output. The README's picture of a
terminal is drawn too.

Usage: python -m docs.outputs [PAGE ...]
"""

import os
import re
import subprocess
import sys
import sysconfig
import tempfile
from io import StringIO
from pathlib import Path

from rich.console import CONSOLE_SVG_FORMAT, Console
from rich.text import Text

from salutary.files import write_text
from speed.measure import data_folder

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]

PRINTED = re.compile(
    r"(?P<before>```sh\n(?P<commands>(?:(?!```).)*)```(?:(?!```).)*<!-- printed -->\n"
    r"```text\n)(?P<printed>(?:(?!```).)*)(?P<after>```)",
    re.DOTALL,
)
"""Commands, whatever stands between, and their output; no other block between."""

PICTURE = ROOT / "docs" / "pictures" / "terminal.svg"
PICTURED = (
    "salutary advise train.csv --validation val.csv --pool pool.csv --target diagnosis",
)
"""Commands in the README's picture, run in the folder of `make_tables.py`."""
WIDTH = 100
FRAME = re.sub(r"@font-face \{\{.*?\}\}", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
"""How rich draws a terminal, without fonts that it would fetch from elsewhere."""


def rewritten(page: str, folder: Path) -> str:
    """The page with the output of each of its commands as it is now."""

    def run_block(block: re.Match[str]) -> str:
        printed = printed_by(block["commands"], folder, subprocess.STDOUT)
        return f"{block['before']}{printed}{block['after']}"

    return PRINTED.sub(run_block, page)


def printed_by(commands: str, folder: Path, errors: int) -> str:
    """What the commands print in the folder; `errors` says where errors go.

    Raises
    ------
    SystemExit
        If one fails.
    """
    path = f"{sysconfig.get_path('scripts')}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-e", "-c", commands],
        cwd=folder,
        env={**os.environ, "PATH": path, "COLUMNS": str(WIDTH)},
        stdout=subprocess.PIPE,
        stderr=errors,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{commands}failed:\n{done.stdout}")
    return done.stdout


def prepare(folder: Path) -> None:
    """Put what the commands name into the folder: examples and real data."""
    (folder / "examples").symlink_to(ROOT / "examples")
    data = data_folder()
    if data is not None:
        for file in data.glob("*.parquet"):
            (folder / file.name).symlink_to(file)


def terminal(folder: Path) -> str:
    """An SVG of a terminal in which the pictured commands ran."""
    printed_by("python examples/make_tables.py tables", folder, subprocess.STDOUT)
    console = Console(record=True, file=StringIO(), width=WIDTH)
    for command in PICTURED:
        console.print(Text(f"$ {command}", style="bold"))
        out = printed_by(command, folder / "tables", subprocess.DEVNULL)
        console.print(Text.from_ansi(out.rstrip("\n")))
    # The same text is the same file, so that a change of it is a change of the text.
    return console.export_svg(title="salutary", code_format=FRAME, unique_id="terminal")


def main(pages: list[Path]) -> None:
    """Rewrite the pages, and the picture if README.md is among them."""
    for page in pages:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            prepare(folder)
            write_text(page, rewritten(page.read_text("utf-8"), folder))
            if page.name == "README.md":
                write_text(PICTURE, terminal(folder))
        print(page.relative_to(ROOT))


if __name__ == "__main__":
    main([Path(name).resolve() for name in sys.argv[1:]] or PAGES)
