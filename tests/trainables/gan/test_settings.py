"""Settings of a GAN trial: shorthands, round trip, and refusals that say what to do."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from trainables.gan.schedules import discriminator_rate, generator_rate
from trainables.kinds import parse_settings, with_parameters
from trainables.settings.gan import GanSettings
from trainables.settings.optimisation import ScheduleSettings

BASE: dict[str, Any] = {"kind": "gan", "data": "digits", "steps": 10, "evaluate_every": 5}
NO_NORM = {"name": "dcgan", "d_norm": "none"}


def parse(**further: Any) -> GanSettings:
    settings = parse_settings({**BASE, **further})
    assert isinstance(settings, GanSettings)
    return settings


@pytest.mark.parametrize(
    "further",
    [
        {},
        {"networks": "wgan_gp", "loss": "wasserstein", "regulariser": "gradient_penalty"},
        {"networks": "my.networks:pair", "optimiser": "sgd", "schedule": "cosine"},
        {"optimiser": {"name": "heavy_ball", "r": 500}, "schedule": {"name": "power"}},
        {"networks": NO_NORM, "regulariser": {"r1": 1, "weight_decay": 1e-5}, "minutes": 0.5},
    ],
)
def test_settings_survive_a_round_trip_through_plain_values(further: dict[str, Any]) -> None:
    settings = parse(**further)
    assert parse_settings(settings.model_dump()) == settings
    assert parse_settings(json.loads(settings.model_dump_json())) == settings


def test_shorthands() -> None:
    settings = parse(
        networks="wgan_gp", optimiser="sgd", schedule="cosine", regulariser=["r1", "weight_decay"]
    )
    assert settings.networks.name == "wgan_gp"
    assert settings.optimiser.name == "sgd"
    assert settings.schedule.name == "cosine"
    assert settings.regulariser.model_dump() == {
        "gradient_penalty": 0.0,
        "r1": 10.0,
        "weight_decay": 1e-4,
        "every": 1,
    }


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("loss", "hinge"),
        ("optimiser.beta1", 0.0),
        ("regulariser.weight_decay", 1e-3),
        ("networks.width", 7),
        ("ema", 0.99),
        ("schedule.name", "cosine"),
    ],
)
def test_any_setting_can_be_searched_by_its_path(path: str, value: Any) -> None:
    found: Any = with_parameters(parse_settings(BASE), {path: value})
    for part in path.split("."):
        found = getattr(found, part)
    assert found == value


@pytest.mark.parametrize(
    ("further", "message"),
    [
        (
            {"regulariser": {"gradient_penalty": 10}},
            r"regulariser\.gradient_penalty is 10.*batch norm.*networks\.d_norm",
        ),
        ({"regulariser": {"r1": 1}}, r"regulariser\.r1 is 1.*batch norm"),
        (
            {"networks": NO_NORM, "regulariser": {"gradient_penalty": 10, "r1": 1}},
            r"one pulls the norm.*set one to 0",
        ),
        ({"regulariser": "dropout"}, r"'dropout' is not known; it must be one of"),
        ({"loss": "wasserstein"}, r"loss is wasserstein.*regulariser\.gradient_penalty"),
        ({"optimiser": {"name": "sgd", "beta2": 0.9}}, r"optimiser\.beta2 is 0\.9"),
        ({"optimiser": {"name": "sgd", "eps": 0.1}}, r"optimiser\.eps is 0\.1, but sgd has no use"),
        ({"optimiser": {"memory": "polynomial"}}, r"optimiser\.memory is polynomial, but adam has"),
        ({"optimiser": {"alpha": 2.0}}, r"optimiser\.alpha is 2\.0, but adam has no use for it"),
        ({"schedule": {"tau_b": 0.7}}, r"schedule\.tau_b is 0\.7, but constant has no use for it"),
        ({"schedule": {"name": "power", "final": 0.1}}, r"schedule\.final is 0\.1, but power has"),
        (
            {"networks": {"g_norm": "none"}, "sampling": {"batch_norm": "training"}},
            r"sampling\.batch_norm is training, but networks\.g_norm is none",
        ),
        (
            {"networks": {"g_norm": "layer"}, "sampling": {"batch_norm": "training"}},
            r"sampling\.batch_norm is training, but networks\.g_norm is layer",
        ),
        (
            {"networks": NO_NORM, "loss": "wasserstein", "regulariser": "weight_decay"},
            r"loss is wasserstein, but nothing bounds D's slope",
        ),
        ({"optimiser": "heavy_ball"}, r"schedule\.name is constant.*set schedule\.name to power"),
        (
            {"optimiser": {"name": "heavy_ball", "beta1": 0.5}, "schedule": "power"},
            r"follow from the rate",
        ),
        (
            {
                "optimiser": {"name": "heavy_ball", "memory": "polynomial", "r": 0.5},
                "schedule": "power",
            },
            r"optimiser\.r is 0\.5.*> 0\.5",
        ),
        ({"data": {"name": "digits", "size": 20}}, r"data\.size is 20.*power of two >= 8"),
        ({"los": "hinge"}, r"los"),
        ({"loss": "logistic"}, r"loss"),
        ({"ema": 1.0}, r"ema"),
        ({"batch_size": 1}, r"batch_size"),
        ({"ema_start": 3}, r"ema_start is 3, but ema is 0, so no average is taken; set ema"),
        ({"ema_ramp": 0.05}, r"ema_ramp is 0\.05, but ema is 0"),
        ({"ema": 0.9, "ema_ramp": 0.0}, r"ema_ramp"),
        ({"ema": 0.9, "ema_start": 10}, r"ema_start is 10, but a trial has 10 steps.*lower it"),
        ({"precision": "fp16"}, r"precision"),
        ({"cuda_graphs": "auto"}, r"cuda_graphs"),
        ({"deterministic": "sometimes"}, r"deterministic"),
        ({"regulariser": {"every": 16}}, r"regulariser\.every is 16, but there is no penalty"),
        ({"regulariser": {"weight_decay": 1.0, "every": 2}}, r"set regulariser\.r1 \(10\) or"),
        ({"networks": NO_NORM, "regulariser": {"r1": 1.0, "every": 0}}, r"every"),
        ({"optimiser": {"beta1": 1.0}}, r"beta1"),
    ],
)
def test_settings_that_make_no_sense_are_refused(further: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        parse(**further)


@pytest.mark.parametrize(
    "further",
    [
        {"networks": {"name": "dcgan", "d_norm": "layer"}, "regulariser": "gradient_penalty"},
        {"networks": "wgan_gp", "regulariser": "r1"},
        {"networks": {"name": "dcgan", "d_spectral_norm": True}, "loss": "wasserstein"},
        {"networks": "wgan_gp", "regulariser": ["gradient_penalty", "weight_decay"]},
        {"regulariser": "weight_decay", "loss": "wasserstein"},
    ],
)
def test_combinations_that_make_sense_pass(further: dict[str, Any]) -> None:
    assert parse(**further).warnings() == []


def test_rates_outside_assumption_a2_are_a_warning_only() -> None:
    (warning,) = parse(schedule={"name": "power", "tau_b": 0.9, "tau_a": 0.6}).warnings()
    assert "not o(b(n))" in warning


def test_a_cosine_that_the_clock_may_cut_off_is_a_warning() -> None:
    (warning,) = parse(schedule="cosine", minutes=2).warnings()
    assert "minutes is 2 and schedule is cosine" in warning
    assert parse(schedule="cosine").warnings() == []
    assert parse(minutes=2).warnings() == []


def test_the_score_is_named_without_the_data() -> None:
    assert parse(score={"samples": 2000}).score_name == "fd_digits_2k"


def test_the_json_schema_knows_the_shorthands() -> None:
    schema = GanSettings.model_json_schema()
    for model in ("NetworkSettings", "OptimiserSettings", "ScheduleSettings"):
        name, whole = schema["$defs"][model]["anyOf"]
        assert name["type"] == "string"
        assert whole["additionalProperties"] is False
    name, names, whole = schema["$defs"]["RegulariserSettings"]["anyOf"]
    assert names["items"] == name
    assert set(name["enum"]) == set(whole["properties"]) - {"every"}


@pytest.mark.parametrize(
    ("data", "batch_size"), [("digits", 1798), ({"name": "cifar10", "limit": 40}, 41)]
)
def test_a_batch_larger_than_the_data_is_refused(data: object, batch_size: int) -> None:
    score = {"extractor": "digits"}
    allowed = parse(data=data, score=score, batch_size=batch_size - 1)
    assert allowed.batch_size == batch_size - 1
    with pytest.raises(ValidationError, match=f"data are {batch_size - 1} images; lower it"):
        parse(data=data, score=score, batch_size=batch_size)


@pytest.mark.parametrize("data", ["./faces", "set.npz", "cifar10", "celeba"])
@pytest.mark.parametrize("score", [None, {"samples": 500}])
def test_images_that_are_not_digits_need_an_extractor(data: str, score: object) -> None:
    """The bundled classifier would score them without a word, and its distance would mean nothing."""
    stated = {} if score is None else {"score": score}
    with pytest.raises(ValidationError, match=r"score\.extractor is missing.*efficientnet_lite0"):
        parse(data=data, **stated)
    for extractor in ("inception", "digits"):
        parse(data=data, score={"extractor": extractor})


@pytest.mark.parametrize("data", ["digits", "mnist"])
def test_digits_have_a_default_extractor(data: str) -> None:
    assert parse(data=data).score.extractor == "digits"
    assert parse(data=data, score={"samples": 500}).score.extractor == "digits"


@pytest.mark.parametrize(("steps", "stretch"), [(400, 1), (1000, 4), (50_000, 100)])
@pytest.mark.parametrize("optimiser", ["adam", "heavy_ball"])
def test_rates_that_vanish_are_one_warning(steps: int, stretch: int, optimiser: str) -> None:
    """The numbers are those of the rates that the loop uses."""
    schedule = {"name": "power", "stretch": stretch}
    (warning,) = parse(steps=steps, schedule=schedule, optimiser=optimiser).warnings()
    settings = ScheduleSettings.model_validate(schedule)
    b = discriminator_rate(1.0, settings, steps).at(steps)
    a = generator_rate(1.0, settings, steps).at(steps)
    assert f"step {steps} has {b:.2g} of b and {a:.2g} of a" in warning
    assert f"set schedule.stretch to {steps // 10}" in warning
    assert ("set optimiser.r to 250" in warning) == (optimiser == "heavy_ball")
    remedied = {"name": "power", "stretch": steps // 10}
    ball = {"name": "heavy_ball", "r": 250, "alpha": 0.1}
    assert parse(steps=steps, schedule=remedied, optimiser=ball).warnings() == []


def test_a_ball_that_hardly_moves_is_warned_of_alone() -> None:
    schedule = {"name": "power", "stretch": 40}
    (warning,) = parse(steps=400, schedule=schedule, optimiser="heavy_ball").warnings()
    assert "its beta1 is 0.999, so it takes 1000 updates" in warning
    assert "stretch" not in warning
    polynomial = {"name": "heavy_ball", "memory": "polynomial"}
    assert parse(steps=400, schedule=schedule, optimiser=polynomial).warnings() == []
