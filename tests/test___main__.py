"""The command as a process of its own, started by Python and by the script."""

import os
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest


def script() -> str:
    """What the installed script runs, by the entry point of the package."""
    project = Path(__file__).parents[1] / "pyproject.toml"
    entry = tomllib.loads(project.read_text())["project"]["scripts"]["salutary"]
    module, _, function = entry.partition(":")
    return f"import sys; from {module} import {function}; sys.exit({function}())"


STARTS = {"module": ["-m", "salutary"], "script": ["-c", script()]}


@pytest.mark.parametrize("start", STARTS.values(), ids=STARTS)
def test_it_is_the_command(start: list[str]) -> None:
    words = [sys.executable, *start]
    done = subprocess.run([*words, "--version"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("salutary ")
    done = subprocess.run([*words, "label"], capture_output=True, text=True)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.skipif(os.name == "nt", reason="needs a signal that is sent to a process")
@pytest.mark.parametrize("start", STARTS.values(), ids=STARTS)
@pytest.mark.parametrize("slow", ["typer", "numpy"])
def test_an_interrupt_during_imports_ends_in_one_line(
    slow: str, start: list[str], tmp_path: Path
) -> None:
    waiting = "import time\nprint('importing', flush=True)\ntime.sleep(60)\n"
    (tmp_path / f"{slow}.py").write_text(waiting)
    tables = ["t.csv", "--validation", "t.csv", "--pool", "t.csv", "--target", "y"]
    (tmp_path / "t.csv").write_text("x,y\n1,a\n")
    # Python looks for a module beside where it is started first.
    path = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")]))
    process = subprocess.Popen(
        [sys.executable, *start, "label", *tables, "--out", "run"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "importing\n"
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.startswith("salutary: interrupted")
    assert len(err.splitlines()) == 1
    assert not (tmp_path / "run").exists()
