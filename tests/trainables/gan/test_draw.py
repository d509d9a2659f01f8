"""Another draw of z: other samples are scored, and nothing else of a trial changes."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.trials import played, small_config, small_trial

from trainables.kinds import build_trial
from trainables.protocol import Context, Parameters


@pytest.mark.parametrize("kind", ["gan", "language"])
def test_another_draw_scores_other_samples_of_the_same_generators(
    kind: str, tmp_path: Path
) -> None:
    config = small_config(kind, tmp_path)
    config = {**config, "score": {**config["score"], "draw": 1000}}
    parameters = Parameters(b=2e-3, a=1e-3, d_steps=2)
    context = Context(seed=3, cache=str(tmp_path / "cache"))
    searched, confirmed = small_trial(kind, tmp_path), build_trial(config, parameters, context)
    assert searched.score_name == confirmed.score_name
    one, two = played(searched), played(confirmed)
    assert [m.step for m in one] == [m.step for m in two]
    assert any(first.score != second.score for first, second in zip(one, two, strict=True))
    for name in ("d_loss", "g_loss"):
        if name in one[-1].metrics:
            assert [m.metrics[name] for m in one] == [m.metrics[name] for m in two]
    assert searched.artifacts().keys() == confirmed.artifacts().keys()
    images = "samples.png" if kind == "gan" else "samples.txt"
    assert searched.artifacts()[images] == confirmed.artifacts()[images]
