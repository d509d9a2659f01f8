"""What a newcomer reads who follows ``ttur launch`` until the first trial trains: files of ours, counted.

    python -m benchmarks.reading [--list] [RECIPE]

A recipe is launched in an empty home, with Ray replaced by one direct call, until the first update of the
first trial has been made. Two counts:

- the path of the call: the files on the stack whenever a value is made that a launch passes on (the spec, a
  space, the record, a sample, an assignment, networks, an optimiser, an update: ``VALUES``), and those of
  Ray's side, which are run in another process (``BESIDE``). These decide and do.
- all that ran: every file in which a function ran until the trial was built, checks and formats included.
"""

from __future__ import annotations

import argparse
import functools
import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, NoReturn

ROOT = Path(__file__).parents[1]
PACKAGES = ("study", "trainables", "search_spaces")

VALUES = frozenset(
    {
        # What is asked, and where.
        "Options.__post_init__",
        "recipe_text",
        "Spec._complete_trial",
        "Arm.build",
        "SearchSpace.__post_init__",
        "Home.places",
        # The launch, its record, and its name in MLflow.
        "session",
        "Stop.__init__",
        "Ledger.__init__",
        "Lease.acquire",
        "Publication.__init__",
        "Experiment.id",
        # What is tried next, and who hears of it.
        "Conductor.__init__",
        "Judge.__init__",
        "JointSampler.__init__",
        "Publishing.__init__",
        "Publisher.__init__",
        "Keeping.__init__",
        # A sample as the parameters of a trial, handed out.
        "suggested",
        "Parameters.__post_init__",
        "Handing.assignment",
        # A trial in its folder: its data, networks and score.
        "TrialRun.__init__",
        "newest_first",
        "GanTrial.__init__",
        "Digits.open",
        "generator",
        "real_statistics",
        "DigitsExtractor.__init__",
        "FrechetScorer.__init__",
        # An update.
        "GanGame.__init__",
        "PlayerOptimiser.__init__",
        "discriminator_rate",
        "ImageBatches.next",
        "non_saturating_g",
        "PlayerOptimiser.step",
    }
)
"""Functions that make what a launch passes on, or use it, by their qualified names."""

BESIDE = (
    "study/engine/cluster.py",
    "study/engine/tune.py",
    "trainables/assignment.py",
    "trainables/tune.py",
)
"""Where trials pass through Ray: they are not run here, and a reader passes through them."""


class Seen:
    """The files of ours in which functions have run, and those of the path."""

    def __init__(self) -> None:
        self.ran: dict[str, None] = {}
        self.path: dict[str, None] = {}
        self.values: set[str] = set()

    def __call__(self, frame: FrameType, event: str, _: Any) -> None:
        """Takes a call in, as Python's profiler tells of it."""
        code = frame.f_code
        if event != "call" or (file := ours(code)) is None:
            return
        self.ran[file] = None
        if code.co_qualname in VALUES and code.co_qualname not in self.values:
            self.values.add(code.co_qualname)
            self.path |= dict.fromkeys(reversed(list(stack(frame))))


@functools.cache
def ours(code: CodeType) -> str | None:
    """The file of a function of ours, None of any other code, of bodies of modules and of classes."""
    file = Path(code.co_filename)
    optimised = code.co_flags & 0x1  # bodies of functions alone
    if not optimised or not file.is_relative_to(ROOT):
        return None
    inside = file.relative_to(ROOT)
    return inside.as_posix() if inside.parts[0] in PACKAGES else None


def stack(frame: FrameType | None) -> Iterator[str]:
    """The files of ours on the stack, the innermost one first."""
    while frame is not None:
        if (file := ours(frame.f_code)) is not None:
            yield file
        frame = frame.f_back


def follow(recipe: str, home: str) -> tuple[Seen, list[str]]:
    """Launches a recipe until an update has been made; also returns what ran until the trial was built."""
    from study import cli
    from study.driver.session import Engine
    from trainables.run import TrialRun

    seen, built = Seen(), list[str]()

    class Trained(BaseException):
        """The first update is made."""

    def run(_: Engine, conductor: Any) -> NoReturn:
        trial = TrialRun(conductor.next())
        built.extend(seen.ran)
        asked = iter((False, True))
        trial.trial.advance(lambda: next(asked))
        raise Trained

    Engine.run = run  # type: ignore[method-assign]
    sys.argv = ["ttur", "launch", recipe, "--home", home]
    threading.setprofile(seen)
    sys.setprofile(seen)
    try:
        cli.main()
    except Trained:
        pass
    finally:
        sys.setprofile(None)
        threading.setprofile(None)  # type: ignore[arg-type]
    return seen, built


def main() -> None:
    """Prints the counts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipe", nargs="?", default="quickstart")
    parser.add_argument("--list", action="store_true", help="print the files, too")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        seen, built = follow(arguments.recipe, home)
    path = [*dict.fromkeys((*seen.path, *BESIDE))]
    if missing := VALUES - seen.values:
        raise SystemExit(f"never made: {', '.join(sorted(missing))}")
    print(f"on the path of the call: {len(path)} files")
    print(f"all in which a function ran until the trial was built: {len(built)} files")
    if arguments.list:
        print(*path, "", *sorted(set(built) - set(path)), sep="\n")
    sys.stdout.flush()
    os._exit(0)  # threads of the launch that was left are not waited for


if __name__ == "__main__":
    main()
