"""One launch from beginning to end: prepare, run, publish, confirm, stop."""
