"""Watching a run until it has ended: a live display on a terminal, else a line for each event."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.live import Live

from fedface_cli.api_client import ControlApi, RunEvent
from fedface_cli.run_display import RunDisplay
from fedface_cli.wording import percent
from fedface_core.contracts.http import RunDetail, RunSummary
from fedface_core.domain.errors import NotFoundError, UnavailableError
from fedface_core.domain.results import Scores
from fedface_core.domain.run import ENDED

_RETRIES = 10
RETRY_SECONDS = 1.0


def watch(api: ControlApi, run_id: str, console: Console, check: Callable[[], None] = lambda: None) -> RunDetail | None:
    """Show the run until it has ended, and return it. None if an operator deleted it meanwhile.

    ``check`` is called after each event, and may end the watching by raising an error. `UnavailableError` if the API stays
    away.
    """
    run = api.run(run_id)
    show = _watch_live if console.is_terminal else _watch_in_lines
    try:
        show(api, run, console, check)
        return api.run(run_id)
    except NotFoundError:
        return None


def follow(api: ControlApi, run_id: str, check: Callable[[], None] = lambda: None, after: str = "") -> Iterator[RunEvent]:
    """The run's events after the one with id ``after`` until the run has ended, across interruptions of the connection.

    ``check`` is called after each event and each interruption. `UnavailableError` if the API stays away.
    """
    failures = 0
    while True:
        try:
            for event in api.events(run_id, after):
                after = event.id or after
                failures = 0
                yield event
                check()
            if api.run(run_id).phase in ENDED:
                return
        except UnavailableError:
            check()
            failures += 1
            if failures > _RETRIES:
                raise
        time.sleep(RETRY_SECONDS)


def _watch_live(api: ControlApi, run: RunDetail, console: Console, check: Callable[[], None]) -> None:
    display = RunDisplay(run, api.rounds(run.id).rounds)
    with Live(display, console=console, refresh_per_second=8):
        for event in follow(api, run.id, check):
            # An event after a service has begun to wait, or after a step has failed, means that the run proceeds.
            display.waiting = event_line(event) if event.name in ("waiting", "step_failing") else ""
            if event.name == "progress":
                display.run = RunSummary.model_validate(event.data)
            elif event.name in ("round_finished", "round_abandoned"):
                display.rounds = api.rounds(run.id).rounds
        display.run = api.run(run.id)
        display.rounds = api.rounds(run.id).rounds


def _watch_in_lines(api: ControlApi, run: RunDetail, console: Console, check: Callable[[], None]) -> None:
    for event in follow(api, run.id, check):
        if event.name == "progress":
            continue
        console.print(event_line(event), highlight=False, markup=False, soft_wrap=True)
        if event.name == "round_finished":
            scored = next(view for view in api.rounds(run.id).rounds if view.number == event.data["round"])
            if scored.scores:
                console.print(f"  {scores_line(scored.scores)}", highlight=False, soft_wrap=True)


def event_line(event: RunEvent) -> str:
    """An event as a line of text: ``round 3: round abandoned: 0 updates were accepted, fewer than the minimum 1``."""
    data = event.data
    about = f"round {data['round']}: " if data.get("round") is not None else ""
    what = f"{data.get('service', 'a service')} is waiting" if event.name == "waiting" else event.name.replace("_", " ")
    why = data.get("because") or data.get("reason") or data.get("failure")
    return f"{about}{what}" + (f": {why}" if why else "")


def scores_line(scores: Scores) -> str:
    """The scores as a line of text: ``TAR@1e-2 93.30 %  AUC 0.9811  EER 6.80 %``."""
    rates = [f"TAR@{far} {percent(tar)}" for far, tar in scores.tar.items() if tar is not None]
    return "  ".join([*rates, f"AUC {scores.auc:.4f}", f"EER {percent(scores.eer)}"])
