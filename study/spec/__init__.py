"""What is asked: the models of a spec, how one is read, and what a study may change."""
