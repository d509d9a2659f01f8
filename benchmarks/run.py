"""Runs every benchmark and writes what they print, with date, machine and versions.

    python -m benchmarks.run [--quick] [--only frechet fid] [--output benchmarks/RESULTS.md]

Each script is a process of its own, one after the other. A script that fails is said, and the others go on.
In a file that exists, the sections of the scripts that ran are exchanged; those of others stay.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

import psutil

HERE = Path(__file__).resolve().parent
SHOWN = (
    "torch",
    "numpy",
    "scipy",
    "optuna",
    "ray",
    "mlflow-skinny",
    "torch-fidelity",
    "pytorch-fid",
)
Size = Literal["full", "quick", "least"]


@dataclass(frozen=True, kw_only=True)
class Part:
    """One script, and the arguments of its runs: for the claim, for minutes, for a look whether it works."""

    title: str
    full: tuple[str, ...]
    quick: tuple[str, ...]
    least: tuple[str, ...]
    starts_ray: bool = False
    needs_gpu: bool = False

    def runs(self, size: Size) -> tuple[str, ...]:
        """The arguments of each run of a size, as they are typed."""
        return {"full": self.full, "quick": self.quick, "least": self.least}[size]


PARTS: dict[str, Part] = {
    "training_step": Part(
        title="One update of D and of G",
        full=(
            "--side 8 --width 16 --updates 20 --compile",
            "--side 32 --width 16 --compile",
            "--side 32 --width 64",
            "--networks wgan_gp --side 32 --width 16",
            "--networks characters --width 128",
        ),
        quick=("--side 8 --width 16 --updates 10", "--networks wgan_gp --side 8 --width 8"),
        least=(
            "--side 8 --width 2 --batch 4 --updates 1 --rounds 2",
            "--networks wgan_gp --side 8 --width 2 --batch 4 --updates 1 --rounds 2",
            "--networks characters --width 4 --batch 4 --updates 1 --rounds 2",
        ),
    ),
    "frechet": Part(
        title="One Fréchet distance",
        full=("",),
        quick=("--features 512 --samples 500 2000 --real 2000",),
        least=("--features 16 --samples 8 40 --real 50",),
    ),
    "fid": Part(
        title="A whole FID",
        full=("--images 1000",),
        quick=("--images 32 --rounds 1",),
        least=("--images 2 --rounds 1 --untimed",),
    ),
    "ngrams": Part(
        title="Counting n-grams", full=("",), quick=("--lines 5000",), least=("--lines 700",)
    ),
    "shared_images": Part(
        title="Memory of several trials on the same images",
        full=("",),
        quick=("--images 5000 --processes 3",),
        least=("--images 200 --processes 2",),
    ),
    "overhead": Part(
        title="Trials that cost nothing",
        full=("",),
        quick=("--trials 10 --rounds 1",),
        least=("--trials 2 --rounds 1",),
        starts_ray=True,
    ),
    "launching": Part(
        title="A launch, to its first training step",
        full=("",),
        quick=("--rounds 1",),
        least=("--rounds 1 --recipe saddle",),
        starts_ray=True,
    ),
    "inside_ray": Part(
        title="A trial inside a launch and in a bare loop",
        full=("", "--side 32 --steps 500"),
        quick=("--rounds 1 --steps 1000",),
        least=("--rounds 1 --steps 20 --evaluations 2",),
        starts_ray=True,
    ),
    "slots": Part(
        title="Slots that are busy",
        full=("", "--session 20", "--slots 64 --each 3"),
        quick=("--slots 4 --seconds 10 --each 3",),
        least=("--slots 2 --seconds 1 --each 2 --session 2",),
        starts_ray=True,
    ),
    "scale": Part(
        title="A study of many trials",
        full=("",),
        quick=("--trials 40",),
        least=("--trials 20",),
        starts_ray=True,
    ),
    "search": Part(
        title="How soon a search comes near the best",
        full=("",),
        quick=("digits bowl --studies 2 --trials 10",),
        least=("digits --studies 1 --trials 6 --only random",),
    ),
    "stopping": Part(
        title="What stopping early saves, and how often it stops the winner",
        full=("--sampler random",),
        quick=("digits bowl --studies 4 --sampler random",),
        least=("bowl --studies 1 --trials 8 --sampler random --only ahead",),
    ),
    "answers": Part(
        title="Answers to studies with a known truth",
        full=("",),
        quick=("--studies 2 --trials 8 --only bowl flat",),
        least=("--studies 1 --trials 6 --only bowl",),
    ),
    "confirmed": Part(
        title="Confirmed verdicts of studies with a known truth",
        full=("",),
        quick=("--studies 2 --trials 8 --only bowl flat",),
        least=("--studies 1 --trials 6 --only bowl",),
    ),
    "disturbance": Part(
        title="The paper's disturbance test",
        full=("",),
        quick=("--samples 200 --limit 400",),
        least=("--samples 20 --limit 40",),
    ),
    "gpu": Part(
        title="Training on a GPU",
        full=("",),
        quick=("--seconds 20 --images 1000",),
        least=("--seconds 1 --images 100",),
        needs_gpu=True,
    ),
}
"""Every script that measures something, in the order of the results."""

_HEADING = re.compile(r"^## .*\(`benchmarks\.(\w+)`\)$", re.MULTILINE)


def machine() -> str:
    """The machine in words: processor, cores, memory, accelerator, what else it does."""
    processor = platform.processor() or platform.machine()
    try:
        found = re.search(
            r"^model name\s*:\s*(.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE
        )
        processor = found[1] if found else processor
    except OSError:  # no Linux
        pass
    memory = psutil.virtual_memory().total / 2**30
    words = [
        f"{processor}, {os.cpu_count()} cores, {memory:.0f} GiB",
        f"load {os.getloadavg()[0]:.1f}",
    ]
    if device := accelerator():
        words.append(device)
    return ", ".join(words)


def accelerator() -> str | None:
    """The name of the accelerator that torch sees; None without one."""
    import torch

    if not torch.accelerator.is_available():
        return None
    return (
        torch.cuda.get_device_name()
        if torch.cuda.is_available()
        else str(torch.accelerator.current_accelerator())
    )


def versions() -> str:
    """Python and the libraries that are compared."""
    found = {}
    for name in SHOWN:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return ", ".join(
        [f"Python {platform.python_version()}", *(f"{n} {v}" for n, v in found.items())]
    )


def section(name: str, part: Part, size: Size) -> tuple[str, bool]:
    """Runs a script; returns its section, and whether it ran through."""
    lines, whole = [f"## {part.title} (`benchmarks.{name}`)", ""], True
    lines += [f"{datetime.date.today()}, {machine()}; {versions()}.", ""]
    for arguments in part.runs(size):
        began, command = (
            time.monotonic(),
            [sys.executable, "-m", f"benchmarks.{name}", *arguments.split()],
        )
        ran = subprocess.run(
            command,
            cwd=HERE.parent,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        lines.append(f"    $ python -m benchmarks.{name} {arguments}".rstrip())
        lines += [f"    {line}".rstrip() for line in ran.stdout.rstrip().splitlines()]
        if ran.returncode:
            whole = False
            last = (ran.stderr.strip().splitlines() or ["no reason"])[-1]
            lines.append(f"    failed with exit code {ran.returncode}: {last}")
        lines += [f"    ({time.monotonic() - began:.0f} s)", ""]
    return "\n".join(lines), whole


def sections_of(text: str) -> Iterator[tuple[str, str]]:
    """The sections of a file of results by the script that each is of, and what stands above (``""``)."""
    starts = [(match.start(), match[1]) for match in _HEADING.finditer(text)]
    yield "", text[: starts[0][0]] if starts else text
    for (start, name), end in zip(starts, [*(s for s, _ in starts[1:]), len(text)], strict=False):
        yield name, text[start:end]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes: minutes, not hours")
    parser.add_argument("--least", action="store_true", help="only whether each script works")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), metavar="SCRIPT")
    parser.add_argument("--output", type=Path, default=HERE / "RESULTS.md")
    given = parser.parse_args()
    size: Size = "least" if given.least else "quick" if given.quick else "full"
    before = given.output.read_text(encoding="utf-8") if given.output.is_file() else "# Results\n\n"
    found, failed = dict(sections_of(before)), []
    for name in given.only:
        part = PARTS[name]
        if part.needs_gpu and accelerator() is None:
            print(
                f"{name}: not measured: this machine has no accelerator that torch sees", flush=True
            )
            found.setdefault(name, f"## {part.title} (`benchmarks.{name}`)\n\nNot measured.\n")
            continue
        found[name], whole = section(name, part, size)
        failed += [] if whole else [name]
        print(found[name], flush=True)
        order = sorted(found, key=lambda each: [*PARTS].index(each) if each in PARTS else -1)
        given.output.parent.mkdir(parents=True, exist_ok=True)
        text = "\n\n".join(found[each].strip() for each in order) + "\n"
        given.output.write_text(text, encoding="utf-8")
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
