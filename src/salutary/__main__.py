"""``salutary`` and ``python -m salutary``: the command line as a process of its own."""

from __future__ import annotations

import os
import sys
from contextlib import suppress

REFUSED = 2
"""Exit code for what a user can fix."""


def main() -> None:
    """Run the command; an interrupt ends in one line, also while it is imported."""
    try:
        # Imported here, as importing it takes a moment.
        from salutary.cli.main import main as run

        run()
    except KeyboardInterrupt:
        print("salutary: interrupted", file=sys.stderr)
        sys.exit(130)
    except SystemExit as end:
        if end.code != REFUSED:
            raise
        # A refusal comes while libraries still read and compute. A thread of theirs
        # that has not ended may end an ordinary exit by a signal, so there is none.
        with suppress(OSError, ValueError, AttributeError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(REFUSED)


if __name__ == "__main__":
    main()
