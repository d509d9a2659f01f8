"""What README.md and docs/ say can be typed: specs, settings, recipes and verbs are those of the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from study.cli.verbs import cli
from study.spec.arm import Arm, check_arm
from study.spec.reader import mapping, parse_spec, parse_yaml
from study.spec.recipes import recipe_names, recipe_text
from trainables.kinds import KINDS, parse_settings

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
TABLE = (ROOT / "docs" / "trains.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
ROWS = [line.split("|")[1:4] for line in TABLE.splitlines() if line.startswith("| ")]


def yaml_blocks(name: str) -> list[str]:
    text = (ROOT / name).read_text(encoding="utf-8")
    return re.findall(r"```yaml\n(.*?)```", text, flags=re.DOTALL)


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


def test_the_specs_in_the_documents_are_valid() -> None:
    (front,) = yaml_blocks("README.md")
    whole, arm = yaml_blocks("docs/spec.md")
    for text in (front, whole):
        spec = parse_spec(mapping(parse_yaml(text, "a page"), "a page"))
        assert spec.score_name == "fid_10k"
    fields = mapping(parse_yaml(arm, "docs/spec.md"), "docs/spec.md")["two_timescale"]
    check_arm(Arm.model_validate(fields), parse_settings({**spec.trial, "data": "digits"}), "tpe")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_documents_point_to_are_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    links = [
        link.partition("#")[0]
        for link in re.findall(r"\]\(([^)#][^)]*)\)", text)
        if "://" not in link
    ]
    generated = {"reference/spec.md", "reference/cli.md"}
    for link in set(links) - generated:
        assert (page.parent / link).exists(), f"{page.name} points to {link}"
    paths = re.findall(r"`((?:study|trainables|search_spaces|tests|deploy)/[\w./-]+)`", text)
    for path in paths:
        assert (ROOT / path).exists(), f"{page.name} points to {path}"


def test_every_page_is_in_the_contents() -> None:
    contents = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    for page in (ROOT / "docs").rglob("*.md"):
        assert page.relative_to(ROOT / "docs").as_posix() in contents


def test_every_benchmark_is_listed() -> None:
    text = (ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"^\| `(\w+)`", text, flags=re.MULTILINE))
    assert listed == {path.stem for path in (ROOT / "benchmarks").glob("[!_]*.py")}
