"""Rounds are closed, retried and left unscored by the command line."""

from __future__ import annotations

from fedface_core.domain.round import RoundPhase
from support.api_by_hand import ByHand
from support.command_line import Invoke


def test_rounds_are_closed_retried_and_left_unscored(fedface: Invoke, api: ByHand) -> None:
    run_id = api.started()
    api.finish_round(run_id, 0)
    then = f"see it with: fedface run watch {run_id}\n"
    code, out, _ = fedface("round", "retry", run_id)
    assert (code, out) == (0, f"round 1 is abandoned; {run_id} is running (round 2, 0 of 2 finished); {then}")
    code, out, _ = fedface("round", "skip-evaluation", run_id, "2")
    assert (code, out) == (0, f"round 2 will not be scored; {run_id} is running (round 2, 0 of 2 finished); {then}")
    code, _, err = fedface("round", "close", run_id)
    assert code == 1
    assert "0 updates are accepted, fewer than the minimum 1" in err
    api.accept(run_id, 2, 1)
    code, out, _ = fedface("round", "close", run_id)
    assert (code, out) == (0, f"round 2 is closed; {run_id} is running (round 2, 0 of 2 finished); {then}")
    assert api.ports.ledger.load_round(run_id, 2).phase is RoundPhase.AGGREGATING
    code, _, err = fedface("round", "close", run_id, "1")
    assert (code, err) == (1, f"error: cannot close round 1 of {run_id}: its current round is 2\n")


def test_a_run_without_a_round_says_so(fedface: Invoke, api: ByHand) -> None:
    code, _, err = fedface("round", "close", run_id := api.created())
    assert code == 1
    assert f"{run_id} has no round yet" in err
