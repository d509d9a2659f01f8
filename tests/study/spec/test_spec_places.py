"""What a spec may say of resources and of the places where a study is kept."""

from __future__ import annotations

import pytest
from support.secrets import WITH_SECRETS, WITHOUT_SECRETS
from support.study import saddle_spec

from study.errors import UserError
from study.spec.reader import parse_spec, parse_stored


@pytest.mark.parametrize("gpu", [0, 0.0001, 0.25, 1, 1.0, "auto"])
def test_what_ray_can_give_of_gpus_is_accepted(gpu: float | str) -> None:
    assert parse_spec(saddle_spec(resources={"gpu": gpu})).resources.gpu == gpu


@pytest.mark.parametrize("gpu", [2, 8.0, 1.5])
def test_several_gpus_a_trial_are_refused_but_read_from_a_record_as_the_one_in_use(
    gpu: float,
) -> None:
    asked = saddle_spec(resources={"gpu": gpu})
    with pytest.raises(UserError, match=f"gpu is {gpu:g}, but a trial computes on one GPU; set it"):
        parse_spec(asked)
    assert parse_stored(asked).resources.gpu == 1


@pytest.mark.parametrize("field", ["record", "tracking", "artifacts", "checkpoints", "cache"])
@pytest.mark.parametrize("url", WITH_SECRETS)
def test_no_location_of_a_spec_holds_a_secret(field: str, url: str) -> None:
    with pytest.raises(UserError, match="must not hold a password") as caught:
        parse_spec(saddle_spec(storage={field: url}))
    assert "planted" not in str(caught.value)
    assert "planted" not in str(caught.value.__cause__), "which --debug shows"


@pytest.mark.parametrize("url", WITHOUT_SECRETS)
def test_a_location_without_a_secret_is_left_alone(url: str) -> None:
    assert parse_spec(saddle_spec(storage={"checkpoints": url})).storage.checkpoints == url
