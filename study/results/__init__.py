"""The answers that a table of trials gives: pure functions of its rows, and text made of them."""
