"""A study from Python: it is launched, its trials are asked for as a table, and it answers."""

from __future__ import annotations

import study

CHANGES = [
    "name=from-python",
    "trial.steps=500",
    "arms.one_timescale.trials=4",
    "arms.two_timescale.trials=4",
]


def main() -> None:
    """Launches a short form of the recipe `saddle`."""
    spec = study.read_spec("saddle", CHANGES)
    result = study.launch(spec)
    print(f"{spec.name}: {result.ran} trials ended; lower {spec.score_name} is better")
    table = study.trials(spec.name, where="b < 5e-2", sort="score")
    print(table[["arm", "number", "b", "a", "d_steps", "score"]].head().to_string(index=False))
    for verdict in study.compare(spec.name).verdicts:
        print(verdict)


if __name__ == "__main__":
    main()
