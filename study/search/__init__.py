"""The search: what is tried next, and when a trial ends."""
