"""Secrets in URLs are found wherever SQLAlchemy would take one, and are in nothing that is printed."""

from __future__ import annotations

from urllib.parse import quote

import pytest
import sqlalchemy as sa
from hypothesis import assume, given
from hypothesis import strategies as st
from support.secrets import WITH_SECRETS, WITHOUT_SECRETS

from study.ground.credentials import hidden, holds_secret, secrets_in
from study.tracking.store import without_credentials

PIECES = st.sampled_from([*"@:/?#&=%;+ ", "%40", "%2F", "h", "5432", "me"])
TEXT = st.lists(PIECES, max_size=7).map("".join)


@pytest.mark.parametrize("url", WITH_SECRETS)
def test_a_secret_is_found_and_hidden(url: str) -> None:
    assert holds_secret(url)
    for shown in (hidden(url), without_credentials(url)):
        assert "planted" not in shown
        assert shown.startswith(url.partition("://")[0] + "://")


@pytest.mark.parametrize("url", WITHOUT_SECRETS)
def test_what_is_no_secret_is_left_alone(url: str) -> None:
    assert not holds_secret(url)
    assert hidden(url) == url


@pytest.mark.parametrize("url", [url for url in WITH_SECRETS if " " not in url])
@pytest.mark.parametrize("form", ["cannot connect to {}: refused", "({})", "two\nlines {}\n"])
def test_a_message_that_quotes_a_url_shows_no_secret(url: str, form: str) -> None:
    assert "planted" not in hidden(form.format(url))


@pytest.mark.parametrize("url", WITH_SECRETS)
def test_a_message_that_quotes_the_secret_alone_does_not_show_it(url: str) -> None:
    [secret] = secrets_in(url)
    said = f"bad password {secret!r}, {sa.make_url(url).password!r}; see http://host/help"
    shown = without_credentials(said, url)
    assert "planted" not in shown
    assert shown.endswith("see http://host/help")


def test_of_a_broken_url_the_host_may_be_the_rest_of_the_password() -> None:
    url = "postgresql://me:planted@rest-of-it@host/db"
    assert sa.make_url(url).host == "rest-of-it@host"
    assert (
        hidden("failed to resolve host 'rest-of-it@host'", url)
        == "failed to resolve host '***@host'"
    )


@given(user=TEXT, password=TEXT, host=TEXT)
def test_every_password_that_sqlalchemy_sees_is_found(user: str, password: str, host: str) -> None:
    url = f"postgresql://{user}:planted{password}@{host}"
    assume("planted" in _password_for_sqlalchemy(url))
    assert secrets_in(url)
    assert "planted" not in hidden(url)
    assert "planted" not in without_credentials(url)


@given(before=TEXT, password=st.text(min_size=1, max_size=8), position=st.integers(0, 3))
def test_every_secret_in_a_query_is_found(before: str, password: str, position: int) -> None:
    key = ["password", "SSLpassword", "api%5Fkey", "Token"][position]
    url = f"postgresql://host/db?{before}&{key}=planted{quote(password)}&connect_timeout=5"
    assert secrets_in(url)
    assert "planted" not in hidden(url)


def _password_for_sqlalchemy(url: str) -> str:
    try:
        return str(sa.make_url(url).password or "")
    except ValueError:  # the port is no number
        return ""
