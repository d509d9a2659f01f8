"""``python -m study.cli`` is the command ``ttur``."""

from study.cli.main import main

main()
