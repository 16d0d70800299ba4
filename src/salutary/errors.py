"""The error that a user can mend."""


class InputError(ValueError):
    """Bad input: one line that names file, column or row, and the remedy.

    The command line prints it and exits with 2.
    """
