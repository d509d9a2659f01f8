"""Mutation testing: small faults are put into the rules and formulas, and tests must see each one.

    python tests/mutants/run.py [--jobs N] [--every N] [MODULE ...]

mutmut writes the faults (`a + b` becomes `a - b`, an argument is left out, ...) and runs the quick tests of
the module that reach the changed function. Each row of rows.py has a folder of its own under build/mutants,
made anew each time, so that nothing is taken over from tests as they were. What no test saw is written to
build/mutants/survivors.txt, a line each; a line that tests/mutants/explained.txt holds, with the reason why
that fault changes nothing, is left out, and so is a kind of fault that EQUAL names. Nothing is put into
statements that raise, warn or log, which are messages. The exit code is 1 if an unexplained one is left.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import fnmatch
import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Container, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mutmut.configuration import reset_config
from mutmut.mutation.diff_apply import find_mutant, get_diff_for_mutant
from mutmut.mutation.file_mutation import mutate_file_contents
from rows import EQUAL, LEFT_OUT, ROWS

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "build" / "mutants"
HERE = Path(__file__).parent
EXPLAINED = HERE / "explained.txt"
PACKAGES = ("search_spaces", "study", "trainables")

PLUGINS = (
    *("quickly", "_hypothesis_pytestplugin", "pytest_timeout"),
    *("no:cacheprovider", "no:unraisableexception"),
)
"""Of pytest: quickly.py is ours; unraisableexception collects garbage five times after each fault. Others are
not looked for: pytest would read what each installed distribution says of itself, for every fault."""

LOADED = ("numpy", "optuna", "scipy.optimize", "scipy.stats", "sqlalchemy", "torch")
"""What mutmut's process imports before it forks: its runs without a fault, and its server, have it then."""

SEEN = ("killed", "timeout", "segfault")
"""The states of mutmut in which a fault was noticed: a test failed, hung or fell."""

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)

SPINNER = tuple("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏")
"""With which each of mutmut's hundreds of lines about its progress begins."""

SETTINGS = """
[tool.mutmut]
source_paths = {packages}
only_mutate = {only}
do_not_mutate_patterns = {messages}
pytest_add_cli_args_test_selection = {tests}
pytest_add_cli_args = {plugins}
process_isolation = "forkserver"  # torch's threads do not outlive a fork
use_git_change_detection = false
timeout_constant = 15.0  # times three: on a busy machine what lives must not pass for what hangs
timeout_multiplier = 3.0
"""


@dataclass
class Found:
    """What became of the faults in the modules of some rows.

    Attributes:
        counts: How many faults ended in which of mutmut's states (``killed``, ``survived``, ...).
        survivors: Those that no test saw, one each, as :func:`one_line` writes them.
        equal: How many more no test saw because :data:`EQUAL` says that they change nothing.
    """

    counts: Counter[str] = field(default_factory=Counter)
    survivors: list[str] = field(default_factory=list)
    equal: int = 0

    def add(self, other: Found) -> None:
        self.counts += other.counts
        self.survivors += other.survivors
        self.equal += other.equal

    def rate(self) -> str:
        total, seen = self.counts.total(), sum(self.counts[state] for state in SEEN)
        rate = f"{seen} of {total} seen ({seen / max(1, total):.1%})"
        return f"{rate}, {self.equal} that change nothing by their kind, {dict(self.counts)}"


def rows_of(names: Sequence[str]) -> list[int]:
    """The rows whose modules are called like that (``schedules``, ``trainables/gan``), all without names."""
    known = [
        row for row, (modules, _) in enumerate(ROWS) if _named(modules, names) and left_of(row)
    ]
    if not known:
        raise SystemExit(f"no row of {Path(__file__).name} has a module called {', '.join(names)}")
    return known


def _named(modules: str, names: Sequence[str]) -> bool:
    plain = modules.removesuffix("/*.py").removesuffix(".py")
    return not names or any(name in (plain, plain.rpartition("/")[2], modules) for name in names)


def left_of(row: int) -> list[Path]:
    """The modules that belong to a row, but for those that are left out or take no fault."""
    names = [modules for modules, _ in ROWS]
    belongs = (
        path
        for path in sorted(ROOT.glob(names[row]))
        if not any(fnmatch.fnmatch(_short(path), name) for name in (*names[:row], *LEFT_OUT))
    )
    return [path for path in belongs if takes_faults(path.read_text("utf-8"))]


def takes_faults(module: str) -> bool:
    """Whether a module's text has a function that mutmut changes: one without a decorator of another kind.

    Of a row without any mutmut says that it failed.
    """
    body = ast.parse(module).body
    bodies = [body, *(node.body for node in body if isinstance(node, ast.ClassDef))]
    functions = (node for part in bodies for node in part if isinstance(node, FUNCTIONS))
    return any(
        all(ast.unparse(one) in ("staticmethod", "classmethod") for one in function.decorator_list)
        for function in functions
    )


def _short(path: Path) -> str:
    return str(path.relative_to(ROOT))


def prepared(row: int) -> Path:
    """A folder that holds the packages and tests by links, and the row's settings of mutmut."""
    modules, tests = ROWS[row]
    folder = BUILD / modules.removesuffix(".py").replace("/", "-").replace("*", "rest")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in (*PACKAGES, "tests"):
        (folder / name).symlink_to(ROOT / name)
    paths = left_of(row)
    settings = SETTINGS.format(
        packages=list(PACKAGES),
        only=[str(path.relative_to(ROOT)) for path in paths],
        messages=json.dumps(messages(paths)),
        tests=list(tests),
        plugins=[part for plugin in PLUGINS for part in ("-p", plugin)],
    )
    project = (ROOT / "pyproject.toml").read_text("utf-8")
    (folder / "pyproject.toml").write_text(project + settings, "utf-8")
    return folder


def messages(modules: Sequence[Path]) -> list[str]:
    """Patterns for the lines of the modules' statements that raise, warn or log: words are not a formula."""
    found: set[str] = set()
    for path in modules:
        text = path.read_text("utf-8")
        lines = text.splitlines()
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Raise) or (isinstance(node, ast.Expr) and _warns(node.value)):
                found.update(lines[node.lineno - 1 : node.end_lineno])
    return [f"^{re.escape(line)}$" for line in sorted(found)]


def _warns(value: ast.expr) -> bool:
    return isinstance(value, ast.Call) and ast.unparse(value.func).startswith(
        ("logger.", "warnings.")
    )


def mutmut(folder: Path, *arguments: str) -> str:
    """Runs mutmut's command in a folder and returns what it prints.

    Raises:
        RuntimeError: It failed, as it does where the tests fail without any fault.
    """
    imports = LOADED if arguments[0] == "run" else ()
    code = "".join(f"import {module}; " for module in imports)
    code += "from mutmut.__main__ import cli; cli()"
    command = [sys.executable, "-P", "-c", code, *arguments]
    environment = os.environ | {
        "OMP_NUM_THREADS": "1",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTHONPATH": str(HERE),  # the plugin, quickly.py
    }
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = [line for line in done.stdout.splitlines() if not line.startswith(SPINNER)]
        raise RuntimeError(
            "\n".join((f"mutmut {' '.join(arguments)} failed in {folder}:", *said, done.stderr))
        )
    return done.stdout


def one_line(name: str, shown: str) -> str:
    """A fault by what it changes, ``module.function | the line | its fault``.

    The number in mutmut's name moves with every change of the function; this holds as long as the line does.

    Args:
        name: mutmut's name of it.
        shown: Its unified diff.
    """
    changed = [line for line in shown.splitlines() if not line.startswith(("---", "+++"))]
    before, after = (
        " / ".join(line[1:].strip() for line in changed if line.startswith(sign)) for sign in "-+"
    )
    return f"{name.rpartition('__mutmut_')[0]} | {before} | {after}"


def changes_nothing(fault: str) -> bool:
    """Whether both sides of a fault's line are the same to one of :data:`EQUAL`."""
    parts = fault.split(" | ")[1:]
    # A line may hold a bar itself (``int | None``): the two sides meet at one of them.
    sides = [(" | ".join(parts[:at]), " | ".join(parts[at:])) for at in range(1, len(parts))]
    return any(
        re.sub(pattern, plain, before) == re.sub(pattern, plain, after)
        for pattern, plain, _ in EQUAL
        for before, after in sides
    )


def names_of(folder: Path, row: int) -> list[str]:
    """What mutmut calls the faults of a row."""
    names: list[str] = []
    with contextlib.chdir(folder):
        reset_config()
        for path in left_of(row):
            short = path.relative_to(ROOT)
            made = mutate_file_contents(str(short), path.read_text("utf-8")).mutant_names
            names += [f"{'.'.join(short.with_suffix('').parts)}.{name}" for name in made]
    return names


def searched(row: int, jobs: int, every: int) -> Found:
    """Runs the faults of a row, or every N-th of them, and says what became of them."""
    folder = prepared(row)
    chosen = names_of(folder, row)[::every] if every > 1 else []
    mutmut(folder, "run", "--max-children", str(jobs), *chosen)
    found, unseen = Found(), []
    for line in mutmut(folder, "results", "--all", "true").splitlines():
        name, _, state = line.strip().rpartition(": ")
        if state == "not checked":
            continue
        found.counts[state] += 1
        if state not in SEEN:
            unseen.append(name)
    with contextlib.chdir(folder):
        reset_config()
        shown = [get_diff_for_mutant(name, path=find_mutant(name).path) for name in unseen]
    faults = [one_line(name, diff) for name, diff in zip(unseen, shown, strict=True)]
    found.survivors = [fault for fault in faults if not changes_nothing(fault)]
    found.equal = len(faults) - len(found.survivors)
    return found


def explained() -> dict[str, str]:
    """The explained survivors and their reasons, which stand before ``#`` and after it."""
    lines = EXPLAINED.read_text("utf-8").splitlines()
    parts = (line.rpartition("  # ") for line in lines if line and not line.startswith("#"))
    return {fault: reason for fault, _, reason in parts}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("modules", nargs="*", metavar="MODULE", help="schedules, trainables/gan")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="faults at a time")
    parser.add_argument("--every", type=int, default=1, help="take every N-th fault only")
    arguments = parser.parse_args()
    known, found, failed = explained(), Found(), 0
    for row in rows_of(arguments.modules):
        try:
            one = searched(row, arguments.jobs, arguments.every)
        except RuntimeError as error:
            failed += 1
            print(error, file=sys.stderr)
            continue
        found.add(one)
        print(f"{ROWS[row][0]}: {one.rate()}", flush=True)
        written(found.survivors, known)
    left = written(found.survivors, known)
    print(f"all: {found.rate()}")
    print(
        f"{len(found.survivors) - len(left)} are explained; the other {len(left)}:", *left, sep="\n"
    )
    if not arguments.modules and not failed and arguments.every == 1:
        for fault in sorted(known.keys() - set(found.survivors)):
            print(f"explained, but no longer a survivor: {fault}")
    return 1 if left or failed else 0


def written(survivors: Sequence[str], known: Container[str]) -> list[str]:
    """Writes the survivors that are not explained to their file, and returns them."""
    left = [fault for fault in survivors if fault not in known]
    (BUILD / "survivors.txt").write_text("".join(f"{fault}\n" for fault in left), "utf-8")
    return left


if __name__ == "__main__":
    sys.exit(main())
