"""Every recipe is a valid study with a complete card, and says of itself what it is."""

from __future__ import annotations

from functools import lru_cache

import pytest

from search_spaces import points
from study.errors import UserError
from study.spec.model import Spec
from study.spec.reader import mapping, parse_spec, parse_yaml
from study.spec.recipes import load_recipe, recipe_names, recipe_text, recipes

NAMES = recipe_names()

PUBLISHED = {
    "dcgan-celeba": ("dcgan", "celeba"),
    "dcgan-cifar10": ("dcgan", "cifar10"),
    "dcgan-lsun": ("dcgan", "lsun"),
    "dcgan-svhn": ("dcgan", "svhn"),
    "wgan-gp-cifar10": ("wgan-gp", "cifar10"),
    "wgan-gp-billion-words": ("wgan-gp", "billion-words"),
    "wgan-gp-cifar10-cpu": ("wgan-gp", "cifar10"),
    "dcgan-cifar10-cpu": ("dcgan", "cifar10"),
    "wgan-gp-lsun": ("wgan-gp", "lsun"),
    "saddle": ("saddle", "saddle"),
}
"""Recipes that begin with the points of a row of the paper."""


@lru_cache
def spec_of(name: str) -> Spec:
    return parse_spec(mapping(parse_yaml(recipe_text(name), name), name))


@pytest.mark.parametrize("name", NAMES)
def test_every_recipe_is_a_valid_study_of_its_own_name(name: str) -> None:
    spec = spec_of(name)
    assert spec.name == name
    assert spec.score_name


@pytest.mark.parametrize("name", NAMES)
def test_every_card_is_complete_and_gives_the_command_that_runs_it(name: str) -> None:
    card = load_recipe(name).card
    for field, value in card:
        assert value.strip(), f"the card of {name} has no {field}"
        assert "\n" not in value
    assert card.question.endswith("?")
    assert card.command == f"ttur launch {name}"
    assert recipe_text(name).startswith("card:\n")


@pytest.mark.parametrize("name", NAMES)
def test_both_arms_have_the_same_budget_and_the_same_range_of_b(name: str) -> None:
    arms = spec_of(name).arms
    assert set(arms) == {"one_timescale", "two_timescale"}
    one, two = arms["one_timescale"], arms["two_timescale"]
    assert one.trials == two.trials
    assert one.build().bounds("b") == two.build().bounds("b")


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_papers_points_are_tried_first(name: str) -> None:
    arms = spec_of(name).arms
    for arm, samples in points(*PUBLISHED[name]).items():
        assert arms[arm].points[: len(samples)] == samples


@pytest.mark.parametrize("name", [name for name in PUBLISHED if not name.endswith("-cpu")])
def test_full_recipes_also_try_the_other_plotted_rates(name: str) -> None:
    """Those for CPUs have too few trials for rates that need 70,000 updates and more."""
    arms = spec_of(name).arms
    for arm, samples in points(*PUBLISHED[name], plotted=True).items():
        assert arms[arm].points[: len(samples)] == samples


def test_the_quickstart_asks_what_it_promises() -> None:
    spec = spec_of("quickstart")
    assert spec.trial["data"]["name"] == "digits"
    for arm in spec.arms.values():
        assert arm.trials >= 8
        space = arm.build()
        assert space.bounds("d_steps") == (1, 5)
        for rate in ("b", "a"):
            low, high = space.bounds(rate)
            assert high / low >= 99.99


def test_recipes_are_listed_with_their_cards() -> None:
    listed = recipes()
    assert [recipe.name for recipe in listed] == NAMES
    assert {"quickstart", "saddle"} <= set(NAMES)


def test_an_unknown_recipe_is_refused_with_similar_names() -> None:
    with pytest.raises(UserError, match="there is no recipe 'quikstart'; did you mean quickstart"):
        recipe_text("quikstart")
    with pytest.raises(UserError, match="see `ttur recipes`"):
        recipe_text("../../pyproject")
