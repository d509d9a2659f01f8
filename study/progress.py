"""What a person sees while a study runs: a table that is redrawn on a terminal, else plain lines."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from typing import TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from study.conductor import Conductor
from study.trial_record import Outcome, TrialRecord
from trainables.run import Turn


@dataclass
class _Running:
    record: TrialRecord
    at_start: float | None
    done: float = 0.0

    @property
    def here(self) -> float:
        """Share of the trial's steps that this launch made."""
        return self.done - (self.at_start or 0.0)


class Progress:
    """Follows one launch; give it to :func:`study.launch` as its observer.

    Args:
        conductor: The launch.
        stream: Where to write.
    """

    def __init__(self, conductor: Conductor, stream: TextIO | None = None) -> None:
        self._conductor = conductor
        self._stream = stream or sys.stderr
        self._running: dict[str, _Running] = {}
        self._began = time.monotonic()
        self._trials_done = 0.0
        self._live: Live | None = None
        if self._stream.isatty():
            self._live = Live(
                console=Console(file=self._stream), refresh_per_second=2, get_renderable=self._draw
            )
            self._live.start()

    def began(self, record: TrialRecord, fresh: bool) -> None:
        """A trial was handed out."""
        self._running[record.identity] = _Running(record, 0.0 if fresh else None)
        if not fresh:
            self._say(f"{_label(record)} goes on from where it was cut off")

    def turned(self, record: TrialRecord, turn: Turn) -> None:
        """A turn came back."""
        running = self._running[record.identity]
        running.record, running.done = record, turn.step / turn.steps
        if running.at_start is None:  # its first turn: what an earlier launch had made
            running.at_start = running.done

    def ended(self, record: TrialRecord) -> None:
        """A trial ended."""
        running = self._running.pop(record.identity)
        self._trials_done += 1.0 - (running.at_start or 0.0)
        best = self._conductor.arms[record.arm].best
        number = self._conductor.ended
        budget = sum(arm.arm.trials for arm in self._conductor.arms.values())
        score = f"{record.best.score:.6g}" if record.best else "none"
        words = [f"[{number}/{budget}] {_label(record)}: score {score}, {_ending(record)}"]
        if best is not None:
            words.append(f"best of {record.arm} {best[0]:.6g} (#{best[1]})")
        words.append(self._left())
        self._say("; ".join(word for word in words if word))

    def close(self) -> None:
        """Ends the redrawn table."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _say(self, line: str) -> None:
        if self._live is not None:
            self._live.console.print(Text(line))
        else:
            print(line, file=self._stream, flush=True)

    def _left(self) -> str:
        """Estimates the time left from the work done in this launch, in units of whole trials."""
        running = sum(r.here for r in self._running.values())
        done = self._trials_done + running
        left = self._conductor.left + sum(1.0 - r.done for r in self._running.values())
        if done <= 0 or left <= 0:
            return ""
        return f"about {_duration((time.monotonic() - self._began) / done * left)} left"

    def _draw(self) -> Group:
        table = Table(title=f"study {self._conductor.spec.name}", title_justify="left")
        for column in ("trial", "b", "a", "d_steps", "done", "score", "best"):
            table.add_column(column, justify="right" if column != "trial" else "left")
        for running in self._running.values():
            record, parameters = running.record, running.record.parameters
            table.add_row(
                f"{record.arm} #{record.number}",
                f"{parameters.b:.2e}",
                f"{parameters.a:.2e}",
                str(parameters.d_steps),
                f"{running.done:.0%}",
                f"{record.measurements[-1].score:.6g}" if record.measurements else "",
                f"{record.best.score:.6g}" if record.best else "",
            )
        lines = [Text(self._arm_line(name)) for name in self._conductor.arms]
        return Group(table, *lines, Text(self._left()))

    def _arm_line(self, name: str) -> str:
        state = self._conductor.arms[name]
        found = f", best {state.best[0]:.6g} (#{state.best[1]})" if state.best else ""
        return f"{name}: {state.done} of {state.arm.trials} trials ended{found}"


def _label(record: TrialRecord) -> str:
    p = record.parameters
    return f"{record.arm} #{record.number} (b {p.b:.2e}, a {p.a:.2e}, d_steps {p.d_steps})"


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
