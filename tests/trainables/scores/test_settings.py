"""Names of scores, and settings that make no sense."""

from typing import Any

import pytest

from trainables.kinds import (
    AnotherTrialError,
    as_stored,
    configuration_of,
    parse_settings,
    require_same,
)
from trainables.protocol import Parameters
from trainables.settings.data import DataSettings
from trainables.settings.extractors import EXTRACTORS
from trainables.settings.score import ScoreSettings, score_name


@pytest.mark.parametrize(
    ("data", "score", "name"),
    [
        ("digits", {}, "fd_digits_1k"),
        ("digits", {"samples": 1500}, "fd_digits_1500"),
        ("cifar10", {"extractor": "inception", "samples": 10_000}, "fid_10k_train"),
        (
            {"name": "svhn", "split": "test"},
            {"extractor": "inception", "samples": 50_000},
            "fid_50k_test",
        ),
        (
            "celeba",
            {"extractor": "efficientnet_lite0", "input_size": 96, "samples": 5000},
            "fd_efficientnet_lite0_96px_5k_train",
        ),
        ("./faces", {"extractor": "dinov2-vit-b-14"}, "fd_dinov2_vit_b_14_1k"),
        ("set.npz", {"extractor": "inception", "statistics": "s.npz"}, "fid_1k_given"),
        ({"path": "./faces", "size": 64}, {"extractor": "inception"}, "fid_1k_64px"),
        ({"path": "./faces", "size": 32}, {"extractor": "inception"}, "fid_1k_32px"),
        (
            {"path": "./faces", "size": 32, "fit": "squash", "split": "train"},
            {"extractor": "inception"},
            "fid_1k_train_32px_squash",
        ),
        (
            {"path": "./faces", "size": 64, "crop": 108},
            {"extractor": "inception", "statistics": "s.npz"},
            "fid_1k_given_64px_crop108",
        ),
        (
            {"path": "./faces", "channels": 1, "limit": 5000, "background": "#000000"},
            {"extractor": "inception"},
            "fid_1k_grey_of_5k_on_000000",
        ),
        ({"path": "s.npz", "range": [-1, 1]}, {"extractor": "inception"}, "fid_1k_range_-1_1"),
        # What is usual for a data set is not stated, whether it is said or not.
        ({"name": "cifar10", "size": 32}, {"extractor": "inception"}, "fid_1k_train"),
        ({"name": "cifar10", "size": 16}, {"extractor": "inception"}, "fid_1k_train_16px"),
        ({"name": "celeba", "crop": 108, "channels": 3}, {}, "fd_digits_1k_train"),
        ({"name": "celeba", "crop": 178}, {}, "fd_digits_1k_train_crop178"),
        ({"name": "mnist", "size": 32, "fit": "pad"}, {}, "fd_digits_1k_train"),
        ({"name": "mnist", "fit": "crop"}, {}, "fd_digits_1k_train_crop"),
        ({"name": "mnist", "channels": 3}, {}, "fd_digits_1k_train_rgb"),
        # A study that began when names did not state it.
        ({"path": "./faces", "size": 64, "limit": 9, "rules": 1}, {}, "fd_digits_1k"),
    ],
)
def test_name_states_the_protocol(data: object, score: dict[str, object], name: str) -> None:
    settings = ScoreSettings.model_validate(score)
    assert score_name(settings, DataSettings.model_validate(data)) == name


@pytest.mark.parametrize(
    ("score", "sentence"),
    [
        ({"input_size": 64}, "digits has a fixed input"),
        ({"weights": "w.pth"}, "takes no weights file"),
        ({"extractor": "inception", "weights_sha256": "0" * 64}, "without weights"),
        ({"noise_draws": 1}, "2 or more redraws"),
        ({"extractor": "vgg16", "extras": ["inception_score"]}, "has no logits"),
        ({"extras": ["kid"], "statistics": "s.npz"}, "remove one"),
        ({"extras": ["kid", "kid"]}, "once"),
        ({"extras": ["fid_inf"], "samples": 259}, r"features \(64\); set samples to 260 or more"),
        ({"extras": ["fid_inf"], "extractor": "inception", "samples": 8195}, "8196 or more"),
        ({"extractor": "resnet"}, "Input should be"),
        ({"samples": 1}, "greater than or equal to 8"),
    ],
)
def test_senseless_score_settings_are_refused(score: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        ScoreSettings.model_validate(score)


@pytest.mark.parametrize(
    ("extractor", "d"), [(name, row.features) for name, row in EXTRACTORS.items()]
)
def test_extrapolation_is_allowed_where_blocks_have_more_images_than_features(
    extractor: str, d: int
) -> None:
    score = {"extractor": extractor, "extras": ["fid_inf"], "samples": 4 * d + 4}
    assert ScoreSettings.model_validate(score).features == d
    with pytest.raises(ValueError, match=f"has features.*set samples to {4 * d + 4} or more"):
        ScoreSettings.model_validate({**score, "samples": 4 * d + 3})


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ("nowhere", r"not a known data set .* write data: \./nowhere \("),
        (
            {"name": "nowhere"},
            r"known data set .* write data: \./nowhere \(or, beside other keys, path: \./nowhere without",
        ),
        (
            {"name": "./pics"},
            r"known data set .* write data: \./pics \(or, beside other keys, path: \./pics without",
        ),
        (
            {"name": "set.npz"},
            r"known data set .* write data: set\.npz \(or, beside other keys, path: set\.npz without",
        ),
        ({"name": "images", "path": "./pics"}, r"write its path alone, which says what it is \["),
        ({"name": "folder"}, "path is missing"),
        ({"name": "digits", "path": "x"}, "remove it"),
        ({"name": "cifar10", "split": "valid"}, "cifar10 has train, test"),
        ({"name": "digits", "split": "train"}, "no parts"),
        ({"name": "array", "path": "a.npy", "fit": "pad"}, "without a size"),
        ({"name": "array", "path": "a.npy", "fit": "squash"}, "without a size"),
    ],
)
def test_senseless_data_settings_are_refused(data: object, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        DataSettings.model_validate(data)


def test_what_is_known_before_the_files_are_there() -> None:
    mnist = DataSettings.model_validate("mnist")
    assert (mnist.image_size, mnist.image_channels, mnist.image_fit) == (32, 1, "pad")
    assert DataSettings(name="mnist", size=64).image_fit == "crop"
    assert DataSettings(name="celeba").image_crop == 108
    assert DataSettings(name="digits").most_images == 1797
    assert DataSettings(name="digits", limit=40).most_images == 40
    assert (mnist.most_images, DataSettings(name="mnist", limit=40).most_images) == (None, 40)
    faces = DataSettings.model_validate("./faces")
    assert (faces.image_size, faces.image_channels, faces.stated_split) == (None, None, None)


def test_schema_allows_the_bare_string() -> None:
    schema = DataSettings.model_json_schema()
    assert {"type": "string"} in schema["anyOf"]
    assert {"anyOf": [{"required": ["name"]}, {"required": ["path"]}]}.items() <= (
        schema["anyOf"][1].items()
    )


@pytest.mark.parametrize(
    ("path", "name"),
    [("a.npy", "array"), ("b/c.NPZ", "array"), ("./faces", "folder"), ("d", "folder")],
)
def test_a_path_says_what_data_it_is(path: str, name: str) -> None:
    assert DataSettings.model_validate({"path": path, "flip": True}).name == name
    assert DataSettings.model_validate({"path": path, "name": "svhn"}).name == "svhn"


def lite(**score: Any) -> dict[str, Any]:
    return {
        "kind": "gan",
        "data": {"name": "cifar10", "rules": 2},
        "steps": 10,
        "evaluate_every": 5,
        "score": {"extractor": "efficientnet_lite0", **score},
    }


def test_the_side_that_an_extractor_sees_is_written_out_and_stated() -> None:
    fresh = parse_settings(lite())
    assert fresh.score_name == "fd_efficientnet_lite0_48px_1k_train"
    written = fresh.model_dump(mode="json")
    assert written["score"]["input_size"] == 48
    assert parse_settings(as_stored(written)) == fresh
    assert parse_settings(lite(input_size=96)).score_name == "fd_efficientnet_lite0_96px_1k_train"
    assert ScoreSettings().input_size is None


def test_a_record_that_does_not_state_the_side_goes_on_with_64_pixels() -> None:
    stored = parse_settings(as_stored(lite(input_size=None)))
    assert stored.score_name == "fd_efficientnet_lite0_64px_1k_train"
    assert parse_settings(as_stored(lite())).score_name == stored.score_name
    assert stored.identity()["score"]["input_size"] is None  # as its fingerprint was made of
    assert parse_settings(lite()).identity()["score"]["input_size"] == 48
    # A checkpoint of before is continued; one of another side is another trial's.
    rates = Parameters(b=1e-3, a=1e-3, d_steps=1)
    now = configuration_of(stored, rates, 0)
    before = {**now, "settings": {**now["settings"], "score": {**now["settings"]["score"]}}}
    before["settings"]["score"]["input_size"] = None
    require_same(now, before)
    with pytest.raises(AnotherTrialError, match=r"score\.input_size"):
        require_same(configuration_of(parse_settings(lite()), rates, 0), before)
