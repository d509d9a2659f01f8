"""The view of a running study: a table that is redrawn on a terminal, else plain lines."""

from __future__ import annotations

import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from study.search.conductor import Conductor
from study.trial import Outcome, TrialRecord
from trainables.assignment import Turn
from trainables.counting import counted


@dataclass
class _Running:
    record: TrialRecord
    at_start: float | None
    done: float = 0.0

    @property
    def here(self) -> float:
        """Share of the trial's steps that this launch made since its clock began."""
        return 0.0 if self.at_start is None else self.done - self.at_start


class _Terminal(Console):
    """A console that falls silent when what it writes to is gone."""

    def on_broken_pipe(self) -> None:
        """Keeps Rich from ending the process, which runs a study."""
        self.quiet = True


class Progress:
    """Follows one launch; give it to :func:`study.launch` as its observer.

    A stream that cannot be written any more (``ttur launch … | head``) is left alone from then on: a
    study does not end because nobody watches.

    Args:
        conductor: The launch.
        stream: Where to write.
    """

    def __init__(self, conductor: Conductor, stream: TextIO | None = None) -> None:
        self._conductor = conductor
        self._stream = stream or sys.stderr
        self._running: dict[str, _Running] = {}
        self._said_failed: set[str] = set()
        self._lock = threading.Lock()
        """Held while ``_running`` is changed or copied: a terminal is redrawn by another thread."""
        self._clock: float | None = None
        """When the first turn came back: before, the cluster and the workers were starting."""
        self._trials_done = 0.0
        self._silent = False
        self._live: Live | None = None
        if self._stream.isatty():
            self._live = Live(
                console=_Terminal(file=self._stream),
                refresh_per_second=2,
                get_renderable=self._draw,
            )
            self._live.start()

    def began(self, record: TrialRecord, fresh: bool) -> None:
        """A trial was handed out."""
        # Until the clock runs, what a trial's first turn brings is not counted: it was made before, by
        # an earlier launch or while nobody took the time.
        counted = fresh and self._clock is not None
        with self._lock:
            self._running[record.identity] = _Running(record, 0.0 if counted else None)
        if not fresh:
            self._say(f"{_label(record)} goes on from where it was cut off")

    def turned(self, record: TrialRecord, turn: Turn) -> None:
        """A turn came back."""
        if self._clock is None:
            self._clock = time.monotonic()
        running = self._running[record.identity]
        running.record, running.done = record, turn.step / turn.steps
        if running.at_start is None:
            running.at_start = running.done

    def failed(self, record: TrialRecord, error: str) -> None:
        """A trial could not be run."""
        with self._lock:
            self._running.pop(record.identity)
        self._said_failed.add(record.identity)
        self._say(f"{_label(record)} failed: {error}")

    def ended(self, record: TrialRecord) -> None:
        """A trial ended; of one that failed, that was said when it did."""
        if record.identity in self._said_failed:
            return
        with self._lock:
            running = self._running.pop(record.identity)
        self._trials_done += 0.0 if running.at_start is None else 1.0 - running.at_start
        best = self._conductor.arms[record.arm].best
        number = self._conductor.ended
        budget = sum(arm.arm.trials for arm in self._conductor.arms.values())
        score = f"{record.best.score:.6g}" if record.best else "none"
        words = [f"[{number}/{budget}] {_label(record)}: score {score}, {_ending(record)}"]
        words.append(record.doubt)
        if best is not None:
            words.append(f"best of {record.arm} {best[0]:.6g} (#{best[1]})")
        words.append(self._left())
        self._say("; ".join(word for word in words if word))

    def close(self) -> None:
        """Ends the redrawn table."""
        if self._live is not None:
            with suppress(OSError, ValueError):
                self._live.stop()
            self._live = None

    def _say(self, line: str) -> None:
        if self._silent:
            return
        try:
            if self._live is not None:
                self._live.console.print(Text(line))
            else:
                print(line, file=self._stream, flush=True)
        except (OSError, ValueError):  # the reader is gone, or the stream is closed
            self._silent = True

    def _shown(self) -> list[_Running]:
        with self._lock:
            return list(self._running.values())

    def _left(self) -> str:
        """Estimates the time left from the work done in this launch, in units of whole trials."""
        shown = self._shown()
        done = self._trials_done + sum(running.here for running in shown)
        left = self._conductor.left + sum(1.0 - running.done for running in shown)
        if self._clock is None or done <= 0 or left <= 0:
            return ""
        return f"about {_duration((time.monotonic() - self._clock) / done * left)} left"

    def _draw(self) -> Group:
        table = Table(title=f"study {self._conductor.spec.name}", title_justify="left")
        for column in ("trial", "b", "a", "d_steps", "done", "score", "best"):
            table.add_column(column, justify="right" if column != "trial" else "left")
        for running in self._shown():
            record, parameters = running.record, running.record.parameters
            table.add_row(
                " ".join([f"{record.arm} #{record.number}", *_further(record)]),
                f"{parameters.b:.2e}",
                f"{parameters.a:.2e}",
                str(parameters.d_steps),
                f"{running.done:.0%}",
                _newest(record),
                f"{record.best.score:.6g}" if record.best else "",
            )
        lines = [Text(self._arm_line(name)) for name in self._conductor.arms]
        return Group(table, *lines, Text(self._left()))

    def _arm_line(self, name: str) -> str:
        state = self._conductor.arms[name]
        found = f", best {state.best[0]:.6g} (#{state.best[1]})" if state.best else ""
        return f"{name}: {state.done} of {counted(state.arm.trials, 'trials')} ended{found}"


def _label(record: TrialRecord) -> str:
    p = record.parameters
    sampled = [f"b {p.b:.2e}", f"a {p.a:.2e}", f"d_steps {p.d_steps}", *_further(record)]
    return f"{record.arm} #{record.number} ({', '.join(sampled)})"


def _newest(record: TrialRecord) -> str:
    """The newest score, or early evaluation."""
    if record.measurements:
        return f"{record.measurements[-1].score:.6g}"
    return f"early {record.early[-1].score:.6g}" if record.early else ""


def _further(record: TrialRecord) -> list[str]:
    """The further sampled values, each with its name."""
    return [
        f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in record.parameters.further.items()
    ]


def _ending(record: TrialRecord) -> str:
    if record.outcome is Outcome.COMPLETE or record.outcome is None:
        return "complete"
    return f"{record.outcome.value}: {record.reason}"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
