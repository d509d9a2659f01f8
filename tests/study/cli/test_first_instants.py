"""A signal while ``ttur`` imports what it needs: one sentence, and nothing of Python's own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from study.ground.signals import words


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize(
    "start", [("-m", "study.cli"), ("-c", "from study.cli import main; main()")]
)
def test_a_signal_while_things_are_imported_ends_it_in_one_sentence(
    tmp_path: Path, number: signal.Signals, start: tuple[str, str]
) -> None:
    """The first thing that is imported outside of the product sends it."""
    (tmp_path / "click.py").write_text(f"import os\nos.kill(os.getpid(), {int(number)})\n")
    roots = [str(tmp_path), str(Path(__file__).parents[3])]
    done = subprocess.run(
        [sys.executable, *start, "launch"],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(roots)},
        capture_output=True,
        text=True,
        timeout=120,
        # A shell's & and nohup leave them ignored, which Python heeds.
        preexec_fn=lambda: [signal.signal(n, signal.SIG_DFL) for n in (2, 1)] and None,
    )
    assert (done.returncode, done.stdout) == (128 + number, "")
    assert done.stderr == f"ttur: {words(number)}\n"
