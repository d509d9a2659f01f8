"""The command line: the only room that knows click."""

from study.cli.main import cli as cli
from study.cli.main import main as main
