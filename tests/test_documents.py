"""What README.md and docs/ say can be typed: specs, settings, recipes and verbs are those of the code."""

from __future__ import annotations

import ast
import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from support.data import colours, write_folder

from study.cli.verbs import cli
from study.spec.parts import Arm, check_arm
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
    generated = {"reference/spec.md", "reference/cli.md", "reference/names.md"}
    for link in set(links) - generated:
        assert (page.parent / link).exists(), f"{page.name} points to {link}"
    paths = re.findall(r"`((?:study|trainables|search_spaces|tests|deploy)/[\w./-]+)`", text)
    for path in paths:
        assert (ROOT / path).exists(), f"{page.name} points to {path}"


def test_the_way_of_a_launch_is_as_it_is_drawn() -> None:
    """Every function of the table is in the file beside it."""
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    section = text.partition("## The way of a launch")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| [^|]+ \| `([\w/.]+)` \| `([\w.]+)` \|$", section, flags=re.MULTILINE)
    assert len(rows) == section.count("\n| ") - 2
    for file, name in rows:
        nodes: Any = ast.parse((ROOT / file).read_text(encoding="utf-8"))
        for part in name.split("."):
            (nodes,) = (node for node in nodes.body if getattr(node, "name", "") == part)


def test_every_page_is_in_the_contents() -> None:
    contents = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    for page in (ROOT / "docs").rglob("*.md"):
        assert page.relative_to(ROOT / "docs").as_posix() in contents


def test_every_benchmark_is_listed() -> None:
    text = (ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"^\| `(\w+)`", text, flags=re.MULTILINE))
    assert listed == {path.stem for path in (ROOT / "benchmarks").glob("[!_]*.py")}


def specs_in_documents() -> list[tuple[Path, str]]:
    """The YAML blocks of all pages that are whole specs."""
    blocks = [
        (page, text)
        for page in PAGES
        for text in re.findall(r"```yaml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    ]
    return [(page, text) for page, text in blocks if re.search(r"^name: ", text, re.MULTILINE)]


def commands_in_documents() -> list[str]:
    """Every launch and preparation that stands in a page as it is typed, without what stands for a name."""
    found: set[str] = set()
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        found |= set(
            re.findall(r"(?:`|^ {4}|^)(ttur (?:launch|prepare)[^`\n|]*)", text, re.MULTILINE)
        )
    typed = (line.split("  ")[0].split("#")[0].strip() for line in found)
    return sorted({line for line in typed if not re.search(r"\b[A-Z]{2,}\b|\[|…|<", line)})


@pytest.mark.parametrize(
    ("page", "text"), specs_in_documents(), ids=lambda value: getattr(value, "stem", "spec")
)
def test_specs_are_launched_as_they_are_written_from_an_empty_folder(
    page: Path, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a dry run, beside the data that they name; the working folder is another one."""
    project, here = tmp_path / "project", tmp_path / "here"
    here.mkdir()
    write_folder(project / "faces", colours(70, 64, 64))
    np.savez(project / "images.npz", images=colours(70, 64, 64))
    (project / "lines.txt").write_text("a line\n" * 100)
    (project / "study.yaml").write_text(text)
    monkeypatch.chdir(here)
    said = CliRunner().invoke(
        cli, ["launch", "../project/study.yaml", "--dry-run", "--home", "h"], catch_exceptions=False
    )
    assert said.exit_code == 0, f"{page.name}: {said.output}"
    assert not (here / "h").exists(), "a dry run makes nothing"


@pytest.mark.parametrize("line", commands_in_documents())
def test_commands_are_typed_as_they_stand_from_an_empty_folder(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Launches as dry runs, preparations as what they would do: nothing is trained or fetched.

    A spec file that is named is the one of the page, beside a folder of images as it names.
    """
    if ".yaml" in line:
        (tmp_path / "faces.yaml").write_text(specs_in_documents()[0][1])
        write_folder(tmp_path / "faces", colours(70, 64, 64))
    before = set(tmp_path.iterdir())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TTUR_HOME", "h")
    words = [word for word in shlex.split(line)[1:] if word != "--dry-run"]
    words = ["launch" if word == "prepare" else word for word in words]
    said = CliRunner().invoke(cli, [*words, "--dry-run"], catch_exceptions=False)
    assert said.exit_code == 0, said.output
    assert set(tmp_path.iterdir()) == before
