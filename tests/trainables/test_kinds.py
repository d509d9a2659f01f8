from __future__ import annotations

import subprocess
import sys

import pytest

from trainables.kinds import KINDS, parse_settings, with_parameters
from trainables.references import load
from trainables.settings.base import TrialSettings


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_both_halves_of_a_kind_are_there(kind: str) -> None:
    settings, trial = load(KINDS[kind].settings), load(KINDS[kind].trial)
    assert issubclass(settings, TrialSettings)
    assert isinstance(trial, type)
    assert settings.model_fields["kind"].default == kind


def test_settings_of_no_kind_need_torch() -> None:
    code = (
        "import sys; from trainables.kinds import KINDS; from trainables.references import load;"
        "[load(kind.settings) for kind in KINDS.values()];"
        "sys.exit('torch' in sys.modules or 'ray' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_kind_of_one_s_own_needs_no_more_than_it_imports() -> None:
    """Torch is 260 MB in each worker, and seconds of its start."""
    code = (
        "import sys; from trainables import kinds; from trainables.protocol import Context, Parameters;"
        "data = {'kind': 'benchmarks.sleeping:kind', 'steps': 1, 'evaluate_every': 1};"
        "kinds.uses_accelerator(data); settings = kinds.parse_settings(data);"
        "kinds.build_trial(data, Parameters(b=0.1, a=0.1, d_steps=1), Context(seed=1));"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("kind", [None, "gna", "", ["saddle"], {}])
def test_an_unknown_kind_is_refused_with_the_kinds_there_are(kind: object) -> None:
    with pytest.raises(ValueError, match="must be one of bilinear, gan"):
        parse_settings({"kind": kind})


def test_a_sampled_setting_takes_its_place() -> None:
    data = {"kind": "saddle", "steps": 10, "evaluate_every": 5}
    settings = with_parameters(parse_settings(data), {"noise": 0.25, "update_rule": "simultaneous"})
    assert settings.model_dump()["noise"] == 0.25
    assert settings.model_dump()["update_rule"] == "simultaneous"


@pytest.mark.parametrize("path", ["nose", "noise.deep", "trial.noise", ""])
def test_a_sampled_name_that_is_no_setting_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="names no setting of a trial of kind saddle"):
        with_parameters(parse_settings({"kind": "saddle"}), {path: 1.0})


def test_a_sampled_value_is_validated_like_a_written_one() -> None:
    with pytest.raises(ValueError, match="noise"):
        with_parameters(parse_settings({"kind": "saddle"}), {"noise": -1.0})


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ("os.path", "not of the form package.module:name"),
        ("nowhere.at.all:f", "cannot be imported"),
        ("os.path:nothing", "cannot be imported"),
        (":f", "not of the form"),
    ],
)
def test_a_reference_that_names_nothing_is_refused(reference: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        load(reference)
