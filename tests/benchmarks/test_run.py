"""`make bench`: every script that measures runs, at its smallest size here; what others measured stays."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.run import PARTS, section, sections_of, versions

ROOT = Path(__file__).parents[2]
MEASURES_NOTHING = {"bohb", "children", "gpu_loops", "gpu_scores", "gpu_trials", "many", "sleeping"}
MEASURES_NOTHING |= {"run", "families", "peers", "record_surfaces", "recorded", "replay", "reading"}
"""What runs the others, what they are made of, what records surfaces for hours, and what counts files."""
RESULTS = """# Results

Of one machine.

## Training on a GPU (`benchmarks.gpu`)

On a card.

### Not a script

## Counting n-grams (`benchmarks.ngrams`)

Long ago.
"""


def test_every_script_that_measures_is_run() -> None:
    scripts = {path.stem for path in (ROOT / "benchmarks").glob("[!_]*.py")}
    assert set(PARTS) == scripts - MEASURES_NOTHING


def test_a_file_of_results_is_its_head_and_a_section_of_each_script() -> None:
    found = dict(sections_of(RESULTS))
    assert list(found) == ["", "gpu", "ngrams"]
    assert "".join(found.values()) == RESULTS
    assert found["gpu"].endswith("### Not a script\n\n")
    assert dict(sections_of("# Results\n")) == {"": "# Results\n"}


def test_the_libraries_that_are_compared_are_named() -> None:
    assert f"Python {sys.version_info.major}." in versions()
    assert ", torch " in versions()


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [name for name, part in PARTS.items() if not (part.starts_ray or part.needs_gpu)]
)
def test_a_script_runs_at_its_smallest_size(name: str) -> None:
    text, whole = section(name, PARTS[name], "least")
    assert whole, text
    assert text.startswith(f"## {PARTS[name].title} (`benchmarks.{name}`)\n")
    assert text.count("    $ python -m benchmarks.") == len(PARTS[name].least)


@pytest.mark.slow
def test_a_script_that_fails_is_said() -> None:
    text, whole = section("ngrams", replace(PARTS["ngrams"], least=("--lines many",)), "least")
    assert not whole
    assert "failed with exit code 2: " in text
    assert "invalid int value: 'many'" in text


@pytest.mark.slow
def test_what_was_not_measured_again_stays(tmp_path: Path) -> None:
    output = tmp_path / "RESULTS.md"
    output.write_text(RESULTS, encoding="utf-8")
    command = [sys.executable, "-m", "benchmarks.run", "--least", "--only", "ngrams"]
    subprocess.run([*command, "--output", str(output)], cwd=ROOT, check=True)
    text = output.read_text(encoding="utf-8")
    assert "Long ago." not in text
    assert "packed" in dict(sections_of(text))["ngrams"]
    assert text.startswith("# Results\n\nOf one machine.\n")
    assert dict(sections_of(text))["gpu"].strip() == dict(sections_of(RESULTS))["gpu"].strip()
