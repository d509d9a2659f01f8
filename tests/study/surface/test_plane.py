"""The plane's coordinates and the arms' regions, worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from study.surface.observations import Array
from study.surface.plane import Axis, Plane, Region, axis, regions
from study.trial import TrialRecord
from trainables.protocol import Parameters, ParameterValue

HALF = 1 / math.sqrt(2)


def trial(
    b: float, a: float, d_steps: int = 1, /, arm: str = "x", **further: ParameterValue
) -> TrialRecord:
    parameters = Parameters(b=b, a=a, d_steps=d_steps, further=further)
    return TrialRecord(study="s", arm=arm, number=0, parameters=parameters)


def test_an_axis_is_logarithmic_from_one_decade_on_and_for_rates_always() -> None:
    assert axis("b", [1e-3, 1e-3]) is None
    assert axis("b", [2e-3, 1e-3]) == Axis(name="b", low=1e-3, high=2e-3, log=True)
    assert axis("a", [1e-3, 2e-3]) == Axis(name="a", low=1e-3, high=2e-3, log=True)
    assert axis("weight", [1.0, 9.9]) == Axis(name="weight", low=1.0, high=9.9)
    assert axis("weight", [10.0, 1.0]) == Axis(name="weight", low=1.0, high=10.0, log=True)
    assert axis("weight", [0.0, 5.0]) == Axis(name="weight", low=0.0, high=5.0)
    assert axis("a", [-1.0, 1e-3]) == Axis(name="a", low=-1.0, high=1e-3)
    assert axis("width", [4, 8]) == Axis(name="width", low=4.0, high=8.0, whole=True)
    assert axis("width", [4, 8.5]) == Axis(name="width", low=4.0, high=8.5)
    assert axis("d_steps", [1, 2]) == Axis(name="d_steps", low=1.0, high=2.0, log=True, whole=True)


@pytest.mark.parametrize(
    ("values", "choices"),
    [
        (["b", "a", "b"], ("a", "b")),
        ([True, False], (False, True)),
        ([3, "x"], (3, "x")),
        ([None, 0.5], (0.5, None)),
    ],
)
def test_what_is_not_a_number_is_a_choice(
    values: list[ParameterValue], choices: tuple[ParameterValue, ...]
) -> None:
    assert axis("it", values) == Axis(name="it", choices=choices)


def test_coordinates_there_and_back() -> None:
    rate = Axis(name="b", low=1e-4, high=1e-2, log=True)
    assert rate.encode([1e-4, 1e-3, 1e-2]).tolist() == pytest.approx(
        np.array([[0.0], [0.5], [1.0]])
    )
    assert rate.decode(np.array([0.25])) == pytest.approx(10**-3.5)
    weight = Axis(name="weight", low=1.0, high=5.0)
    assert weight.encode([2.0]).tolist() == [[0.25]]
    assert weight.decode(np.array([0.75])) == pytest.approx(4.0)
    width = Axis(name="width", low=1.0, high=16.0, log=True, whole=True)
    assert width.encode([4]).tolist() == pytest.approx(np.array([[0.5]]))
    assert (width.decode(np.array([0.52])), type(width.decode(np.array([0.52])))) == (4, int)
    choice = Axis(name="loss", choices=("h", "w", "z"))
    assert choice.encode(["w", "h"]) == pytest.approx(np.array([[0, HALF, 0], [HALF, 0, 0]]))
    assert choice.decode(np.array([0.1, 0.2, 0.15])) == "w"
    one, two = choice.encode(["h", "z"])
    assert np.linalg.norm(one - two) == pytest.approx(1.0)


def test_a_plane_holds_what_varies_and_knows_the_rest() -> None:
    rows = [trial(1e-4, 1e-3, 2, loss="h"), trial(1e-2, 1e-3, 2, loss="w")]
    plane = Plane(rows)
    assert plane.common
    assert [known.name for known in plane.axes] == ["b", "loss"]
    assert plane.lengths.tolist() == [0, 1, 1]
    points = plane.points(rows)
    assert points == pytest.approx(np.array([[0, HALF, 0], [1, 0, HALF]]))
    found = plane.setting(points[1], ("b", "a", "d_steps", "loss"))
    assert found == {"b": pytest.approx(1e-2), "a": 1e-3, "d_steps": 2, "loss": "w"}


def test_trials_with_other_parameters_are_apart_and_what_they_lack_is_in_the_middle() -> None:
    rows = [trial(1e-4, 1e-3), trial(1e-3, 1e-3, width=2.0), trial(1e-2, 1e-3, width=4.0)]
    plane = Plane(rows)
    assert not plane.common
    assert [known.name for known in plane.axes] == ["b", "its parameters", "width"]
    assert plane.lengths.tolist() == [0, 1, 1, 2]
    expected = [[0, HALF, 0, 0.5], [0.5, 0, HALF, 0], [1, 0, HALF, 1]]
    assert plane.points(rows) == pytest.approx(np.array(expected))
    alone = Plane([trial(1e-3, 1e-3)])
    assert alone.points([trial(1e-3, 1e-3)]).shape == (1, 0)


def test_a_choice_that_a_trial_lacks_is_no_choice_s_corner() -> None:
    rows = [trial(1e-3, 1e-3), trial(1e-3, 1e-3, loss="h"), trial(1e-3, 1e-3, loss="w")]
    plane = Plane(rows)
    assert [known.name for known in plane.axes] == ["its parameters", "loss"]
    assert plane.points(rows)[0] == pytest.approx([HALF, 0, 0, 0])


def grid() -> tuple[Plane, list[TrialRecord]]:
    """Rates of a decade each way, and 1 or 3 steps of D that go with a loss."""
    rows = [
        trial(10**x, 10**y, steps, loss=loss)
        for x in (-4.0, -3.5, -3.0)
        for y in (-4.0, -3.0)
        for steps, loss in ((1, "h"), (3, "w"))
    ]
    return Plane(rows), rows


def test_a_region_is_the_box_of_the_rates_with_the_choices_that_were_tried() -> None:
    plane, rows = grid()
    points = plane.points(rows)
    region = Region(plane, points, points.min(0), points.max(0))
    made = region.sample(300, np.random.default_rng(0))
    assert made.shape == (300, 5)
    assert ((made[:, :2] >= 0) & (made[:, :2] <= 1)).all()
    assert np.histogram(made[:, 0], bins=4, range=(0, 1))[0].min() > 40
    assert np.histogram(made[:, 1], bins=4, range=(0, 1))[0].min() > 40
    kinds = {tuple(row) for row in made[:, 2:].round(6)}
    corners = [(round(HALF, 6), 0.0), (0.0, round(HALF, 6))]
    assert kinds == {(step, *corner) for step in (0.0, 1.0) for corner in corners}
    assert region.contains(made).all()
    for wrong in ({0: 1.01}, {1: -0.01}, {2: 0.5}, {3: 0.1}):
        outside = made[:1].copy()
        for where, value in wrong.items():
            outside[0, where] = value
        assert not region.contains(outside).any(), wrong


def test_a_region_around_points_is_beside_them_and_inside() -> None:
    plane, rows = grid()
    points = plane.points(rows)
    region = Region(plane, points, points.min(0), points.max(0))
    centre = np.tile(points.mean(0), (2000, 1))
    centre[:, :2] = (0.4, 0.6)
    made = region.around(centre, 0.05, np.random.default_rng(1))
    assert made[:, :2].mean(0) == pytest.approx([0.4, 0.6], abs=0.01)
    assert made[:, :2].std(0) == pytest.approx([0.05, 0.05], rel=0.1)
    edge = np.tile(points.min(0), (2000, 1))
    kept = region.around(edge, 0.05, np.random.default_rng(2))
    assert len(kept) == pytest.approx(500, abs=80)  # a quarter of the normal law lies inside
    assert region.contains(kept).all()


def test_fewer_trials_than_rates_span_what_lies_between_them() -> None:
    rows = [trial(1e-4, 1e-4, w=0.0), trial(1e-2, 1e-3, w=5.0), trial(1e-3, 1e-2, w=2.0)]
    plane = Plane(rows)
    points = plane.points(rows)
    made = Region(plane, points[:2], points.min(0), points.max(0)).sample(
        50, np.random.default_rng(5)
    )
    assert made.shape == (50, 3)
    along = (made - points[0]) / (points[1] - points[0])
    assert along[:, 0] == pytest.approx(along[:, 1])
    assert along[:, 0] == pytest.approx(along[:, 2])


def test_a_line_stays_a_line_where_points_off_it_are_given() -> None:
    rows = [trial(10**x, 10**x) for x in np.linspace(-4, -2, 9)]
    rows += [trial(1e-4, 1e-2, arm="y")]
    plane = Plane(rows)
    points = plane.points(rows)
    line = Region(plane, points[:9], points.min(0), points.max(0))
    made = line.around(np.tile([0.3, 0.5], (500, 1)), 0.02, np.random.default_rng(3))
    assert made[:, 0] == pytest.approx(made[:, 1])
    assert made[:, 0].mean() == pytest.approx(0.4, abs=0.01)  # the foot of the perpendicular
    assert made[:, 0].std() == pytest.approx(0.02 / math.sqrt(2), rel=0.15)
    spread = line.sample(400, np.random.default_rng(4))
    assert spread.shape == (400, 2)
    assert spread[:, 0] == pytest.approx(spread[:, 1])
    assert np.histogram(spread[:, 0], bins=4, range=(0, 1))[0].min() > 70


def slanted() -> tuple[Plane, Region]:
    """A line, y = 1/4 + x/2, from (0.1, 0.3) to (0.9, 0.7); the middle of its trials is (0.45, 0.475)."""
    plane = Plane([trial(1e-4, 1e-3, loss="h"), trial(1e-2, 1e-4, loss="w")])
    x = np.array([0.2, 0.3, 0.4, 0.9])
    points = np.column_stack([x, 0.25 + x / 2, *np.tile([[HALF], [0.0]], 4)])
    return plane, Region(plane, points, np.array([0.1, 0.3, 0, 0]), np.array([0.9, 0.7, 1, 1]))


def test_a_region_holds_its_ends_and_nothing_beside_it() -> None:
    _, line = slanted()
    held: list[tuple[tuple[float, ...], bool]] = [
        ((0.1, 0.3, HALF, 0), True),
        ((0.9, 0.7, HALF, 0), True),
        ((0.5, 0.5, HALF, 0), True),
        ((0.5, 0.5, 0, HALF), False),  # a choice that was not tried
        ((0.1 - 2e-8, 0.3 - 1e-8, HALF, 0), False),
        ((0.9 + 2e-8, 0.7 + 1e-8, HALF, 0), False),
        ((0.5 - 1e-6, 0.5 + 2e-6, HALF, 0), True),  # off the line by no more than rounding
        ((0.5 - 1e-4, 0.5 + 2e-4, HALF, 0), False),
        ((0.3, 0.3, HALF, 0), False),
    ]
    points = np.array([point for point, _ in held])
    assert line.contains(points).tolist() == [inside for _, inside in held]


def test_a_region_without_a_coordinate_is_one_point() -> None:
    rows = [trial(1e-3, 1e-3)] * 3
    plane = Plane(rows)
    (region,) = regions(plane, plane.points(rows), np.zeros(3, dtype=np.int64))
    assert region.contains(np.zeros((2, 0))).tolist() == [True, True]
    assert region.sample(5, np.random.default_rng(0)).shape == (5, 0)


def test_choices_are_drawn_alike_however_often_they_were_tried() -> None:
    rows = [trial(10**-x, 1e-3, d) for x, d in ((2.0, 1), (2.5, 1), (3.0, 1), (3.5, 1), (4.0, 3))]
    plane = Plane(rows)
    points = plane.points(rows)
    region = Region(plane, points, points.min(0), points.max(0))
    assert region.sample(900, np.random.default_rng(6))[:, 1].mean() == pytest.approx(0.5, abs=0.07)


@pytest.mark.parametrize(("off", "directions"), [(5e-7, 1), (2e-6, 2)])
def test_points_spread_in_a_direction_from_a_millionth_of_the_range_on(
    off: float, directions: int
) -> None:
    """By their standard deviation there, however many they are."""
    x = np.linspace(0, 1, 100)
    points = np.column_stack([x, 0.5 + off * np.resize([1, -1, -1, 1], 100)])
    plane = Plane([trial(1e-4, 1e-3), trial(1e-2, 1e-4)])
    region = Region(plane, points, points.min(0), points.max(0))
    assert region._directions.shape == (directions, 2)


class Noted(np.random.Generator):
    """Notes between which ends it draws how many numbers."""

    def uniform(self, low: Array, high: Array, size: tuple[int, int]) -> Array:  # type: ignore[override]
        self.noted = low, high, size
        return super().uniform(low, high, size)


def test_a_region_is_drawn_from_as_far_as_its_corners_reach() -> None:
    """On the line by (2, 1) / sqrt(5), to where it would meet the farthest corner of the box."""
    _, line = slanted()
    generator = Noted(np.random.PCG64(3))
    made = line.sample(25, generator)
    reach = (2 * 0.45 + 0.225) / math.sqrt(5)
    low, high, size = generator.noted
    assert (low, high) == (pytest.approx([-reach]), pytest.approx([reach]))
    assert size == (100, 1)
    assert made.shape == (25, 4)
    assert line.contains(made).all()


@pytest.mark.parametrize(
    ("count", "gap", "shared"),
    [(2, 0.7, True), (2, 0.8, False), (20, 0.25, True), (20, 0.27, False)],
)
def test_a_range_is_shared_if_chance_makes_such_a_gap(count: int, gap: float, shared: bool) -> None:
    """n trials miss a share g of the range with chance (1 - g)^n; 0.05^(1/2) = 0.22, 0.05^(1/10) = 0.74."""
    first = np.linspace(gap, 1.0, count)[:, None]
    points = np.concatenate([first, [[0.0], [1.0]]])
    groups = np.repeat([0, 1], [count, 2])
    plane = Plane([trial(1e-4, 1e-3), trial(1e-2, 1e-3)])
    for mirrored in (False, True):
        seen = 1 - points if mirrored else points
        region, _ = regions(plane, seen, groups)
        expected = 0.0 if shared else gap
        found = 1 - region._high[0] if mirrored else region._low[0]
        assert found == pytest.approx(expected)


def test_an_arm_that_does_not_move_keeps_its_value() -> None:
    points = np.array([[0.5], [0.5], [0.0], [1.0]])
    plane = Plane([trial(1e-4, 1e-3), trial(1e-2, 1e-3)])
    region, _ = regions(plane, points, np.array([0, 0, 1, 1]))
    assert (region._low[0], region._high[0]) == (0.5, 0.5)


@pytest.mark.parametrize("seed", range(4))
def test_each_coordinate_of_each_arm_has_a_range_of_its_own(seed: int) -> None:
    """By a loop over numbers; the coordinates have other scales, and one does not move in the second arm."""
    draw = np.random.default_rng(seed)
    points = draw.uniform(size=(21, 3)) * [1.0, 40.0, 1.0] + [0.0, 5.0, -3.0]
    groups = np.repeat([0, 1, 2], [4, 2, 15])
    points[groups == 0, :2] = points[groups == 0, :2] * 0.1 + points[:4, :2].mean(0)
    points[groups == 1, 2] = -2.5
    plane = Plane([trial(1e-4, 1e-3, w=0.0), trial(1e-2, 1e-4, w=1.0)])
    ends = set()
    for group, region in enumerate(regions(plane, points, groups)):
        for axis_ in range(3):
            everyone = points[:, axis_].tolist()
            mine = [p for p, g in zip(everyone, groups, strict=True) if g == group]
            least, most, low, high = min(mine), max(mine), min(everyone), max(everyone)
            gap = 1 - 0.05 ** (1 / min(len(mine), 10))
            shares = ((least - low) / (high - low), (high - most) / (high - low))
            taken = tuple(most > least and share < gap for share in shares)
            expected = (low if taken[0] else least, high if taken[1] else most)
            assert (region._low[axis_], region._high[axis_]) == expected
            ends.update(taken)
    assert ends == {True, False}
