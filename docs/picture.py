"""Makes docs/report.png from a report (chromium): python docs/picture.py quickstart-report/report.html."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

WIDTH, HEIGHT = 1120, 1560
"""Pixels: the answer and the plane."""


def main(page: Path) -> None:
    """Takes the picture of a page in light colours."""
    picture = Path(__file__).with_name("report.png")
    with tempfile.TemporaryDirectory() as folder:
        taken = Path(folder) / "page.png"
        command = ["chromium", "--headless=new", "--no-sandbox", "--hide-scrollbars"]
        command += [f"--window-size={WIDTH},{HEIGHT}", "--virtual-time-budget=30000"]
        command += [f"--screenshot={taken}", page.resolve().as_uri()]
        subprocess.run(command, check=True, timeout=300)
        with Image.open(taken) as whole:
            whole.convert("RGB").save(picture, optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
