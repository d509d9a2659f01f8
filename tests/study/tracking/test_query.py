from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest
from support.mlflow import BEGAN, changed, new_store, record, row, tracking

from study.results.answers import compared
from study.results.frame import to_frame
from study.results.tables import comparison_table
from study.tracking import query
from study.tracking import store as mlflow_store
from study.tracking.content import ArmRecord
from study.tracking.reading import StudyNotFound
from study.tracking.store import TrackingError
from study.tracking.words import parameter_text, parameter_value, safe_name
from study.trial import Outcome, TrialRecord, ranked
from trainables.protocol import ParameterValue


@pytest.fixture
def uri(tmp_path: Path) -> str:
    return new_store(tmp_path)


def publish(uri: str, folder: Path, *records: TrialRecord) -> list[str]:
    writer = tracking(uri, folder)
    return [writer.publish(each, fresh=True) for each in records]


def test_a_row_is_what_was_published(uri: str, tmp_path: Path) -> None:
    further: dict[str, ParameterValue] = {"loss": "hinge", "weight": 0.1, "flag": True, "k": "3"}
    published = record(
        number=7,
        scores=[5.0, 2.0, 3.0],
        outcome=Outcome.STOPPED,
        reason="its score rose",
        further=further,
    )
    (run_id,) = publish(uri, tmp_path, published)
    (found,) = query.trials("study", tracking_uri=uri)
    assert (found.study, found.arm, found.number, found.seed) == ("study", "two_timescale", 7, 107)
    assert (found.b, found.a, found.d_steps) == (8e-3, 3e-4, 2)
    assert (found.score, found.step, found.score_name) == (2.0, 20, "fd_digits_1k")
    assert (found.outcome, found.reason) == (Outcome.STOPPED, "its score rose")
    assert found.further == further
    assert (found.started, found.seconds, found.noise) == (published.started, 4.5, 0.25)
    assert found.mlflow_run_id == run_id


def test_best_lists_what_ended_with_a_score_best_first(uri: str, tmp_path: Path) -> None:
    publish(
        uri,
        tmp_path,
        record(number=0, scores=[5.0], outcome=Outcome.COMPLETE),
        record(number=1, scores=[2.0, 90.0], outcome=Outcome.DIVERGED),
        record(number=2, scores=[1.0], outcome=Outcome.FAILED),
        record(number=3, scores=[0.5]),
        record(number=4, outcome=Outcome.DIVERGED),
        record("one_timescale", 0, scores=[2.0], outcome=Outcome.STOPPED),
        record("one_timescale", 1, scores=[4.0], outcome=Outcome.COMPLETE),
    )
    found = [(r.arm, r.number, r.score) for r in query.best("study", tracking_uri=uri)]
    assert found == [
        ("one_timescale", 0, 2.0),
        ("two_timescale", 1, 2.0),
        ("one_timescale", 1, 4.0),
        ("two_timescale", 0, 5.0),
    ]
    top = query.best("study", arm="two_timescale", top=1, tracking_uri=uri)
    assert [(r.arm, r.number) for r in top] == [("two_timescale", 1)]
    assert len(query.trials("study", tracking_uri=uri)) == 7


def test_the_best_few_are_those_of_the_whole_list(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(0)
    scores = [1e-7 * chance.randrange(1, 9) for _ in range(20)] + [1e9]
    arms = ("one_timescale", "two_timescale")
    outcomes = (Outcome.COMPLETE, Outcome.COMPLETE, Outcome.FAILED, None)
    publish(
        uri,
        tmp_path,
        *(
            record(chance.choice(arms), n, scores=[score], outcome=chance.choice(outcomes))
            for n, score in enumerate(scores)
        ),
        record(number=50, outcome=Outcome.DIVERGED),
    )
    for arm in (None, *arms):
        whole = query.best("study", arm=arm, tracking_uri=uri)
        for sample in (1, 3):
            monkeypatch.setattr(query, "_SAMPLE", sample)
            for top in (1, 4):
                assert query.best("study", arm=arm, top=top, tracking_uri=uri) == whole[:top]


def published_arms(uri: str, folder: Path, *arms: str) -> None:
    """The arms of a spec, as a launch shows them before any trial."""
    writer = tracking(uri, folder)
    for position, arm in enumerate(arms):
        writer.publish_arm(
            ArmRecord(
                study="study",
                arm=arm,
                position=position,
                spec="name: study",
                spec_fingerprint="f",
                score_name="fd_digits_1k",
                started=BEGAN,
            )
        )


def test_arms_have_the_order_of_the_spec_and_need_no_trial(uri: str, tmp_path: Path) -> None:
    arms = [f"arm_{chance}" for chance in (3, 11, 2, 7, 1, 5, 9, 8, 4, 10, 6)]
    published_arms(uri, tmp_path, *arms)
    assert query.arms("study", tracking_uri=uri) == arms
    found = compared("study", tracking_uri=uri)
    assert list(found.arms) == arms
    assert {summary.trials for summary in found.arms.values()} == {0}
    assert "The study has one arm" not in comparison_table(found)
    assert query.best("study", arm="arm_3", tracking_uri=uri) == []


def test_arms_without_a_place_have_the_order_of_old(uri: str, tmp_path: Path) -> None:
    publish(uri, tmp_path, *(record(arm) for arm in ("new", "two_timescale", "alt")))
    assert query.arms("study", tracking_uri=uri) == ["two_timescale", "alt", "new"]
    published_arms(uri, tmp_path, "new", "two_timescale", "alt")  # launched again
    assert query.arms("study", tracking_uri=uri) == ["new", "two_timescale", "alt"]


def test_a_comparison_has_the_arms_of_the_spec(uri: str, tmp_path: Path) -> None:
    published_arms(uri, tmp_path, "zz_base", "new", "alt")
    scores = {"new": 3.0, "alt": 2.0, "zz_base": 1.0}
    publish(
        uri,
        tmp_path,
        *(record(arm, scores=[s], outcome=Outcome.COMPLETE) for arm, s in scores.items()),
    )
    found = compared("study", tracking_uri=uri)
    pairs = [(d.arms, d.absolute) for d in found.differences]
    assert pairs == [(("zz_base", "new"), 2.0), (("zz_base", "alt"), 1.0)]


def test_bad_questions_are_refused_in_one_sentence(uri: str, tmp_path: Path) -> None:
    publish(uri, tmp_path, record(scores=[1.0], outcome=Outcome.COMPLETE))
    with pytest.raises(StudyNotFound, match="there is no study 'other'"):
        query.trials("other", tracking_uri=uri)
    with pytest.raises(StudyNotFound, match="no MLflow store at"):
        query.trials("study", tracking_uri=f"sqlite:///{tmp_path}/none.db")
    assert not (tmp_path / "none.db").exists()
    (tmp_path / "empty.db").touch()
    with pytest.raises(StudyNotFound, match="no MLflow store at"):
        query.trials("study", tracking_uri=f"sqlite:///{tmp_path}/empty.db")
    assert (tmp_path / "empty.db").stat().st_size == 0
    with pytest.raises(ValueError, match=r"arm is 'three', but study 'study' has .* two_timescale"):
        query.best("study", arm="three", tracking_uri=uri)
    with pytest.raises(ValueError, match='arm is "two\'_timescale"'):
        query.best("study", arm="two'_timescale", top=1, tracking_uri=uri)
    with pytest.raises(ValueError, match="top is 0"):
        query.best("study", top=0, tracking_uri=uri)


def test_a_dead_server_is_told_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(TrackingError, match=r"MLflow at http://\*\*\*@127") as caught:
        query.trials("study", tracking_uri="http://me:pl4nted@127.0.0.1:9")
    assert "pl4nted" not in str(caught.value)
    with pytest.raises(TrackingError, match="cannot be read"):
        query.trials("study", tracking_uri="postgresql+psycopg://me:pl4nted@127.0.0.1:9/db")


def test_every_page_is_read_and_no_run_twice(uri: str, tmp_path: Path) -> None:
    records = [record(number=n, scores=[1.0 + n], outcome=Outcome.COMPLETE) for n in range(7)]
    publish(uri, tmp_path, *records)
    store = mlflow_store.client(uri)
    experiment = store.get_experiment_by_name("study")
    assert experiment is not None
    found = list(mlflow_store.runs(store, experiment.experiment_id, "tags.kind = 'trial'", page=3))
    assert len(found) == len({run.info.run_id for run in found}) == 7


def test_a_run_that_was_just_made_is_left_out(uri: str, tmp_path: Path) -> None:
    publish(uri, tmp_path, record(scores=[1.0]))
    store = mlflow_store.client(uri)
    experiment = store.get_experiment_by_name("study")
    assert experiment is not None
    store.create_run(experiment.experiment_id, tags={"kind": "trial", "trial": "study/x/9"})
    assert [r.number for r in query.trials("study", tracking_uri=uri)] == [0]


def test_of_two_runs_of_a_trial_the_fuller_counts(uri: str, tmp_path: Path) -> None:
    (first,) = publish(uri, tmp_path, record(scores=[2.0]))
    store = mlflow_store.client(uri)
    store.set_tag(first, "trial", "hidden")
    (second,) = publish(uri, tmp_path, record(scores=[2.0, 1.0], outcome=Outcome.COMPLETE))
    store.set_tag(first, "trial", "study/two_timescale/0")
    (found,) = query.trials("study", tracking_uri=uri)
    assert found.mlflow_run_id == second


def test_histories_are_score_curves(uri: str, tmp_path: Path) -> None:
    publish(uri, tmp_path, record(scores=[5.0, 2.0, 3.0]), record(number=1))
    rows = query.trials("study", tracking_uri=uri)
    curves = query.histories(rows, tracking_uri=uri)
    assert curves[rows[0].identity] == [(10, 5.0), (20, 2.0), (30, 3.0)]
    assert curves[rows[1].identity] == []


@pytest.mark.parametrize(
    "value", ["hinge", "12", "1e-3", "true", "null", '"', "", 3, 0.1, 1e-300, True, None]
)
def test_a_parameter_survives_as_text(value: ParameterValue) -> None:
    back = parameter_value(parameter_text(value))
    assert back == value
    assert type(back) is type(value)


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("regulariser.weight", "regulariser.weight"),
        ("löss(D)", "l_ss_D_"),
        ("../up", "up"),
        ("/a//b/./c/", "a/b/c"),
        ("..", "_"),
        ("", "_"),
    ],
)
def test_names_become_safe(name: str, safe: str) -> None:
    from mlflow.utils.validation import _validate_param_name

    assert safe_name(name) == safe
    _validate_param_name(safe_name(name))  # type: ignore[no-untyped-call]


def test_a_frame_has_further_parameters_as_columns() -> None:
    rows = [changed(row("x", 0, 1.0), further={"loss": "hinge"}), row("x", 1, None)]
    frame = to_frame(rows)
    assert list(frame["number"]) == [0, 1]
    assert frame["loss"][0] == "hinge"
    assert frame["score"].isna().tolist() == [False, True]


def test_rows_of_equal_scores_keep_the_earlier_first() -> None:
    rows = [row("x", 2, 1.0), row("x", 0, 1.0), row("x", 1, 0.5, Outcome.FAILED)]
    assert [each.number for each in ranked(rows)] == [0, 2]


@pytest.mark.slow
def test_queries_import_neither_torch_nor_ray_nor_optuna() -> None:
    code = (
        "import sys, study.tracking.query, study.results.comparison, study.results.tables\n"
        "import study.tracking.store\n"
        "early = {'mlflow'} & set(sys.modules)\n"
        "from mlflow import MlflowClient\n"
        "print(sorted(early | {'torch', 'ray', 'optuna'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
