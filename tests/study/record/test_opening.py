"""A record that cannot be opened: one sentence without secrets, and whether another try is worth it."""

from __future__ import annotations

import pytest

from study.errors import Unreachable, UserError
from study.record.database import Ledger

NOBODY = "127.0.0.1:1"


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql+psycopg://{NOBODY}/d?user=ttur&password=planted",
        f"postgresql+psycopg://ttur@{NOBODY}/d?PASSWORD=planted",
        f"postgresql://ttur:planted/planted@{NOBODY}/d",
        f"postgresql://ttur:planted%40planted@{NOBODY}/d",
        f"postgresql://ttur:planted@planted@{NOBODY}/d",
        "postgresql://ttur:planted@127.0.0.1:port/d",
        "postgresql://ttur:planted@planted:planted@127.0.0.1/d",
        "nosuch://ttur:planted@127.0.0.1/d",
        "host=127.0.0.1 password=planted",
    ],
)
def test_the_refusal_of_a_record_shows_no_secret(url: str) -> None:
    with pytest.raises(UserError, match="cannot be opened") as caught:
        Ledger(url)
    assert "planted" not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.__cause__ is None, "its text would be shown with --debug"
    assert caught.value.__suppress_context__


def test_a_server_that_does_not_answer_may_answer_later() -> None:
    with pytest.raises(Unreachable, match=f"postgresql://ttur@{NOBODY}/d cannot be opened"):
        Ledger(f"postgresql://ttur@{NOBODY}/d")


@pytest.mark.parametrize(
    "url",
    [
        "nonsense",
        "nosuch://host/d",
        "postgresql://host:port/d",
        "oracle+cx_oracle://host/d",
        "sqlite:////proc/none/record.db",
        "sqlite:////",
    ],
)
def test_a_url_that_can_never_work_is_bad_input(url: str) -> None:
    with pytest.raises(UserError) as caught:
        Ledger(url)
    assert not isinstance(caught.value, Unreachable)
