"""``python -m salutary``: the command line."""

from salutary.cli.main import main

if __name__ == "__main__":
    main()
