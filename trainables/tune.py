"""The one place where trials meet Ray: a Tune trainable that runs any trial.

Checkpoints are the trial's own (run.py): they lie in the study's checkpoint location, so that a trial goes
on wherever it is placed next, by this driver or a later one. Tune's checkpoint is a note of the step.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import ray
from ray.tune import Trainable

from trainables.assignment import Assignment, Turn
from trainables.kinds import uses_accelerator
from trainables.printed import Printed
from trainables.run import TrialRun

STEP_FILE = "step.json"


class TuneTrainable(Trainable):
    """Runs the trial that its config (an :class:`Assignment` as JSON) describes; the actor is reused."""

    def setup(self, config: dict[str, Any]) -> None:
        """Takes the trial's assignment; the trial is built in the first step.

        Tune tries a step that fails again, but gives a trial up if a reused actor cannot be reset: what
        may fail (data, memory, a user's networks) must not happen here.
        """
        for path in reversed(config.get("import_path", [])):
            if path not in sys.path:
                sys.path.insert(0, path)
        self.run: TrialRun | None = None
        self._printed = Printed(config["assignment"]["folder"])
        self._assignment = Assignment.from_json(config["assignment"])

    def step(self) -> dict[str, Any]:
        """One turn of the trial, which is built, or continued from its folder, before the first."""
        try:
            with self._printed.taken():
                turn = self._turn()
        except BaseException:
            # An update may be half done: the next try goes on from the newest checkpoint before it.
            self.run = None
            self._printed.write()
            raise
        # The driver may end the trial at an evaluation, and then publishes what is there.
        self._printed.write(at_once=turn.finished or bool(turn.measurements))
        return {"turn": turn.to_json(), "done": turn.finished}

    def _turn(self) -> Turn:
        device = place(uses_accelerator(self._assignment.trial))
        if self.run is None:
            self.run = TrialRun(self._assignment, device)
        return self.run.turn()

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Writes the trial's own checkpoint, and a note of its step for Tune."""
        step = None
        if self.run is not None:
            self.run.checkpoint()
            step = self.run.trial.step
        (Path(checkpoint_dir) / STEP_FILE).write_text(json.dumps({"step": step}))

    def load_checkpoint(self, checkpoint: dict[str, Any] | str | None) -> None:  # noqa: ARG002
        """Continues from the trial's own newest checkpoint, whatever Tune remembers."""
        self.run = None

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Takes the next trial into this process; the one before has ended, so nothing of it is kept."""
        self._printed.write()
        self.setup(new_config)
        if "torch" in sys.modules:
            from trainables.devices import release

            release()
        return True

    def cleanup(self) -> None:
        """Keeps what a trial did since its last checkpoint.

        One that is finished too: its last turn may not have been taken in.
        """
        if self.run is not None:
            self.run.checkpoint()
        self.run = None
        self._printed.write()


def place(accelerated: bool) -> str:
    """Takes the device and the threads that Ray gave this worker.

    Args:
        accelerated: Whether the trial's kind has a use for a GPU.

    Returns:
        The machine's accelerator if Ray gave it one or a part of one, else ``cpu``. On CPUs the numeric
        libraries get as many threads as the trial holds CPUs (at least one), so that parallel trials do not
        fight; of a GPU's memory torch may take the share that the trial holds of it.
    """
    resources = ray.get_runtime_context().get_assigned_resources()
    threads = max(1, int(resources.get("CPU", 1)))
    os.environ["OMP_NUM_THREADS"] = str(threads)
    torch: Any = sys.modules.get("torch")
    if hasattr(torch, "set_num_threads"):  # one that is being imported follows the variable
        torch.set_num_threads(threads)
    share = resources.get("GPU", 0)
    if share == 0 or not accelerated:
        return "cpu"
    from trainables.devices import accelerator, keep_to_share

    kind = accelerator()
    if kind is None:
        raise RuntimeError(
            "Ray gave this trial a GPU, but torch sees none; install the torch that fits the driver"
        )
    keep_to_share(kind, share)
    return kind
