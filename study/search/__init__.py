"""What is tried next, and when a trial ends."""
