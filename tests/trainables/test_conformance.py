"""What every kind of trial keeps to, however different they are inside."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from support.trials import SMALL, played, small_config, small_trial, stored, without_clocks

from trainables.kinds import KINDS, build_trial, parse_settings
from trainables.protocol import Context, Measurement, Parameters, Trial

kinds = pytest.mark.parametrize("kind", sorted(KINDS))


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Holds the texts and the cache of every kind, so that statistics are computed once."""
    return tmp_path_factory.mktemp("conformance")


def test_every_kind_is_tested() -> None:
    assert set(SMALL) == set(KINDS)


@kinds
def test_it_is_a_trial_and_scores_what_its_settings_say(kind: str, folder: Path) -> None:
    trial = small_trial(kind, folder)
    settings = parse_settings(small_config(kind, folder))
    assert isinstance(trial, Trial)
    assert trial.score_name == settings.score_name
    assert (trial.step, trial.finished) == (0, False)


@kinds
def test_it_has_an_evaluation_at_the_cadence_and_at_the_end(kind: str, folder: Path) -> None:
    config = small_config(kind, folder)
    trial = small_trial(kind, folder)
    steps = [measurement.step for measurement in played(trial)]
    every = config["evaluate_every"]
    assert steps == list(range(every, config["steps"] + 1, every))
    assert (trial.step, trial.finished) == (config["steps"], True)
    with pytest.raises(RuntimeError, match="finished"):
        trial.advance()


@kinds
def test_one_seed_gives_one_result_and_another_seed_another(kind: str, folder: Path) -> None:
    first, second, other = (small_trial(kind, folder, seed=seed) for seed in (3, 3, 4))
    results = [without_clocks(played(trial)) for trial in (first, second, other)]
    assert results[0] == results[1] != results[2]
    assert without_clocks(first.save()) == without_clocks(second.save())


@kinds
def test_pauses_change_nothing(kind: str, folder: Path) -> None:
    whole, paused = small_trial(kind, folder), small_trial(kind, folder)
    expected = played(whole)
    measured, asked = [], 0

    def now_and_then() -> bool:
        nonlocal asked
        asked += 1
        return asked % 2 == 0

    while not paused.finished:
        event = paused.advance(now_and_then)
        if event is not None:
            measured.append(event)
    assert without_clocks(measured) == without_clocks(expected)
    assert without_clocks(paused.save()) == without_clocks(whole.save())


@kinds
@pytest.mark.parametrize("evaluations", [0, 1, 2])
def test_save_load_continue_is_the_computation_that_did_not_stop(
    kind: str, folder: Path, evaluations: int
) -> None:
    whole = small_trial(kind, folder)
    expected = played(whole)
    cut_off = small_trial(kind, folder)
    before = [cut_off.advance() for _ in range(evaluations)]
    state = stored(cut_off.save())
    cut_off.advance()  # what is done after the checkpoint is lost, and leaves no mark in it
    continued = small_trial(kind, folder)
    continued.load(state)
    assert continued.step == (before[-1].step if before and before[-1] else 0)
    assert without_clocks(before + list(played(continued))) == without_clocks(expected)
    assert without_clocks(continued.save()) == without_clocks(whole.save())


@kinds
def test_a_state_in_the_middle_of_a_stretch_continues_as_well(kind: str, folder: Path) -> None:
    expected = played(small_trial(kind, folder))
    cut_off, asked = small_trial(kind, folder), 0

    def after_the_first_update() -> bool:
        nonlocal asked
        asked += 1
        return asked > 1

    assert cut_off.advance(after_the_first_update) is None
    continued = small_trial(kind, folder)
    continued.load(stored(cut_off.save()))
    assert without_clocks(played(continued)) == without_clocks(expected)


@kinds
def test_a_finished_trial_stays_finished(kind: str, folder: Path) -> None:
    trial = small_trial(kind, folder)
    played(trial)
    again = small_trial(kind, folder)
    again.load(stored(trial.save()))
    assert again.finished
    assert again.step == trial.step


@kinds
@pytest.mark.parametrize("difference", ["seed", "b", "settings"])
def test_a_state_of_another_configuration_is_refused(
    kind: str, folder: Path, difference: str
) -> None:
    state = stored(small_trial(kind, folder).save())
    config = small_config(kind, folder)
    if difference == "settings":
        config = {**config, "steps": config["steps"] * 2}
    other = build_trial(
        config,
        Parameters(b=5e-3 if difference == "b" else 2e-3, a=1e-3, d_steps=2),
        Context(seed=9 if difference == "seed" else 3, cache=str(folder / "cache")),
    )
    with pytest.raises(ValueError, match="of another trial"):
        other.load(state)


@kinds
def test_scores_are_finite_and_files_have_relative_names(kind: str, folder: Path) -> None:
    trial = small_trial(kind, folder)
    event = trial.advance()
    assert isinstance(event, Measurement)
    assert event.score == event.score
    assert abs(event.score) < float("inf")
    for name, content in trial.artifacts().items():
        assert not name.startswith("/")
        assert ".." not in name
        assert content
