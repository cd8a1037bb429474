"""Which tags of a client make the answer 304."""

from __future__ import annotations

import pytest

from fedface_control.api.entity_tags import entity_tag, unchanged

ETAG = entity_tag("ab" * 32)


@pytest.mark.parametrize("given", [ETAG, f"W/{ETAG}", f'"other", {ETAG}', f'{ETAG} , "x"', "*"])
def test_a_client_that_has_the_bytes_gets_none(given: str) -> None:
    answer = unchanged(given, ETAG)
    assert answer is not None
    assert (answer.status_code, answer.body, answer.headers["ETag"]) == (304, b"", ETAG)


@pytest.mark.parametrize("given", [None, "", '"other"', ETAG.strip('"'), f"W/W/{ETAG}", f"x{ETAG}", ",", "**"])
def test_any_other_client_gets_them(given: str | None) -> None:
    assert unchanged(given, ETAG) is None
