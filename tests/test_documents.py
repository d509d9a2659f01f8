"""What README.md says can be typed: its specs, settings, recipes and verbs are those of the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from study.cli.main import cli
from study.spec.model import Arm, check_arm
from study.spec.reader import mapping, parse_spec, parse_yaml
from study.spec.recipes import recipe_names, recipe_text
from trainables.kinds import KINDS, parse_settings

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
TABLE = README.partition("## What it trains")[2].partition("\n## ")[0]
ROWS = [line.split("|")[1:4] for line in TABLE.splitlines() if line.startswith("| ")]


def yaml_blocks() -> list[str]:
    return re.findall(r"```yaml\n(.*?)```", README, flags=re.DOTALL)


def base_trial(cell: str) -> dict[str, object]:
    """The smallest trial of the kind that a cell is about."""
    kind = re.search(r"`kind: (\w+)`", cell)
    if kind is None:
        return {"kind": "gan", "data": "digits", "steps": 10, "evaluate_every": 5}
    text = {"data": "lines.txt"} if kind[1] == "language" else {}
    return {"kind": kind[1], "steps": 10, "evaluate_every": 5, **text}


@pytest.mark.parametrize("row", [row for row in ROWS if ":" in row[1]], ids=lambda row: row[0])
def test_every_setting_in_the_table_is_one(row: list[str]) -> None:
    snippets = re.findall(r"`([^`]+)`", row[1])
    assert snippets
    trial = base_trial(row[1])
    for snippet in (text for text in snippets if not text.startswith("kind:")):
        trial |= mapping(parse_yaml(snippet, snippet), snippet)
    assert parse_settings(trial).score_name


def test_every_recipe_is_in_the_readme_and_none_that_is_not_there() -> None:
    named = set(re.findall(r"`([a-z0-9]+(?:-[a-z0-9]+)*)`", TABLE))
    named |= {name for start in re.findall(r"`([a-z-]+)-\*`", TABLE) for name in _start(start)}
    assert set(recipe_names()) - named == set()
    recipes_column = " ".join(row[2] for row in ROWS)
    for name in re.findall(r"`([a-z0-9-]+)`", recipes_column):
        assert recipe_text(name)
    for start in re.findall(r"`([a-z-]+)-\*`", recipes_column):
        assert _start(start)


def _start(start: str) -> list[str]:
    return [name for name in recipe_names() if name.startswith(start)]


def test_every_kind_of_trial_is_in_the_table() -> None:
    assert set(re.findall(r"kind: (\w+)", TABLE)) | {"gan"} == set(KINDS)


def test_the_verbs_are_those_of_the_command_line() -> None:
    everyday = README.partition("## Everyday use")[2].partition("\n## ")[0]
    assert set(re.findall(r"^\| `ttur ([a-z]+)", everyday, flags=re.MULTILINE)) == set(cli.commands)


def test_the_specs_in_the_readme_are_valid() -> None:
    whole, arm = (mapping(parse_yaml(text, "README.md"), "README.md") for text in yaml_blocks())
    spec = parse_spec(whole)
    assert spec.score_name == "fid_10k"
    check_arm(Arm.model_validate(arm["two_timescale"]), {**spec.trial, "data": "digits"}, "tpe")


def test_files_that_documents_point_to_are_there() -> None:
    for name in ("README.md", "CONTRIBUTING.md"):
        text = (ROOT / name).read_text(encoding="utf-8")
        links = [link for link in re.findall(r"\]\(([^)]+)\)", text) if "://" not in link]
        paths = re.findall(r"`((?:study|trainables|search_spaces|tests|deploy)/[\w./-]+)`", text)
        assert links or paths
        for path in links + paths:
            assert (ROOT / path).exists(), f"{name} points to {path}"


def test_every_benchmark_is_listed() -> None:
    text = (ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"^\| `(\w+)`", text, flags=re.MULTILINE))
    assert listed == {path.stem for path in (ROOT / "benchmarks").glob("[!_]*.py")}
