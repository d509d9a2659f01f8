"""The generators that a trial keeps: which, through cuts and repeats, and that they are those weights."""

from __future__ import annotations

import errno
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from support.trials import small_config
from torch import Tensor

from trainables import checkpoint
from trainables.assignment import Assignment
from trainables.folder import Folder
from trainables.kept import generator_name, kept_steps
from trainables.kinds import build_trial
from trainables.protocol import Context, Diverged, Measurement, Parameters, State
from trainables.run import TrialRun


class Scripted:
    """A trial of one update an evaluation whose scores are given, and whose weight is its step."""

    score_name = "scripted"
    makes: Mapping[str, str] = MappingProxyType({})

    def __init__(self, scores: list[float]) -> None:
        self.scores = scores
        self.step = 0
        self.state: Mapping[str, Any] = {}

    @property
    def finished(self) -> bool:
        return self.step == len(self.scores)

    def advance(self, pause: Callable[[], bool] = lambda: False) -> Measurement | Diverged | None:
        self.step += 1
        return Measurement(step=self.step, score=self.scores[self.step - 1])

    def save(self) -> State:
        return {"step": self.step}

    def load(self, state: State) -> None:
        self.step = state["step"]

    def artifacts(self) -> Mapping[str, bytes]:
        return {}

    def weights(self) -> Mapping[str, Tensor]:
        return {"generator.weight": torch.tensor([self.step, self.scores[self.step - 1]])}


Begin = Callable[..., TrialRun]


@pytest.fixture
def begin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Begin:
    """Begins or continues the run of a scripted trial; every evaluation takes a second."""
    now = [0.0]
    monkeypatch.setattr("trainables.run.time.monotonic", lambda: now[0])

    class Slow(Scripted):
        def advance(self, pause: Callable[[], bool] = lambda: False) -> Any:
            now[0] += 1.0
            return super().advance(pause)

    def make(scores: list[float], *, quick: bool = False, **assigned: Any) -> TrialRun:
        kind: type[Scripted] = Scripted if quick else Slow
        assignment = Assignment(
            **{
                "identity": "study/arm/0",
                "trial": {"steps": len(scores)},
                "parameters": Parameters(b=1e-3, a=1e-3, d_steps=1),
                "seed": 0,
                "folder": str(tmp_path / "trial"),
                "cache": str(tmp_path),
                "checkpoint_seconds": 1e9,
                **assigned,
            }
        )
        return TrialRun(assignment, build=lambda *_: kind(scores))

    return make


def kept(folder: Path) -> list[int]:
    return kept_steps(Folder(str(folder)).names())


def turns(run: TrialRun, count: int) -> None:
    for _ in range(count):
        run.turn()


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([5.0, 3.0, 4.0, 6.0], [2, 4]),
        ([5.0, 4.0, 3.0], [3]),
        ([3.0, 5.0, 3.0, 4.0], [1, 4]),  # of equals the earlier
        ([1.0, 2.0], [1, 2]),
    ],
)
def test_the_best_and_the_newest_are_kept(
    begin: Begin, tmp_path: Path, scores: list[float], expected: list[int]
) -> None:
    run = begin(scores)
    turns(run, len(scores))
    run._prune()
    assert kept(tmp_path / "trial") == expected
    for step in expected:
        (weight,) = load_file(tmp_path / "trial" / generator_name(step)).values()
        assert weight.tolist() == [step, scores[step - 1]]


def test_nothing_goes_before_the_evaluations_of_a_turn_are_judged(
    begin: Begin, tmp_path: Path
) -> None:
    """Whoever stops trials may end this one at any of them: then that is the last, or the best."""
    run = begin([5.0, 6.0, 4.0, 3.0], quick=True)
    assert [m.step for m in run.turn().measurements] == [1, 2, 3, 4]
    assert kept(tmp_path / "trial") == [1, 2, 3, 4]


def test_what_a_checkpoint_goes_on_from_stays(begin: Begin, tmp_path: Path) -> None:
    """The evaluation after it was better, but on another machine it may not be so again."""
    run = begin([5.0, 7.0, 3.0, 4.0])
    turns(run, 2)
    run.checkpoint()
    turns(run, 2)
    assert kept(tmp_path / "trial") == [1, 2, 3, 4]
    elsewhere = begin([5.0, 7.0, 6.0, 6.5])
    turns(elsewhere, 1 + 2)  # the first hands out the history
    elsewhere._prune()
    assert kept(tmp_path / "trial") == [1, 2, 4]  # 2 is the checkpoint's newest
    (weight,) = load_file(tmp_path / "trial" / generator_name(1)).values()
    assert weight.tolist() == [1, 5.0]


def test_a_repeated_evaluation_takes_the_place_of_the_one_before(
    begin: Begin, tmp_path: Path
) -> None:
    run = begin([5.0, 3.0, 4.0])
    turns(run, 1)
    run.checkpoint()
    turns(run, 1)
    again = begin([5.0, 3.5, 4.0])
    turns(again, 1 + 2)
    (weight,) = load_file(tmp_path / "trial" / generator_name(2)).values()
    assert weight.tolist() == [2, 3.5]


def test_one_that_a_dead_worker_left_goes(begin: Begin, tmp_path: Path) -> None:
    run = begin([5.0, 4.0, 3.0, 2.0])
    turns(run, 3)
    assert not checkpoint.names(Folder(str(tmp_path / "trial")))
    again = begin([5.0, 6.0, 7.0, 8.0])  # anew, from the start
    turns(again, 2)
    assert kept(tmp_path / "trial") == [1, 2]


def test_a_full_disk_costs_the_generator_and_not_the_trial(
    begin: Begin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = Folder.write

    def full(self: Folder, name: str, content: bytes) -> None:
        if name.endswith(".safetensors"):
            raise OSError(errno.ENOSPC, "No space left on device")
        write(self, name, content)

    monkeypatch.setattr(Folder, "write", full)
    run = begin([5.0, 4.0])
    turn = run.turn()
    assert any("the generator of step 1 was not kept: [Errno 28]" in note for note in turn.notes)
    assert run.turn().finished


def test_a_state_that_is_no_tensor_costs_the_generator_and_not_the_trial(begin: Begin) -> None:
    run = begin([5.0, 4.0])
    run.trial.weights = lambda: {"generator._extra_state": {"a": 1}}  # type: ignore[attr-defined]
    notes = run.turn().notes
    assert notes == (
        "the generator of step 1 was not kept: generator._extra_state is not a tensor",
    )
    assert run.turn().finished


def test_none_is_kept_where_none_is_asked_for(begin: Begin, tmp_path: Path) -> None:
    turns(begin([5.0, 4.0], keep=False), 2)
    assert kept(tmp_path / "trial") == []


@pytest.mark.parametrize("kind", ["gan", "language"])
def test_the_file_holds_the_weights_that_were_scored(kind: str, tmp_path: Path) -> None:
    """Against the same trial advanced by hand."""
    config = {**small_config(kind, tmp_path), "ema": 0.5}
    assignment = Assignment(
        identity="study/arm/0",
        trial=config,
        parameters=Parameters(b=2e-3, a=1e-3, d_steps=2),
        seed=5,
        folder=str(tmp_path / "trial"),
        cache=str(tmp_path / "cache"),
    )
    run = TrialRun(assignment)
    while not run.turn().finished:
        pass
    run._prune()
    trial = build_trial(
        config,
        Parameters(b=2e-3, a=1e-3, d_steps=2),
        Context(seed=5, cache=str(tmp_path / "cache")),
    )
    found = {}
    while not trial.finished:
        event = trial.advance()
        assert isinstance(event, Measurement)
        game = trial.game  # type: ignore[attr-defined]
        parts = {"generator": game.generator, "average": game.sampled}
        found[event.step] = (
            event.score,
            {
                f"{part}.{name}": value.clone()
                for part, network in parts.items()
                for name, value in network.state_dict().items()
            },
        )
    best = min(found, key=lambda step: (found[step][0], step))
    assert kept(tmp_path / "trial") == sorted({best, max(found)})
    for step in kept(tmp_path / "trial"):
        score, expected = found[step]
        path = tmp_path / "trial" / generator_name(step)
        read = load_file(path)
        assert read.keys() == expected.keys()
        assert all(torch.equal(read[name], expected[name]) for name in read)
        assert any(
            not torch.equal(value, read[name.replace("average", "generator")])
            for name, value in read.items()
            if name.startswith("average")
        )
        with safe_open(path, "pt") as file:
            facts = file.metadata()
        assert facts["identity"] == "study/arm/0"
        assert facts["step"] == str(step)
        assert facts.get("image") == ("1x8x8" if kind == "gan" else None)
        assert float(facts["score"]) == score


def test_a_game_has_no_generator_to_keep(tmp_path: Path) -> None:
    assignment = Assignment(
        identity="study/arm/0",
        trial=small_config("saddle", tmp_path),
        parameters=Parameters(b=2e-3, a=1e-3, d_steps=1),
        seed=0,
        folder=str(tmp_path / "trial"),
        cache=str(tmp_path),
    )
    assert TrialRun(assignment).turn().finished
    assert kept(tmp_path / "trial") == []
