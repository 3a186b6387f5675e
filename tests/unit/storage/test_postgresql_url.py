"""Forms in which people have the URL of their PostgreSQL."""

from __future__ import annotations

import pytest
from sqlalchemy import make_url

from floworch.storage.sql.dialects.postgresql_url import describe_url, read_url

P = "postgresql+psycopg"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("postgresql://u:p@h:5432/d", f"{P}://u:p@h:5432/d"),
        ("postgres://u:p@h/d", f"{P}://u:p@h/d"),
        ("postgresql+psycopg://u:p@h/d", f"{P}://u:p@h/d"),
        ("postgresql:///d?host=/run/postgresql", f"{P}:///d?host=/run/postgresql"),
        ("postgresql://u:a%40b%2Fc@h/d", f"{P}://u:a%40b%2Fc@h/d"),
        (
            "postgresql://h/d?sslmode=verify-full&sslrootcert=/ca.pem",
            f"{P}://h/d?sslmode=verify-full&sslrootcert=/ca.pem",
        ),
        ("postgresql://h/d?options=-csearch_path%3Dx", f"{P}://h/d?options=-csearch_path%3Dx"),
        ("postgresql://h?user=u&password=p&dbname=d", f"{P}://u:p@h/d"),
        ("postgresql://u:p@h1:1,h2:2/d", f"{P}://u:p@/d?host=h1,h2&port=1,2"),
        (
            "postgresql://h1,h2/d?target_session_attrs=read-write",
            f"{P}:///d?host=h1,h2&target_session_attrs=read-write",
        ),
        ("postgresql://h1,h2:5433/d", f"{P}:///d?host=h1,h2&port=,5433"),
        ("postgresql://[::1]:1,[fe80::2]/d", f"{P}:///d?host=::1,fe80::2&port=1,"),
        ("postgresql://", f"{P}://"),
    ],
)
def test_all_of_them_are_read(given: str, expected: str) -> None:
    assert read_url(given) == make_url(expected)
    assert read_url(make_url(expected)) == make_url(expected)


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("postgresql://u:secret@h:1/d", "postgresql://u:***@h:1/d"),
        ("postgresql://h/d?user=u&password=secret", "postgresql://u:***@h/d"),
        ("postgresql://h/d?sslkey=k&sslpassword=secret", "postgresql://h/d"),
        ("postgresql://u:secret@h1,h2/d", "postgresql://u:***@/d?host=h1%2Ch2"),
    ],
)
def test_people_are_shown_what_is_no_secret(given: str, shown: str) -> None:
    assert describe_url(read_url(given)) == shown
