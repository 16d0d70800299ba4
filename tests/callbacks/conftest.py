"""The tables and runs of the command line's tests."""

from tests.cli.conftest import (  # noqa: F401
    _finished,
    arguments,
    folder,
    frames,
    killed,
    run_dir,
)
