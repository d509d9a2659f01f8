"""Patience with a database that may be away for a while."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from typing import TypeVar

import optuna
import sqlalchemy as sa

logger = logging.getLogger(__name__)
T = TypeVar("T")

PATIENCE_SECONDS = 600.0
"""How long an unreachable record is waited for before a launch gives up."""
LAST_SECONDS = 5.0
"""How long it is waited for once the launch was asked to end."""
ATTEMPTS = 8
"""How often tables are made, should other processes make the same ones at the same time."""


class Patience:
    """Does things with the record, and waits for a database that is away for a while.

    Attributes:
        before_retry: Called before each further try; may raise to give up (the lease was lost meanwhile).
        given_up: Whether to stop waiting: the launch was asked to end.
    """

    def __init__(self) -> None:
        self.before_retry: Callable[[], None] = lambda: None
        self.given_up: Callable[[], bool] = lambda: False

    def __call__(self, operation: Callable[[], T]) -> T:
        """Returns what an operation returns, however often it has to be tried."""
        began, pause = time.monotonic(), 0.2
        while True:
            try:
                return operation()
            except (optuna.exceptions.StorageInternalError, sa.exc.OperationalError) as error:
                longest = LAST_SECONDS if self.given_up() else PATIENCE_SECONDS
                if time.monotonic() - began > longest or _hopeless(error):
                    raise
                logger.warning(
                    "The record cannot be reached (%s); trying again.",
                    type(error.__cause__ or error).__name__,
                )
            time.sleep(pause)
            pause = min(2 * pause, 5.0)
            self.before_retry()


def _hopeless(error: BaseException) -> bool:
    """Whether waiting cannot help: nobody makes a database writable meanwhile."""
    return "readonly database" in f"{error} {error.__cause__}"


def made_once(make: Callable[[], T]) -> T:
    """Makes tables that are not there yet, which another process may be doing at the same time.

    Whoever makes them looks what is missing and then makes it: of two that do so at once one fails, and
    finds all of it there when it looks again.

    Args:
        make: Makes what is missing.
    """
    for attempt in range(1, ATTEMPTS):
        try:
            return make()
        except (sa.exc.DBAPIError, optuna.exceptions.StorageInternalError) as error:
            if not _made_meanwhile(error):
                raise
        time.sleep(random.uniform(0.05, 0.2) * attempt)
    return make()


def _made_meanwhile(error: BaseException) -> bool:
    """Whether a table or a row could not be made because somebody else has just made it."""
    cause = error if isinstance(error, sa.exc.DBAPIError) else error.__cause__
    return isinstance(cause, sa.exc.IntegrityError) or "already exists" in str(cause)
