"""Steps into the client service while a client makes its update: a test acts at that moment, or changes the upload."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fedface_client import make_update as making
from fedface_client.invitation import Invitation
from fedface_core.domain.round_kind import RoundKind
from fedface_learning.client.update import Update
from fedface_worker.workbench import Workbench


def before_updates(
    monkeypatch: pytest.MonkeyPatch, act: Callable[[str], None], kind: RoundKind = RoundKind.TRAINING
) -> None:
    """Call ``act`` with the client's id each time a client begins to make an update in a round of this kind."""

    def make_update(workbench: Workbench, invitation: Invitation) -> Update:
        if invitation.opened_round.kind is kind:
            act(invitation.client_id)
        return making.make_update(workbench, invitation)

    monkeypatch.setattr("fedface_client.attempt.make_update", make_update)


def change_updates(monkeypatch: pytest.MonkeyPatch, change: Callable[[Invitation, Update], Update]) -> None:
    """Have every client deliver what ``change`` returns for its invitation and the honest update."""

    def make_update(workbench: Workbench, invitation: Invitation) -> Update:
        return change(invitation, making.make_update(workbench, invitation))

    monkeypatch.setattr("fedface_client.attempt.make_update", make_update)
