"""The answers that a table of trials gives: pure functions of its rows, and the pages made of them."""
