from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from trainables.kinds import build_trial
from trainables.protocol import Context, Parameters, Trial

PARAMETERS = Parameters(
    b=2e-3, a=1e-3, d_steps=2, further={"noise": 0.6, "update_rule": "alternating"}
)
SADDLE = {"kind": "saddle", "steps": 40, "evaluate_every": 10}


def saddle(parameters: Parameters = PARAMETERS) -> Trial:
    return build_trial(SADDLE, parameters, Context(seed=3))


def earlier(state: dict[str, Any]) -> dict[str, Any]:
    """A state as versions until this one wrote it: the further parameters were a mapping of their own."""
    state = copy.deepcopy(state)
    state["configuration"]["parameters"] = {
        "b": 2e-3,
        "a": 1e-3,
        "d_steps": 2,
        "further": {"noise": 0.6, "update_rule": "alternating"},
    }
    return state


def test_a_checkpoint_of_an_earlier_form_is_continued_as_its_own() -> None:
    whole, half = saddle(), saddle()
    expected = [whole.advance() for _ in range(4)]
    half.advance()
    half.advance()
    state = half.save()
    assert state["configuration"]["parameters"] == {
        "b": 2e-3,
        "a": 1e-3,
        "d_steps": 2,
        "noise": 0.6,
        "update_rule": "alternating",
    }
    for kept in (state, earlier(state)):
        again = saddle()
        again.load(json.loads(json.dumps(kept)))
        made = [again.advance(), again.advance()]
        assert [(m.step, m.score) for m in made] == [(m.step, m.score) for m in expected[2:]]


@pytest.mark.parametrize("form", [earlier, dict])
@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"b": 3e-3}, r"its parameters\.b is 0\.002, not 0\.003"),
        ({"d_steps": 1}, r"its parameters\.d_steps is 2, not 1"),
        (
            {"further": {"update_rule": "alternating"}},
            r"only the state has parameters\.noise",
        ),
        (
            {"further": {"noise": 0.7, "update_rule": "alternating"}},
            r"its parameters\.noise is 0\.6, not 0\.7",
        ),
    ],
)
def test_other_parameters_are_another_trial_in_either_form(
    form: Any, changed: dict[str, Any], said: str
) -> None:
    known = vars(PARAMETERS) | changed
    with pytest.raises(ValueError, match=said):
        saddle(Parameters(**known)).load(form(saddle().save()))
