"""One surface of the score over the plane on which all arms search."""
