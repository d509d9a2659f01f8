"""``python -m study.cli`` is the command ``ttur``."""

from study.cli import main

main()
