"""What is said while a study runs, mostly on no terminal: one plain line for each trial that ends."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.study import empty_record, saddle_spec

from study.cli.progress import Progress
from study.places.locations import Places
from study.record.database import Ledger
from study.search.conductor import Conductor
from study.spec.model import Spec
from trainables.assignment import Turn
from trainables.levels import Levels
from trainables.protocol import Diverged, Measurement


@pytest.fixture
def record(tmp_path: Path) -> Iterator[Ledger]:
    opened = Ledger(empty_record(tmp_path))
    yield opened
    opened.close()


def launched(
    record: Ledger, stream: io.StringIO | None = None, checkpoints: str = "/nowhere", **parts: Any
) -> tuple[Conductor, io.StringIO]:
    places = Places(record="", tracking="", artifacts=None, checkpoints=checkpoints, cache="")
    conductor = Conductor(Spec.model_validate(saddle_spec(trials=1, **parts)), record, places)
    stream = stream or io.StringIO()
    conductor.observe(Progress(conductor, stream))
    return conductor, stream


def begun(conductor: Conductor) -> str:
    assignment = conductor.next()
    assert assignment is not None
    return assignment.identity


class Gone(io.StringIO):
    """A stream whose reader goes away after so many lines, as ``| head`` does."""

    def __init__(self, lines: int, error: Exception) -> None:
        super().__init__()
        self._lines = lines
        self._error = error
        self.refused = 0

    def write(self, text: str) -> int:
        if self.getvalue().count("\n") >= self._lines:
            self.refused += 1
            raise self._error
        return super().write(text)


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def turn(step: int, score: float, finished: bool = False, diverged: Diverged | None = None) -> Turn:
    measured = (Measurement(step=step, score=score),)
    return Turn(step=step, steps=40, measurements=measured, finished=finished, diverged=diverged)


def test_every_trial_that_ends_is_a_line_with_the_best_and_what_is_left(record: Ledger) -> None:
    conductor, stream = launched(record)
    first, second = begun(conductor), begun(conductor)
    conductor.turn(first, turn(10, 5.0))
    assert stream.getvalue() == ""
    conductor.turn(first, turn(40, 4.0, finished=True))
    conductor.turn(second, turn(10, 7.0, diverged=Diverged(step=11, reason="the loss is nan")))
    one, other = stream.getvalue().splitlines()
    assert one.startswith("[1/2] one_timescale #0 (b ")
    assert "score 4, complete; best of one_timescale 4 (#0); about " in one
    assert other.startswith("[2/2] two_timescale #0 (b ")
    assert "score 7, diverged: the loss is nan" in other
    assert "left" not in other


def test_further_sampled_values_are_shown(record: Ledger) -> None:
    arms = saddle_spec(trials=1)["arms"]
    further = {"noise": {"choices": [0.25]}, "update_rule": {"choices": ["extragradient"]}}
    for arm in arms.values():
        arm["further"] = further
    conductor, stream = launched(record, arms=arms)
    conductor.turn(begun(conductor), turn(40, 4.0, finished=True))
    assert ", noise 0.25, update_rule extragradient): score 4" in stream.getvalue()


def test_a_trial_that_fails_is_said_to_at_once_and_once(record: Ledger, tmp_path: Path) -> None:
    conductor, stream = launched(record, checkpoints=str(tmp_path / "checkpoints"))
    first, second = begun(conductor), begun(conductor)
    conductor.failed(first, "OSError: gone")
    assert stream.getvalue().startswith("one_timescale #0 (b ")
    assert stream.getvalue().endswith(" failed: OSError: gone\n")
    conductor.turn(second, turn(40, 4.0, finished=True))
    assert stream.getvalue().count("OSError") == 1
    assert "two_timescale #0" in stream.getvalue()


def test_a_trial_that_goes_on_is_said_to(record: Ledger) -> None:
    begun(launched(record)[0])
    conductor, stream = launched(record)
    begun(conductor)
    assert "goes on from where it was cut off" in stream.getvalue()


def test_the_estimate_counts_only_what_this_launch_made(record: Ledger) -> None:
    begun(launched(record)[0])
    conductor, stream = launched(record)
    first, second = begun(conductor), begun(conductor)
    history = Turn(step=30, steps=40, measurements=(Measurement(step=30, score=2.0),))
    conductor.turn(first, history)  # what an earlier launch had made: no work of this one
    conductor.turn(second, turn(10, 1.0))
    conductor.turn(second, turn(40, 1.0, finished=True))
    assert "about " in stream.getvalue()
    conductor.turn(first, turn(40, 1.0, finished=True))
    assert stream.getvalue().count("complete") == 2


def test_the_estimate_leaves_out_the_time_before_trials_ran(
    record: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun(launched(record)[0])
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    conductor, stream = launched(record)
    first = begun(conductor)
    now[0] = 100.0  # the cluster starts, and the trial's checkpoint is read
    conductor.turn(first, turn(20, 3.0))
    now[0] = 102.0  # half a trial in 2 s, and a whole one is left
    conductor.turn(first, turn(40, 2.0, finished=True))
    assert "about 4 s left" in stream.getvalue()


@pytest.mark.parametrize("error", [BrokenPipeError(), ValueError("I/O operation on closed file")])
def test_a_study_goes_on_when_nobody_reads_its_progress(record: Ledger, error: Exception) -> None:
    stream = Gone(1, error)
    conductor, _ = launched(record, stream)
    while assignment := conductor.next():
        assert conductor.turn(assignment.identity, turn(40, 1.0, finished=True))
    assert conductor.ended == 2
    assert stream.getvalue().count("complete") == 1
    assert stream.refused == 1


def test_a_terminal_that_is_gone_does_not_end_the_process(
    record: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = Terminal()
    conductor, _ = launched(record, stream)
    progress = conductor._observers[0]
    assert isinstance(progress, Progress)

    def gone(text: str) -> int:
        raise BrokenPipeError

    monkeypatch.setattr(stream, "write", gone)
    while assignment := conductor.next():
        conductor.turn(assignment.identity, turn(40, 1.0, finished=True))
    progress.close()
    assert conductor.ended == 2


def test_the_table_can_be_drawn_while_trials_come_and_go(record: Ledger) -> None:
    stream = Terminal()
    conductor, _ = launched(record, stream)
    progress = conductor._observers[0]
    assert isinstance(progress, Progress)
    first = begun(conductor)
    seen = progress._shown()
    begun(conductor)
    conductor.turn(first, turn(40, 1.0, finished=True))
    assert [running.record.identity for running in seen] == [first]
    assert len(progress._shown()) == 1
    progress.close()
    assert "study little" in stream.getvalue()


def test_the_best_may_be_of_an_earlier_launch(record: Ledger) -> None:
    conductor, _ = launched(record)
    conductor.turn(begun(conductor), turn(40, 3.0, finished=True))
    places = Places(record="", tracking="", artifacts=None, checkpoints="/nowhere", cache="")
    again = Conductor(Spec.model_validate(saddle_spec(trials=2)), record, places)
    stream = io.StringIO()
    again.observe(Progress(again, stream))
    while assignment := again.next():
        again.turn(assignment.identity, turn(40, 5.0, finished=True))
    lines = [line for line in stream.getvalue().splitlines() if "one_timescale #1" in line]
    assert len(lines) == 1
    assert "score 5, complete; best of one_timescale 3 (#0)" in lines[0]


def test_a_trial_whose_best_is_no_better_than_noise_is_said_to(record: Ledger) -> None:
    conductor, stream = launched(record)
    levels = {"score_floor": 540.0, "score_ceiling": 3493.0}
    record.store_spec(conductor.spec.name, conductor.spec.model_dump(mode="json"))
    for score in (3533.0, 3239.0):
        measured = (Measurement(step=40, score=score, metrics=levels),)
        turned = Turn(step=40, steps=40, measurements=measured, finished=True)
        conductor.turn(begun(conductor), turned)
    one, other = stream.getvalue().splitlines()
    assert "; nothing learnt: not clearly below 3493, which noise scores as well; best of" in one
    assert "nothing learnt" not in other
    assert record.levels(conductor.spec.name) == Levels(floor=540.0, ceiling=3493.0)
