"""The map of the packages, checked: who may import whom, and which file holds which framework.

Two leaves that do not know each other (search_spaces, trainables) and one root that knows both
(study); each framework in as few files as possible, so that it can be swapped or upgraded there.
"""

from __future__ import annotations

import ast
import functools
import re
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("search_spaces", "study", "trainables")

FRAMEWORK_ROOMS: dict[str, tuple[str, ...]] = {
    "ray": ("study/engine/", "trainables/tune.py"),
    "optuna": (
        "study/record/",
        "study/search/samplers.py",
        "study/search/joint.py",
        "study/search/early.py",
        "study/search/present.py",
        "study/page/importance.py",
        "search_spaces/",
    ),
    "mlflow": ("study/tracking/",),
    "click": ("study/cli/",),
    "plotly": ("study/page/",),
    "matplotlib": ("study/page/", "trainables/games/figures.py"),
}
"""The only places that may import each framework, imports for annotations included."""

FLOORS = (
    "cli",
    "api",
    "driver",
    "engine",
    "page",
    "results",
    "tracking",
    "search",
    "record",
    "surface",
    "places",
    "spec",
)
"""The rooms of study from the top down: a room imports from those below it, never from those above."""


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def sources() -> dict[str, Path]:
    paths = (path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py")))
    return {module_name(path): path for path in paths}


@functools.cache
def parsed(code: str) -> ast.Module:
    return ast.parse(code)


@functools.cache
def imported_names(code: str) -> tuple[str, ...]:
    """Every dotted name that code imports, ``from p import n`` as ``p.n``, at any depth."""
    return tuple(_imported_names(code))


def _imported_names(code: str) -> Iterator[str]:
    for node in ast.walk(parsed(code)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "a relative import hides what is imported"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def imported_modules(code: str, modules: set[str]) -> set[str]:
    """The modules of ours that code imports: the longest prefix of each name that is one."""
    found = set()
    for name in imported_names(code):
        parts = name.split(".")
        prefixes = (".".join(parts[:length]) for length in range(len(parts), 0, -1))
        found.update([next((prefix for prefix in prefixes if prefix in modules), "")])
    return found - {""}


def graph() -> dict[str, set[str]]:
    modules = sources()
    return {
        name: imported_modules(path.read_text(), set(modules)) - {name}
        for name, path in modules.items()
    }


def users(framework: str) -> set[str]:
    return {
        path.relative_to(ROOT).as_posix()
        for path in sources().values()
        if framework in {name.partition(".")[0] for name in imported_names(path.read_text())}
    }


def cycle_through(start: str, edges: dict[str, set[str]]) -> list[str]:
    """A way from a module back to itself; empty if there is none."""
    ways = [[start]]
    seen = set()
    while ways:
        way = ways.pop(0)
        for target in sorted(edges[way[-1]]):
            if target == start:
                return [*way, start]
            if target not in seen:
                seen.add(target)
                ways.append([*way, target])
    return []


def test_the_walk_sees_every_form_of_import() -> None:
    code = "import study.tracking.query\nfrom trainables import kinds\nfrom study.spec.model import Spec"
    known = {"study", "study.tracking.query", "study.spec.model", "trainables", "trainables.kinds"}
    assert imported_modules(code, known) == {
        "study.tracking.query",
        "study.spec.model",
        "trainables.kinds",
    }
    assert cycle_through("a", {"a": {"b"}, "b": {"c"}, "c": {"a"}}) == ["a", "b", "c", "a"]
    assert cycle_through("a", {"a": {"b"}, "b": {"c"}, "c": {"b"}}) == []


@pytest.mark.parametrize(
    ("package", "forbidden"),
    [("search_spaces", {"study", "trainables"}), ("trainables", {"study", "search_spaces"})],
)
def test_leaves_import_no_other_package_of_ours(package: str, forbidden: set[str]) -> None:
    edges = {
        (module, target)
        for module, targets in graph().items()
        for target in targets
        if module.partition(".")[0] == package and target.partition(".")[0] in forbidden
    }
    assert edges == set()


def test_search_spaces_need_only_optunas_distributions_and_the_standard_library() -> None:
    for name, path in sources().items():
        if name.partition(".")[0] == "search_spaces":
            for imported in imported_names(path.read_text()):
                top = imported.partition(".")[0]
                assert (
                    imported.startswith("optuna.distributions.")
                    or top in sys.stdlib_module_names
                    or top == "search_spaces"
                ), f"{name} imports {imported}"


@pytest.mark.parametrize("framework", ["optuna", "mlflow", "click"])
def test_trainables_know_nothing_of_the_study_frameworks(framework: str) -> None:
    assert {file for file in users(framework) if file.startswith("trainables/")} == set()


@pytest.mark.parametrize("framework", FRAMEWORK_ROOMS)
def test_each_framework_is_imported_in_its_own_rooms_only(framework: str) -> None:
    rooms = FRAMEWORK_ROOMS[framework]
    assert users(framework), "the walk finds it nowhere"
    assert {file for file in users(framework) if not file.startswith(rooms)} == set()
    unused = [room for room in rooms if not any(file.startswith(room) for file in users(framework))]
    assert unused == []


PRIVATE = {
    "ray": "study/engine/private.py",
    "optuna": "study/record/private.py",
    "mlflow": "study/tracking/private.py",
}
"""The one file of each framework that may use its private parts."""


@pytest.mark.parametrize("framework", PRIVATE)
def test_private_parts_are_in_one_file_and_the_version_is_bounded(framework: str) -> None:
    used = {
        path.relative_to(ROOT).as_posix()
        for path in sources().values()
        for name in imported_names(path.read_text())
        if name.split(".")[0] == framework
        and any(part.startswith("_") or part == "internal_kv" for part in name.split("."))
    }
    assert used <= {PRIVATE[framework]}
    project = (ROOT / "pyproject.toml").read_text()
    assert re.search(rf'^    "{framework}[^"]*>=[^"]*,<[0-9]', project, re.MULTILINE)


def test_no_private_attribute_of_something_else_is_used_elsewhere() -> None:
    """In the rooms of the frameworks, an attribute that begins with _ is the class's own."""
    foreign = set()
    for name, path in sources().items():
        rooms = ("study.record", "study.engine", "study.tracking", "study.driver", "study.search")
        if not name.startswith(rooms) or name.endswith(".private"):
            continue
        for node in ast.walk(parsed(path.read_text())):
            private = isinstance(node, ast.Attribute) and re.match("_(?!_)", node.attr)
            own = ("self", "cls", "super()")  # super: Present overrides what Optuna's samplers call
            if private and ast.unparse(node.value) not in own:
                foreign.add(f"{name}: {ast.unparse(node)}")
    assert foreign == set()


CUSTOMARY = {
    "numpy": "np",
    "numpy.typing": "npt",
    "pandas": "pd",
    "pyarrow": "pa",
    "pyarrow.parquet": "pq",
    "sqlalchemy": "sa",
    "torch.nn.functional": "F",
}
"""The names that these libraries have everywhere; nothing else is imported under another name."""


def test_nothing_is_imported_under_another_name() -> None:
    renamed = set()
    for name, path in sources().items():
        for node in ast.walk(parsed(path.read_text())):
            if isinstance(node, ast.Import | ast.ImportFrom):
                module = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
                renamed |= {
                    f"{name}: {module}{alias.name} as {alias.asname}"
                    for alias in node.names
                    if alias.asname and CUSTOMARY.get(f"{module}{alias.name}") != alias.asname
                }
    assert renamed == set()


def room(module: str) -> str:
    """The room of a module of study: "cli" for study.cli.verbs; "ground" for what lies beside them."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and parts[1] in FLOORS else "ground"


def room_arrows() -> dict[tuple[str, str], set[str]]:
    """Which rooms of study import from which others, with the modules that do."""
    arrows: dict[tuple[str, str], set[str]] = {}
    for module, targets in graph().items():
        for target in targets:
            ends = room(module), room(target)
            ours = module.startswith("study.") and target.startswith("study.")
            if ours and ends[0] != ends[1]:
                arrows.setdefault(ends, set()).add(f"{module} -> {target}")
    return arrows


def test_no_arrow_runs_back_up() -> None:
    height = {name: place for place, name in enumerate((*FLOORS, "ground"))}
    up = {ends: why for ends, why in room_arrows().items() if height[ends[0]] > height[ends[1]]}
    assert up == {}


def test_results_do_not_know_the_record() -> None:
    assert ("results", "record") not in room_arrows()


def test_a_newcomer_sees_few_rooms() -> None:
    """Folders and files of study, and on how many floors they stand."""
    rooms = {name.split(".")[1] for name in sources() if name.startswith("study.")}
    rooms -= {"recipes"}  # YAML files, and no code
    assert len(rooms | {"__init__"}) <= 16
    ends = [pair for pair in room_arrows() if "ground" not in pair]
    heights: dict[str, int] = {}
    for name in reversed(FLOORS):
        below = [heights[target] for start, target in ends if start == name]
        heights[name] = 1 + max(below, default=1)
    assert max(heights.values()) <= 9


def test_only_the_two_faces_look_for_a_home() -> None:
    """Places are resolved in api and cli, and passed on."""
    users = {module for module, targets in graph().items() if "study.places.home" in targets}
    assert {room(module) for module in users} <= {"api", "cli"}


def test_every_room_says_in_one_sentence_what_it_is() -> None:
    for name in (*FLOORS, "ground"):
        if name != "api":
            text = ast.get_docstring(parsed((ROOT / "study" / name / "__init__.py").read_text()))
            assert text, name
            assert "\n" not in text, name


CLAUSE = re.compile(r"(How|If|What|When|Where|Whether|Which|Who|Whose|Why)\b")


def test_a_module_says_first_what_it_is() -> None:
    """In one line, as a statement and not as a clause."""
    for name, path in sources().items():
        text = ast.get_docstring(parsed(path.read_text()))
        assert text, name
        first, _, rest = text.partition("\n")
        assert first.endswith((".", "?")), name
        assert not CLAUSE.match(first), name
        assert rest == "" or rest.startswith("\n"), name


def test_messages_are_in_plain_idiom() -> None:
    """Something "is not a folder", and not "no folder"."""
    odd = re.compile(
        r"(?<!there\s)\b(is|are) no (?!longer|more|better|other|wider|larger)", re.IGNORECASE
    )
    found = {
        f"{name}: {node.value}"
        for name, path in sources().items()
        for node in ast.walk(parsed(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and odd.search(node.value)
    }
    assert found == set()


LONGEST_FILE, LONGEST_FUNCTION = 300, 50


def test_no_file_is_longer_than_one_can_read_at_a_time() -> None:
    lengths = {name: len(path.read_text().splitlines()) for name, path in sources().items()}
    assert {name: length for name, length in lengths.items() if length > LONGEST_FILE} == {}


def test_no_function_is_longer_than_a_screen() -> None:
    """Its docstring counted; half of them have no more than eight lines."""
    lengths = {
        f"{name}.{node.name}": (node.end_lineno or 0) - node.lineno + 1
        for name, path in sources().items()
        for node in ast.walk(parsed(path.read_text()))
        if isinstance(node, ast.FunctionDef)
    }
    assert {name: length for name, length in lengths.items() if length > LONGEST_FUNCTION} == {}
    assert statistics.median(lengths.values()) <= 8


def test_settings_do_not_import_torch() -> None:
    files = users("torch") | users("torchvision")
    assert files, "the walk finds no torch at all"
    assert {file for file in files if file.startswith("trainables/settings/")} == set()


def test_no_module_imports_in_a_circle() -> None:
    edges = graph()
    circles = [way for module in edges if (way := cycle_through(module, edges))]
    assert circles == []


@pytest.mark.parametrize(
    "module",
    [
        "study.tracking.query",
        pytest.param("study.spec.model", marks=pytest.mark.slow),
        pytest.param("study.spec.recipes", marks=pytest.mark.slow),
    ],
)
def test_questions_cost_neither_torch_nor_ray(module: str) -> None:
    assert heavy_modules_after(f"import {module}") == []


def test_help_costs_neither_torch_nor_ray() -> None:
    show_help = "sys.argv = ['ttur', '--help']\ntry: main()\nexcept SystemExit: pass"
    assert heavy_modules_after(f"from study.cli import main\n{show_help}") == []


@pytest.mark.slow
def test_the_probe_for_heavy_modules_finds_them() -> None:
    assert heavy_modules_after("import torch") == ["torch"]


def heavy_modules_after(code: str) -> list[str]:
    """Which of torch and ray a fresh interpreter holds after running code."""
    report = "print(*sorted({'torch', 'ray'} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\n{code}\n{report}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()[-1].split()
