"""Damage every file of a run's directory in every way, then resume it and predict.

``python -m tests.hostile.run_files [KIND ...]``

Without kinds it tries label and relabel. The 44 files of a run of finetune take half an
hour of one core.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from tests.hostile.__main__ import import_models
from tests.hostile.kills import KINDS, import_for_runs, results, write_all
from tests.hostile.processes import command, fork

DONE = 2
"""After so many rounds, or folds of a comparison, a run is interrupted."""


def _emptied(path: Path) -> None:
    os.truncate(path, 0)


def _halved(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def _altered(path: Path, part: float) -> None:
    content = bytearray(path.read_bytes())
    if content:
        content[int(part * len(content))] ^= 0x15
    path.write_bytes(content)


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _link(path: Path) -> None:
    aside = path.with_name("aside.tmp")
    path.replace(aside)
    path.symlink_to(aside.rename(_aside(path)))


def _aside(path: Path) -> Path:
    """Where the file is that a link leads to, outside the run."""
    run = next(above for above in path.parents if above.name == "run")
    return run.parent / "aside"


DAMAGES: dict[str, Callable[[Path], None]] = {
    "deleted": Path.unlink,
    "emptied": _emptied,
    "cut to half": _halved,
    "altered at a third": partial(_altered, part=1 / 3),
    "altered near the end": partial(_altered, part=0.97),
    "made a folder": _folder,
    "made a link": _link,
}


def damaged_runs(kind: str, jobs: int) -> tuple[int, list[str]]:
    """Try every damage on a finished and an interrupted run.

    Returns
    -------
    int
        How many were tried.
    list of str
        What was wrong.
    """
    found: list[str] = []
    with tempfile.TemporaryDirectory(prefix="hostile-files-") as name:
        folder = Path(name)
        write_all(folder)
        finished, unfinished = (folder / part for part in ("finished", "unfinished"))
        for part in (finished, unfinished):
            part.mkdir()
        end(resume(kind, finished / "run"), folder / "log")
        expected = results(kind, finished / "run")
        predictions = finished / "predictions.csv"
        end(predict(finished / "run", predictions), folder / "log")
        expected["predictions"] = predictions.read_bytes()
        predictions.unlink()
        end(partial(interrupted, kind, unfinished / "run"), folder / "log")
        trials = [*_trials(finished), *_trials(unfinished)]

        def see_to(own: list[tuple[Path, str, str]]) -> None:
            for state, file, damage in own:
                told = _one(kind, state, file, damage, expected)
                if told:
                    print(f"{kind} {state.name}: {file} {damage}: {told}", flush=True)

        workers = [
            fork(partial(see_to, trials[k::jobs]), folder, folder / f"see-{k}")
            for k in range(jobs)
        ]
        for k, pid in enumerate(workers):
            _, status = os.waitpid(pid, 0)
            found += (folder / f"see-{k}.out").read_text().splitlines()
            if status:
                found.append((folder / f"see-{k}.err").read_text())
    return len(trials), found


def _trials(state: Path) -> Iterator[tuple[Path, str, str]]:
    run = state / "run"
    for path in sorted(run.rglob("*")):
        if path.is_file():
            for damage in DAMAGES:
                yield state, str(path.relative_to(run)), damage


def resume(kind: str, run: Path) -> Callable[[], None]:
    """The command that begins a run, or goes on with it."""
    words = ["--resume"] if run.exists() else []
    return partial(command, [*KINDS[kind].words, "--out", str(run), *words])


def predict(run: Path, out: Path) -> Callable[[], None]:
    """The command that predicts by a run."""
    return partial(command, ["predict", str(run), "val.csv", "--out", str(out)])


def interrupted(kind: str, run: Path) -> None:
    """Run until some rounds or folds are in the ledger, then die as if killed."""
    from salutary.runs.advice_ledger import AdviceLedger
    from salutary.runs.ledger import Ledger

    done = 0

    def dying(store: Callable[..., None]) -> Callable[..., None]:
        def store_and_die(*entry: Any) -> None:
            nonlocal done
            store(*entry)
            done += 1
            if done == DONE:
                os._exit(0)

        return store_and_die

    Ledger.commit = dying(Ledger.commit)  # type: ignore[method-assign]
    store = dying(AdviceLedger.__setitem__)
    AdviceLedger.__setitem__ = store  # type: ignore[method-assign]
    resume(kind, run)()
    raise RuntimeError("the run ended before it was interrupted")


def end(work: Callable[[], None], log: Path) -> str:
    """Do work in a process of its own; nothing if it worked, or its refusal.

    It runs in the folder of the tables, which the log is in, or a folder of it.

    Raises
    ------
    RuntimeError
        If it ended in any other way.
    """
    folder = next(above for above in log.parents if (above / "val.csv").exists())
    _, status = os.waitpid(fork(work, folder, log), 0)
    err = Path(f"{log}.err").read_text()
    code = os.waitstatus_to_exitcode(status)
    lines = [line for line in err.splitlines() if line.startswith("salutary: ")]
    if code not in (0, 2) or "Traceback" in err:
        raise RuntimeError(f"ended with {code}: {err[-500:]}")
    if code == 2 and (len(lines) != 1 or err.splitlines()[-1] != lines[0]):
        raise RuntimeError(f"refused in other than one last line: {err[-500:]}")
    return lines[0] if code else ""


def _one(
    kind: str, state: Path, file: str, damage: str, expected: dict[str, Any]
) -> str:
    """What was wrong after one damage; nothing if all was right."""
    folder = Path(tempfile.mkdtemp(prefix="one-", dir=state.parent))
    run = shutil.copytree(state / "run", folder / "run")
    DAMAGES[damage](run / file)
    aside = folder / "aside"
    before = aside.read_bytes() if aside.exists() else None
    predictions = folder / "predictions.csv"

    def predicted() -> str:
        refused = end(predict(run, predictions), folder / "log")
        if not refused and predictions.read_bytes() != expected["predictions"]:
            return "other predictions"
        predictions.unlink(missing_ok=True)
        return ""

    try:
        told = predicted()
        refused = end(resume(kind, run), folder / "log")
        if not told and not refused:
            found = results(kind, run)
            # What a run keeps only for a quicker resume need not come back.
            if set(found["files"]) <= set(expected["files"]):
                found["files"] = expected["files"]
            differ = [name for name in found if found[name] != expected[name]]
            told = f"resumed to other {differ}" if differ else predicted()
        if before is not None and aside.read_bytes() != before:
            told = "the file that a link leads to was changed"
    except (RuntimeError, OSError) as error:
        told = " ".join(str(error).split())
    shutil.rmtree(folder)
    return told


if __name__ == "__main__":
    import_for_runs()
    n_wrong = 0
    for kind in sys.argv[1:] or ["label", "relabel"]:
        if kind == "finetune":
            import_models()
        n_tried, wrong = damaged_runs(kind, os.cpu_count() or 1)
        print(*wrong, sep="\n" if wrong else "")
        print(f"{kind}: {n_tried} damages, {len(wrong)} ended otherwise")
        n_wrong += len(wrong)
    sys.exit(min(n_wrong, 1))
