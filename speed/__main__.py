"""Run every measurement and print a line for each."""

from __future__ import annotations

from salutary_benchmark.versions import environment
from speed import bank_loop, embedding, importing, jobs, pages, scoring
from speed.measure import data_folder


def main() -> None:
    print(environment(), flush=True)
    for measured in scoring.speed():
        print(measured.line(), flush=True)
    for measured in scoring.kernel():
        print(measured.line(), flush=True)
    for line in scoring.memory():
        print(line, flush=True)
    for measured in importing.speed():
        print(measured.line(), flush=True)
    folder = data_folder()
    if folder is None:
        print(
            "no real data: set SALUTARY_DATA to its folder for the other measurements"
        )
        return
    for measured in bank_loop.speed(folder):
        print(measured.line(), flush=True)
    for measured in jobs.speed(folder):
        print(measured.line(), flush=True)
    for measured in embedding.speed(folder):
        print(measured.line(), flush=True)
    for line in pages.speed(folder):
        print(line, flush=True)


main()
