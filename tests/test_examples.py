"""The examples do what they say: each spec is checked, and a trial of each arm is trained to its end."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import study
from study.cli.verbs import cli
from trainables.kinds import build_trial
from trainables.protocol import Context, Measurement, Parameters

EXAMPLES = Path(__file__).parents[1] / "examples"
PAGE = (EXAMPLES / "README.md").read_text(encoding="utf-8")
SPECS = re.findall(r"^\|[^|]*\| `ttur launch (\S+)`", PAGE, flags=re.MULTILINE)
SCORES = {
    "own_networks.yaml": "fd_digits_500",
    "own_space.yaml": "distance",
    "own_loss_and_score.yaml": "own_unlike_digits_500",
    "own_data.yaml": "own_unlike_discs_200",
    "own_images.yaml": "own_contrast_200",
    "own_kind.yaml": "distance",
}
QUICK = ("own_space.yaml", "own_kind.yaml")
SCRIPTS = {
    "from_python.py": r"from-python: 8 trials ended(.|\n)*two_timescale",
    "resume_after_a_kill.py": r"steps \[.*\d\]\n(.|\n)*finished: 2 of 2 trials; 2 ended just now",
}
"""What the scripts that launch say."""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the folder, with its images; nobody has imported its modules."""
    folder = tmp_path / "examples"
    shutil.copytree(
        EXAMPLES, folder, ignore=shutil.ignore_patterns("ttur-home", "__pycache__", "discs")
    )
    monkeypatch.chdir(folder)
    for module in EXAMPLES.glob("*.py"):
        monkeypatch.delitem(sys.modules, module.stem, raising=False)
    monkeypatch.setattr(sys, "path", [*sys.path])
    subprocess.run([sys.executable, "draw_discs.py"], check=True, env=os.environ, cwd=folder)
    return folder


def test_every_file_is_on_the_page() -> None:
    there = {path.name for path in EXAMPLES.iterdir() if path.suffix in (".py", ".yaml", ".ipynb")}
    assert there == set(re.findall(r"(\w+\.(?:py|yaml|ipynb))\b", PAGE))
    assert set(SCRIPTS) < set(re.findall(r"`python (\w+\.py)`", PAGE))
    assert set(SPECS) == set(SCORES) == {name for name in there if name.endswith(".yaml")}


@pytest.mark.parametrize(
    "name",
    [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in SPECS],
)
def test_a_spec_is_checked_with_its_code_and_a_trial_of_each_arm_is_trained(
    here: Path, name: str
) -> None:
    said = CliRunner().invoke(cli, ["launch", name, "--dry-run", "--home", str(here / "home")])
    assert said.exit_code == 0, said.output
    assert not (here / "home").exists()
    spec = study.read_spec(here / name)
    for arm in spec.arms.values():
        space = arm.build()
        found: dict[str, Any] = space.derive(next(iter(space.corners())))
        parameters = Parameters(b=found["b"], a=found["a"], d_steps=found["d_steps"])
        trial = build_trial(spec.trial, parameters, Context(seed=0, cache=str(here / "cache")))
        assert trial.score_name == spec.score_name
        scores = []
        while not trial.finished:
            made = trial.advance()
            assert isinstance(made, Measurement)
            scores.append(made.score)
        assert len(scores) == spec.trial["steps"] // spec.trial["evaluate_every"]
        assert len(set(scores)) > 1


@pytest.mark.slow
@pytest.mark.parametrize(
    "script",
    [
        pytest.param(script, marks=pytest.mark.exhaustive) if "kill" in script else script
        for script in SCRIPTS
    ],
)
def test_a_script_that_launches_says_what_came_out(here: Path, script: str) -> None:
    ended = subprocess.run(
        [sys.executable, script],
        cwd=here,
        env=_variables(),
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert re.search(SCRIPTS[script], ended.stdout), ended.stdout


def _variables() -> dict[str, str]:
    """No home and no stores but those beside the example."""
    places = ("TTUR_HOME", "TTUR_RECORD", "TTUR_CHECKPOINTS", "MLFLOW_TRACKING_URI")
    kept = {name: value for name, value in os.environ.items() if name not in places}
    return kept | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(EXAMPLES.parent)}


@pytest.mark.slow
def test_the_notebook_runs_from_its_first_cell_to_its_last(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    for name in set(os.environ) - set(variables := _variables()):
        monkeypatch.delenv(name)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    notebook = nbformat.read(here / "notebook.ipynb", as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells), "outputs are kept out of it"
    resources = {"metadata": {"path": str(here)}}
    nbclient.NotebookClient(notebook, timeout=400, resources=resources).execute()
    said = {
        cell["id"]: "".join(str(out.get("text", out.get("data", ""))) for out in cell["outputs"])
        for cell in notebook.cells
        if cell["cell_type"] == "code"
    }
    assert "8 trials ended" in said["launch"]
    assert "two_timescale" in said["table"]
    assert "two_timescale" in said["answer"]
    assert list(here.glob("notebook-report/*.html"))
