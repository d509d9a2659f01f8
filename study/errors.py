"""The errors that users meet, each with one sentence; the command line maps them to exit codes."""

from __future__ import annotations


class UserError(ValueError):
    """Bad input: the sentence names the field, the value and what to do. Exit code 2."""


class Unreachable(UserError):
    """A store or Ray does not answer, and may later: the same is worth another try. Exit code 1."""


class StudyBusy(RuntimeError):
    """Another driver holds the study's lease. Exit code 1."""


class Interrupted(RuntimeError):
    """The launch was asked to stop and has; the sentence says how to go on.

    Attributes:
        code: The exit code: 128 and the signal's number; 130 for ``ttur stop``, as for Ctrl-C.
    """

    def __init__(self, sentence: str, number: int | None = None) -> None:
        super().__init__(sentence)
        self.code = 128 + (number or 2)


class TrialsFail(RuntimeError):
    """Trial after trial failed, or all: something outside of them is to be put right. Exit code 3."""
