"""Trials on processes: the only room that knows Ray."""
