"""The trainable without Ray around it: what Tune calls, in the orders in which Tune calls it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.trials import small_config

from trainables import tune
from trainables.assignment import Turn
from trainables.kinds import uses_accelerator
from trainables.tune import TuneTrainable


@pytest.fixture(autouse=True)
def _no_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tune, "place", lambda accelerated: "cpu")


def config(folder: Path, number: int = 0, b: float = 2e-3) -> dict[str, Any]:
    trial = {**small_config("saddle", folder), "seconds_per_step": 1e-3}
    assignment = {
        "identity": f"study/arm/{number}",
        "trial": trial,
        "parameters": {"b": b, "a": 1e-3, "d_steps": 1},
        "seed": 1,
        "folder": str(folder / str(number)),
        "cache": str(folder),
        "checkpoint_seconds": 0,
        "turn_seconds": 60.0,
    }
    return {"assignment": assignment, "import_path": []}


def made(config: dict[str, Any]) -> TuneTrainable:
    trainable = TuneTrainable.__new__(TuneTrainable)
    trainable.setup(config)
    return trainable


def turn_of(result: dict[str, Any]) -> Turn:
    return Turn.from_json(result["turn"])


def test_a_step_is_a_turn_and_the_last_one_says_so(tmp_path: Path) -> None:
    trainable = made(config(tmp_path))
    results = [trainable.step() for _ in range(3)]
    assert [result["done"] for result in results] == [False, False, True]
    assert [turn_of(result).step for result in results] == [300, 600, 900]


@pytest.mark.slow
def test_a_reused_actor_has_nothing_of_the_trial_before(tmp_path: Path) -> None:
    trainable = made(config(tmp_path))
    trainable.step()
    assert trainable.reset_config(config(tmp_path, number=1, b=7e-3))
    reused = [turn_of(trainable.step()) for _ in range(3)]
    fresh_folder = tmp_path / "fresh"
    fresh_folder.mkdir()
    fresh = made(config(fresh_folder, number=1, b=7e-3))
    alone = [turn_of(fresh.step()) for _ in range(3)]
    assert [t.measurements[0].score for t in reused] == [t.measurements[0].score for t in alone]


def test_an_actor_that_is_ended_keeps_what_was_done(tmp_path: Path) -> None:
    late = config(tmp_path)
    late["assignment"]["checkpoint_seconds"] = 1e9
    trainable = made(late)
    trainable.step()
    trainable.cleanup()
    assert trainable.run is None
    # The first turn after a restore hands out what was done.
    assert turn_of(made(late).step()).step == 300


def test_tunes_own_checkpoint_is_a_note_and_the_trials_own_counts(tmp_path: Path) -> None:
    trainable = made(config(tmp_path))
    trainable.step()
    trainable.save_checkpoint(str(tmp_path))
    assert (tmp_path / "step.json").read_text() == '{"step": 300}'
    trainable.step()
    trainable.load_checkpoint(str(tmp_path))
    assert turn_of(trainable.step()).step == 600  # newer than what Tune remembers


def test_what_can_fail_fails_in_a_step_which_tune_tries_again(tmp_path: Path) -> None:
    trainable = made(config(tmp_path))
    trainable.step()
    hopeless = config(tmp_path, number=1)
    hopeless["assignment"]["trial"] = {"kind": "nothing"}
    assert trainable.reset_config(hopeless)
    with pytest.raises(ValueError, match="kind is 'nothing'"):
        trainable.step()
    trainable.save_checkpoint(str(tmp_path))
    trainable.cleanup()


def test_what_a_step_that_raised_left_half_done_is_not_kept(tmp_path: Path) -> None:
    (tmp_path / "whole").mkdir()
    whole = made(config(tmp_path / "whole"))
    scores = [turn_of(whole.step()).measurements[0].score for _ in range(3)]
    trainable = made(config(tmp_path))
    trainable.step()
    run = trainable.run
    assert run is not None

    def half(pause: object) -> None:
        state = run.trial.save()
        run.trial.load({**state, "step": state["step"] + 1})  # as if D had moved, and G not
        raise RuntimeError("out of memory")

    run.trial.advance = half  # type: ignore[method-assign, assignment]
    with pytest.raises(RuntimeError, match="out of memory"):
        trainable.step()
    trainable.save_checkpoint(str(tmp_path))
    trainable.cleanup()
    again = made(config(tmp_path))
    turns = [turn_of(again.step()) for _ in range(3)]
    assert [turn.step for turn in turns] == [300, 600, 900]
    assert [turn.measurements[0].score for turn in turns] == scores


def test_a_users_modules_are_found_where_the_driver_found_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.path", ["kept"])
    made({**config(tmp_path), "import_path": ["/users/first", "/users/second", "kept"]})
    assert tune.sys.path == ["/users/first", "/users/second", "kept"]


class _Given:
    """What Ray says of a worker that was given a quarter of a GPU."""

    def get_assigned_resources(self) -> dict[str, float]:
        return {"CPU": 1.0, "GPU": 0.25}


@pytest.mark.parametrize(("kind", "device"), [("saddle", "cpu"), ("gan", "xpu")])
def test_only_a_kind_that_has_a_use_for_a_gpu_is_put_on_one(
    monkeypatch: pytest.MonkeyPatch, kind: str, device: str
) -> None:
    monkeypatch.undo()  # the place itself is asked here
    monkeypatch.setattr("ray.get_runtime_context", _Given)
    monkeypatch.setattr("trainables.devices.accelerator", lambda: "xpu")
    assert tune.place(uses_accelerator({"kind": kind})) == device


def test_a_gpu_that_torch_does_not_see_is_not_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setattr("ray.get_runtime_context", _Given)
    monkeypatch.setattr("trainables.devices.accelerator", lambda: None)
    with pytest.raises(RuntimeError, match="torch sees none"):
        tune.place(True)
    assert tune.place(False) == "cpu"


@pytest.mark.parametrize(("kind", "shares"), [("cuda", [0.25]), ("mps", [])])
def test_a_trial_takes_its_share_of_a_gpus_memory(
    monkeypatch: pytest.MonkeyPatch, kind: str, shares: list[float]
) -> None:
    monkeypatch.undo()
    monkeypatch.setattr("ray.get_runtime_context", _Given)
    monkeypatch.setattr("trainables.devices.accelerator", lambda: kind)
    said: list[float] = []
    monkeypatch.setattr("torch.cuda.set_per_process_memory_fraction", said.append)
    assert tune.place(True) == kind
    assert said == shares
