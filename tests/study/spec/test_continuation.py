from __future__ import annotations

from typing import Any

import pytest
from support.study import saddle_spec

from study.errors import UserError
from study.spec.continuation import check_continues, continued, differences, seeds_asked
from study.spec.model import Spec
from study.spec.parts import Confirm
from study.spec.reader import parse_stored, set_fields

OLD = Spec.model_validate(saddle_spec(trials=4))
ASKED = {"one_timescale": 4, "two_timescale": 2}


def changed(*assignments: str, **data: Any) -> Spec:
    return Spec.model_validate(set_fields({**saddle_spec(trials=4), **data}, assignments))


@pytest.mark.parametrize(
    "assignment",
    [
        "arms.one_timescale.trials=9",
        "arms.two_timescale.trials=2",
        "resources.cpus=1",
        "stopping.patience=1",
        "storage.checkpoints=/elsewhere",
        "confirm.seeds=3",
        "card={question: Why so}",
        "arms.two_timescale.a=[1.0e-5, 1.0e-1]",
        "arms.third={space: one_timescale, trials: 1, b: [1.0e-4, 1.0e-2]}",
    ],
)
def test_what_does_not_change_a_score_may_change(assignment: str) -> None:
    check_continues(OLD, changed(assignment), ASKED)


@pytest.mark.parametrize(
    ("assignment", "words"),
    [
        ("trial.steps=80", "trial.steps was 40 and is 80"),
        ("trial.noise=0.5", "trial.noise was 1.0 and is 0.5"),
        ("search.seed=2", "search.seed was 1 and is 2"),
        ("search.sampler=tpe", "search.sampler was 'random' and is 'tpe'"),
        ("arms.two_timescale.a=[1.0e-3, 1.0e-2]", "arms.two_timescale: a"),
        ("arms.two_timescale.d_steps=[1, 2, 5]", "arms.two_timescale: d_steps"),
    ],
)
def test_what_changes_a_score_is_refused_with_the_field(assignment: str, words: str) -> None:
    with pytest.raises(UserError) as caught:
        check_continues(OLD, changed(assignment), ASKED)
    assert words in str(caught.value)
    assert ("Scores would not be comparable" in str(caught.value)) is not words.startswith("arms")
    assert "give the study a new name (--name)" in str(caught.value)


def test_an_arm_does_not_go_away() -> None:
    arms = {"two_timescale": saddle_spec(trials=4)["arms"]["two_timescale"]}
    with pytest.raises(UserError, match=r"arms\.one_timescale is gone"):
        check_continues(OLD, changed(arms=arms), ASKED)


def test_a_smaller_budget_in_the_file_takes_nothing_back() -> None:
    new = changed("arms.one_timescale.trials=2", "arms.two_timescale.trials=9")
    spec, said = continued(OLD, new, ASKED)
    assert {name: arm.trials for name, arm in spec.arms.items()} == {
        "one_timescale": 4,
        "two_timescale": 9,
    }
    assert said == (
        "arms.one_timescale.trials is 2 here and 4 in the record; a budget only grows, so that of "
        "the record counts"
    )
    assert continued(OLD, OLD, ASKED) == (OLD, "")


def test_a_budget_is_never_below_the_trials_there_are() -> None:
    spec, said = continued(OLD, OLD, {"one_timescale": 6, "two_timescale": 2})
    assert spec.arms["one_timescale"].trials == 6
    assert "is 4 here and 6 in the record" in said


def grid(values: list[float], trials: int) -> Spec:
    arm = saddle_spec(trials=trials)["arms"]["one_timescale"]
    arms = {"one": {**arm, "grid": {"b": values, "d_steps": [1]}}}
    return changed(arms=arms, search={"sampler": "grid"})


def test_a_grid_stays_as_soon_as_a_point_of_it_was_tried() -> None:
    old, new = grid([1e-3, 1e-4], 2), grid([1e-4, 1e-3, 1e-2], 3)
    with pytest.raises(UserError, match=r"arms\.one\.grid was .* with 1 trial of it there"):
        continued(old, new, {"one": 1})
    assert continued(old, new, {"one": 0})[0] == new
    assert continued(new, old, {"one": 0})[0] == old
    assert continued(old, grid([1e-3, 1e-4], 1), {"one": 1})[0] == old


def test_every_reason_is_given_at_once() -> None:
    with pytest.raises(UserError, match=r"trial\.noise .*; trial\.steps "):
        check_continues(OLD, changed("trial.steps=80", "trial.noise=2.0"), ASKED)


def test_differences_are_dotted_paths() -> None:
    old = {"a": 1, "b": {"c": 2, "d": [1, 2]}, "e": None}
    new = {"a": 1, "b": {"c": 3, "d": [1, 2, 3]}, "f": 4}
    assert list(differences(old, new)) == [
        ("b.c", 2, 3),
        ("b.d", [1, 2], [1, 2, 3]),
        ("f", None, 4),
    ]
    assert list(differences(old, old)) == []


def stored(**confirm: Any) -> Spec:
    """A spec as the record has it, in which these fields of ``confirm`` were written."""
    data = OLD.model_dump(mode="json")
    return parse_stored({**data, "confirm": confirm})


def test_a_study_of_before_is_not_confirmed_unless_it_is_asked_for() -> None:
    old = stored(finalists=1, seeds=8, samples=None)
    assert old.confirm.when == "never"
    unsaid = changed()
    unsaid = unsaid.model_copy(update={"confirm": Confirm()})
    assert unsaid.confirm.when == "end"
    going_on, _ = continued(old, unsaid, ASKED)
    assert going_on.confirm == old.confirm
    asked, _ = continued(old, changed("confirm.when=end"), ASKED)
    assert (asked.confirm.when, asked.confirm.seeds) == ("end", 8)


def test_a_new_study_is_confirmed() -> None:
    data = saddle_spec()
    del data["confirm"]
    spec = Spec.model_validate(data)
    assert (spec.confirm.when, spec.confirm.finalists, spec.confirm.seeds) == ("end", 2, 4)
    assert parse_stored(spec.model_dump(mode="json")).confirm == spec.confirm


@pytest.mark.parametrize(("seeds", "asked"), [(None, 4), ("4", 4), ("9", 9), ("+4", 8)])
def test_seeds_are_asked_for_in_all_or_as_more(seeds: str | None, asked: int) -> None:
    assert seeds_asked(seeds, 4) == asked


@pytest.mark.parametrize(
    ("seeds", "words"),
    [
        ("four", "--seeds 'four' is not a number of seeds; write 8 (in all) or +4 (more)"),
        ("+0", "is not a number of seeds"),
        ("-1", "is not a number of seeds"),
        ("2", "--seeds 2: finalists have 4 seeds already; they can only grow"),
    ],
)
def test_seeds_that_cannot_be_are_refused(seeds: str, words: str) -> None:
    with pytest.raises(UserError) as caught:
        seeds_asked(seeds, 4)
    assert words in str(caught.value)


def test_a_study_of_before_goes_on_with_the_side_that_it_did_not_state() -> None:
    """The record holds null, which meant 64; the spec file that is launched again says nothing."""
    said = {
        "kind": "gan",
        "data": "cifar10",
        "steps": 40,
        "evaluate_every": 10,
        "score": {"extractor": "efficientnet_lite0"},
    }
    fresh = changed(trial=said)
    stored = fresh.model_dump(mode="json")
    stored["trial"]["score"]["input_size"] = None
    old = parse_stored(stored)
    assert old.score_name == "fd_efficientnet_lite0_64px_1k_train"
    assert fresh.score_name == "fd_efficientnet_lite0_48px_1k_train"
    assert continued(old, fresh, ASKED)[0].score_name == old.score_name
    assert continued(fresh, fresh, ASKED)[0] == fresh
    with pytest.raises(UserError, match=r"trial\.score\.input_size was 64 and is 48"):
        continued(old, changed("trial.score.input_size=48", trial=said), ASKED)
    with pytest.raises(UserError, match=r"trial\.score"):
        continued(old, changed(trial={**said, "data": "mnist", "score": {}}), ASKED)


def test_a_spec_that_does_not_name_a_sampler_goes_on_with_that_of_the_record() -> None:
    """The default was tpe; a file that never named it must not be refused because the default changed."""
    data = saddle_spec(trials=4)
    old = Spec.model_validate({**data, "search": {"sampler": "tpe", "seed": 1}})
    silent, _ = continued(old, Spec.model_validate({**data, "search": {"seed": 1}}), ASKED)
    assert (silent.search.sampler, silent.search.startup) == ("tpe", 5)
    with pytest.raises(UserError, match=r"search\.sampler was 'tpe' and is 'random'"):
        continued(old, Spec.model_validate(data), ASKED)
    with pytest.raises(UserError, match=r"search\.seed was 1 and is 2"):
        continued(old, Spec.model_validate({**data, "search": {"seed": 2}}), ASKED)


def test_a_study_goes_on_stopping_as_it_began_in_all_that_its_spec_does_not_say() -> None:
    data = {key: value for key, value in saddle_spec(trials=4).items() if key != "stopping"}
    began = {"rule": "rising", "warmup": 2, "patience": 3, "chance": 0.3}
    old = Spec.model_validate({**data, "stopping": began})
    silent, _ = continued(old, Spec.model_validate(data), ASKED)
    assert silent.stopping == old.stopping
    said = Spec.model_validate({**data, "stopping": {"rule": "ahead", "patience": 1}})
    stopping = continued(old, said, ASKED)[0].stopping
    assert (stopping.rule, stopping.patience, stopping.warmup) == ("ahead", 1, 2)


def test_a_record_from_before_curves_were_looked_ahead_along_goes_on_without() -> None:
    """Its stopping as it was stored then: with the rule, and no chance."""
    data = {key: value for key, value in saddle_spec(trials=4).items() if key != "stopping"}
    stored = {"rule": "rising", "warmup": 2, "patience": 3, "min_delta": 1.0, "collapse": 10.0}
    old = Spec.model_validate({**data, "stopping": {**stored, "pruner": None}})
    new = Spec.model_validate({**data, "stopping": {"patience": 5}})
    assert (new.stopping.rule, new.stopping.limit) == ("ahead", 0.005)
    stopping = continued(old, new, ASKED)[0].stopping
    assert (stopping.rule, stopping.warmup, stopping.patience) == ("rising", 2, 5)


def test_a_record_that_looks_ahead_goes_on_so_until_its_spec_says_another_rule() -> None:
    data = {key: value for key, value in saddle_spec(trials=4).items() if key != "stopping"}
    stored = {"rule": "ahead", "chance": 0.005, "warmup": None, "patience": None, "pruner": None}
    old = Spec.model_validate({**data, "stopping": stored})
    stopping = continued(old, Spec.model_validate(data), ASKED)[0].stopping
    assert (stopping.rule, stopping.limit) == ("ahead", 0.005)
    said = Spec.model_validate({**data, "stopping": {"rule": "worth", "chance": 0.1}})
    assert continued(old, said, ASKED)[0].stopping.limit == 0.1


def test_what_only_costs_depend_on_may_change_in_a_study() -> None:
    trial = {
        "kind": "gan",
        "data": "digits",
        "steps": 4,
        "evaluate_every": 2,
        "score": {"extractor": "digits", "samples": 16},
    }
    old = changed("stopping.patience=1", trial=trial)
    for said in ("true", "false"):
        new = changed(f"trial.cuda_graphs={said}", trial=trial)
        check_continues(old, new, {})
        check_continues(new, old, {})
        assert continued(old, new, {})[0].trial["cuda_graphs"] is (said == "true")
    with pytest.raises(UserError, match=r"trial\.deterministic was True and is False"):
        check_continues(old, changed("trial.deterministic=false", trial=trial), {})
