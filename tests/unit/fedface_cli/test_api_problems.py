"""Errors of the API and of the connection are errors of ours, in words."""

from __future__ import annotations

import httpx
import pytest

from fedface_core.contracts.http import PROBLEM_MEDIA_TYPE
from fedface_core.domain.errors import FedFaceError, InvalidInputError, UnavailableError
from fedface_core.domain.plan import Plan
from support.api_answers import RUN, client_of


def test_a_problem_names_its_fields() -> None:
    problem = {
        "title": "Invalid input",
        "status": 422,
        "detail": "the plan is wrong",
        "errors": [{"field": "cohort.quorum", "message": "must be positive"}],
    }
    client = client_of(lambda _: httpx.Response(422, json=problem, headers={"content-type": PROBLEM_MEDIA_TYPE}))
    with pytest.raises(InvalidInputError, match=r"(?s)the plan is wrong.*cohort\.quorum: must be positive"):
        client.create(Plan())


def test_an_error_of_another_kind_of_server_is_told_by_its_status() -> None:
    with pytest.raises(FedFaceError, match="http://control/v1/runs answered 502 Bad Gateway"):
        client_of(lambda _: httpx.Response(502, text="<html>")).runs()


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (httpx.ConnectError("refused"), "no control API at http://control"),
        (httpx.ReadTimeout("slow"), "does not answer in time"),
        (httpx.RemoteProtocolError("bad"), "broke: bad"),
    ],
)
def test_a_transport_error_is_told_in_words(error: Exception, says: str) -> None:
    def answer(_: httpx.Request) -> httpx.Response:
        raise error

    with pytest.raises(UnavailableError, match=says):
        client_of(answer).run(RUN)
