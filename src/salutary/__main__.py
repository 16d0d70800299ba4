"""``salutary`` and ``python -m salutary``: the command line as a process of its own."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command; an interrupt ends in one line, also while it is imported."""
    try:
        # Imported here, as importing it takes a moment.
        from salutary.cli.main import main as run

        run()
    except KeyboardInterrupt:
        print("salutary: interrupted", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()
