"""Numbers of things are said as a person would."""

from __future__ import annotations

import pytest

from trainables.counting import counted, left_out_in_words


@pytest.mark.parametrize(
    ("what", "one"),
    [
        ("images", "1 image"),
        ("studies", "1 study"),
        ("ended trials", "1 ended trial"),
        (".docs files", "1 .docs file"),
        ("files without a suffix", "1 file without a suffix"),
        ("folders linked twice", "1 folder linked twice"),
        ("further pages or frames", "1 further page or frame"),
        ("class folders", "1 class folder"),
        ("GPUs", "1 GPU"),
        ("hidden", "1 hidden"),
        ("beyond data.limit", "1 beyond data.limit"),
    ],
)
def test_one_of_a_thing_is_said_in_the_singular_alone(what: str, one: str) -> None:
    assert counted(1, what) == one
    assert counted(2, what) == f"2 {what}"
    assert counted(0, what) == f"0 {what}"


def test_what_was_left_out_is_said_most_first() -> None:
    assert left_out_in_words({}) == ""
    assert left_out_in_words({"hidden": 0}) == ""
    said = left_out_in_words({".txt files": 1, ".csv files": 1, "hidden": 3})
    assert said == "3 hidden, 1 .csv file, 1 .txt file"
