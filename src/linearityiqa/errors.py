"""The few exceptions a user meets. Each message says what, where and the remedy."""

import difflib
from collections.abc import Iterable

MALFORMED = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""Exceptions that parsing untrusted text, and taking values from the result, may raise."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return a question that names the known word most like a mistyped one; empty where none is.

    >>> did_you_mean("tarin", ["test", "train"])
    ' (did you mean train?)'
    """
    plain = {name.lower(): name for name in known}
    found = difflib.get_close_matches(word.lower(), plain, n=1)
    return f" (did you mean {plain[found[0]]}?)" if found else ""


class LinearityIQAError(Exception):
    """A failure the user can understand and mend; the command line prints it as one sentence (exit status 1)."""

    exit_status = 1


class ConfigError(LinearityIQAError, ValueError):
    """An option, or a combination of options, that cannot mean anything (exit status 2)."""

    exit_status = 2


class MissingExtraError(LinearityIQAError, ImportError):
    """A module that belongs to an extra which is not installed."""


class DataError(LinearityIQAError):
    """A database, table or label file that is missing, malformed or too small."""


class UnreadableImageError(DataError):
    """An image file that cannot be decoded, or that must not be (decompression bomb, animation)."""


class ImageTooLargeError(UnreadableImageError):
    """An image with more pixels than are allowed, or than there is memory for."""


class ImageTooSmallError(DataError, ValueError):
    """An image on which the network's pooling windows do not fit."""


class NotFiniteError(DataError):
    """A network's score that is not a finite number: damaged weights, or training that has diverged."""


class ModelFileError(LinearityIQAError):
    """A model file that is missing, damaged, unsafe or of another architecture."""


class OutputError(LinearityIQAError):
    """An output that cannot be written, or that belongs to another model or other options than the ones at hand."""


class TrainingError(LinearityIQAError):
    """A run that cannot continue: a loss that is not finite, a run folder of another configuration."""


class DivergedError(TrainingError):
    """A run whose loss or scores are no longer finite: the same options would end here again."""


class Interrupted(LinearityIQAError):  # noqa: N818 - an event, not a fault
    """The run was asked to stop and has saved its state; `exit_status` is 128 + the signal's number."""

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        self.exit_status = 128 + signal_number
