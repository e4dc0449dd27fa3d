"""The one error that is shown to people as a line instead of a traceback."""


class InputError(ValueError):
    """Something the user gave cannot be used.

    The message is one line that names the file, the value and what to do.
    """
