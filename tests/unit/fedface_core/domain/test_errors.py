"""The tree of errors: what each answers by HTTP, and that its drawing is true."""

from __future__ import annotations

import inspect
import re

from fedface_cli.api_problems import BrokenConnectionError
from fedface_core.domain import errors
from fedface_core.domain.errors import FedFaceError, TooFewUpdatesError, UpdateRefusedError
from fedface_stack.stack import StackError

KINDS = {name: kind for name, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, FedFaceError)}


def drawn_tree() -> dict[str, str]:
    """Error → the error above it, as drawn at the top of the module."""
    parents: dict[str, str] = {}
    path: list[str] = []
    for indent, name in re.findall(r"^    ([├└─│ ]*)(\w+Error) ", errors.__doc__ or "", re.MULTILINE):
        depth = len(indent) // 4
        path[depth:] = [name]
        if depth > 0:
            parents[name] = path[depth - 1]
    return parents


def test_the_drawing_of_the_tree_is_true() -> None:
    assert drawn_tree() == {name: kind.__bases__[0].__name__ for name, kind in KINDS.items() if kind is not FedFaceError}


def test_every_error_has_a_status_and_a_title_of_its_own() -> None:
    assert len({kind.title for kind in KINDS.values()}) == len(KINDS)
    assert {kind.status for kind in KINDS.values()} == {404, 409, 422, 500, 503}


def takes_a_message(kind: type[FedFaceError]) -> bool:
    """Whether the error is made of its text alone. The others make their text of what they are given."""
    parameters = inspect.signature(kind).parameters
    needed = [name for name, parameter in parameters.items() if parameter.default is parameter.empty]
    return "message" in parameters and needed in ([], ["message"])


def test_no_error_of_any_package_shows_credentials_of_a_url() -> None:
    url = "redis://:pw~1@host:6379/0"
    shown = [str(kind(url)) for kind in every_kind() if takes_a_message(kind)]
    assert len(shown) > 10
    assert set(shown) == {"redis://***@host:6379/0"}
    refused = UpdateRefusedError("not_finite", url)
    assert "pw~1" not in refused.detail + str(refused) + str(TooFewUpdatesError(0, 1, {"client-000001": url}))


def every_kind() -> list[type[FedFaceError]]:
    """Each kind of error in the packages that are imported, with those of this command and of the local stack."""
    assert issubclass(BrokenConnectionError, FedFaceError)
    assert issubclass(StackError, FedFaceError)
    kinds: list[type[FedFaceError]] = [FedFaceError]
    for kind in kinds:
        kinds += kind.__subclasses__()
    return kinds


def test_a_refused_update_has_a_reason_and_a_detail() -> None:
    refused = UpdateRefusedError("not_finite", "w holds 3 values that are NaN")
    assert (refused.reason, str(refused)) == ("not_finite", "w holds 3 values that are NaN")


def test_too_few_updates_name_each_refused_client() -> None:
    error = TooFewUpdatesError(1, 3, {"client-000002": "late", "client-000001": "not_finite"})
    assert str(error) == (
        "1 updates could be used, fewer than the minimum 3; refused: client-000001 (not_finite), client-000002 (late)"
    )
