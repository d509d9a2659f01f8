"""Another thread does something, and this one waits: for so long as it likes, and open to interruptions."""

from __future__ import annotations

import threading
from collections.abc import Callable


def beside(action: Callable[[], object], *, name: str, seconds: float | None = None) -> bool:
    """Does something in a thread, and lets it be if it takes longer.

    Args:
        action: What is done.
        name: What the thread is called.
        seconds: How long it is waited for, None: to its end.

    Returns:
        Whether it came to its end.

    Raises:
        Exception: What it raised.

    Examples:
        >>> beside(lambda: None, name="done"), beside(threading.Event().wait, name="hangs", seconds=0.01)
        (True, False)
    """
    raised: list[Exception] = []

    def act() -> None:
        try:
            action()
        except Exception as error:
            raised.append(error)

    thread = threading.Thread(target=act, name=name, daemon=True)
    thread.start()
    thread.join(seconds)
    if raised:
        raise raised[0]
    return not thread.is_alive()
