"""Which roles include which."""

from __future__ import annotations

from fedface_core.domain.role import Role, with_included


def test_an_admin_is_everything() -> None:
    assert with_included([Role.ADMIN]) == frozenset(Role)


def test_a_viewer_and_metrics_are_nothing_more() -> None:
    assert with_included([Role.VIEWER]) == {Role.VIEWER}
    assert with_included([Role.METRICS]) == {Role.METRICS}


def test_neither_an_operator_nor_an_uploader_is_the_other() -> None:
    assert with_included([Role.OPERATOR]) == {Role.OPERATOR, Role.VIEWER}
    assert with_included([Role.UPLOADER]) == {Role.UPLOADER, Role.VIEWER}
    assert with_included([Role.OPERATOR, Role.UPLOADER]) == {Role.OPERATOR, Role.UPLOADER, Role.VIEWER}


def test_nothing_includes_nothing() -> None:
    assert with_included([]) == frozenset()
