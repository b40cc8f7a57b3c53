"""Every failure a user can cause or cure, each with the exit code the command line ends with.

The text of an error is one line: what was given, the rule, what to do.
"""

from __future__ import annotations

import os


class SyntransError(Exception):
    """Base of all expected failures. The command line prints its text and ends with ``exit_code``."""

    exit_code: int = 1

    def __str__(self) -> str:
        """The message on one line, whatever line breaks its parts brought along."""
        return " ".join(super().__str__().split())


INTERRUPTED = 130  # the exit code after Ctrl-C or SIGTERM


class UsageError(SyntransError):
    """The command or its configuration asks for something that does not exist or contradicts itself."""

    exit_code = 2


class InputError(SyntransError):
    """A file the user gave is missing, damaged or does not say what it must say."""

    exit_code = 3


class EnvironmentProblem(SyntransError):
    """The machine cannot do it: no room, no permission, no such device, a package is missing."""

    exit_code = 4


class ModelLoadError(SyntransError):
    """A model is not there, not in a safe format, does not load, or gives no answer that can be used."""

    exit_code = 5


class PartialResult(SyntransError):
    """The work stopped half way; what was done is kept, and the same command goes on from there."""

    exit_code = 6


def in_one_line(error: OSError | UnicodeError | RecursionError | MemoryError) -> tuple[str, int]:
    """What to tell of an error of the machine or of an input that nobody expected there, and the exit code."""
    if isinstance(error, MemoryError):
        return "the memory is used up; give less at once, or close other programs", EnvironmentProblem.exit_code
    if isinstance(error, RecursionError):
        return "the input is nested too deep; make it flatter", InputError.exit_code
    if isinstance(error, UnicodeError):
        return f"the input holds what is no text ({error}); save it as UTF-8", InputError.exit_code
    try:
        os.getcwd()  # noqa: PTH109 - nothing is done with it
    except OSError:
        return "the working directory is gone; change to another one", EnvironmentProblem.exit_code
    where = f"{error.filename}: " if error.filename is not None else ""
    return (
        f"{where}{error.strerror or error}; check the path, the disk and its permissions",
        EnvironmentProblem.exit_code,
    )
