"""Watching a run until it has ended: a live display on a terminal, else a line for each event."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.live import Live

from fedface_cli import api_patience
from fedface_cli.api_client import ControlApi, RunEvent
from fedface_cli.api_patience import ApiPatience
from fedface_cli.run_display import RunDisplay
from fedface_cli.terminal import note
from fedface_cli.wording import percent
from fedface_core.contracts.http import RunDetail, RunSummary
from fedface_core.domain.errors import NotFoundError, UnavailableError
from fedface_core.domain.free_text import one_line
from fedface_core.domain.results import Scores
from fedface_core.domain.run import ENDED


def watch(api: ControlApi, run_id: str, console: Console, check: Callable[[], None] = lambda: None) -> RunDetail | None:
    """Show the run until it has ended, and return it. None if an operator deleted it meanwhile.

    ``check`` is called after each event and while the API is away, and may end the watching by raising an error. If the API
    goes away, the command says so and waits; `UnavailableError` if it stays away, or if it is away at the start. If no
    worker takes what the run waits for at the start, the command says so first: no event tells of that.
    """
    run = ApiPatience(note, check).begin(api.run, run_id)
    if run.waits_because:
        note(f"the run waits: {one_line(run.waits_because)}")
    show = _watch_live if console.is_terminal else _watch_in_lines
    try:
        return show(api, run, console, check)
    except NotFoundError:
        return None


def follow(
    api: ControlApi, run_id: str, patience: ApiPatience, check: Callable[[], None] = lambda: None, after: str = ""
) -> Iterator[RunEvent]:
    """The run's events after the one with id ``after`` until the run has ended, across interruptions of the connection.

    ``check`` is called after each event and each interruption. `UnavailableError` if the API stays away for longer than the
    ``patience``.
    """
    while True:
        heard = False
        try:
            for event in api.events(run_id, after):
                heard = True
                after = event.id or after
                patience.answered()
                yield event
                check()
        except UnavailableError as error:
            # A stream breaks off too if nothing happens in the run. Only if a new one brings nothing, the API is away.
            if not heard:
                patience.failed(error)
                continue
        else:
            if patience.call(api.run, run_id).phase in ENDED:
                return
        check()
        time.sleep(api_patience.RETRY_SECONDS)


def _watch_live(api: ControlApi, run: RunDetail, console: Console, check: Callable[[], None]) -> RunDetail:
    display = RunDisplay(run, ApiPatience(note, check).begin(api.rounds, run.id).rounds)

    def show_waiting(reason: str) -> None:
        display.waiting = reason

    patience = ApiPatience(show_waiting, check)
    with Live(display, console=console, refresh_per_second=8):
        for event in follow(api, run.id, patience, check):
            # An event after something has begun to wait, or after a step has failed, means that the run proceeds.
            display.waiting = event_line(event) if event.name in ("waiting", "step_failing") else ""
            if event.name == "progress":
                display.run = RunSummary.model_validate(event.data)
            elif event.name in ("round_finished", "round_abandoned"):
                display.rounds = patience.call(api.rounds, run.id).rounds
        ended = patience.call(api.run, run.id)
        display.run = ended
        display.rounds = patience.call(api.rounds, run.id).rounds
        display.waiting = ""
    return ended


def _watch_in_lines(api: ControlApi, run: RunDetail, console: Console, check: Callable[[], None]) -> RunDetail:
    patience = ApiPatience(note, check)
    for event in follow(api, run.id, patience, check):
        if event.name == "progress":
            continue
        console.print(event_line(event), soft_wrap=True)
        if event.name == "round_finished":
            rounds = patience.call(api.rounds, run.id).rounds
            for scores in (view.scores for view in rounds if view.number == event.data.get("round") and view.scores):
                console.print(f"  {scores_line(scores)}", soft_wrap=True)
    return patience.call(api.run, run.id)


def event_line(event: RunEvent) -> str:
    """An event as a line of text: ``round 3: round abandoned: 0 updates were accepted, fewer than the minimum 1``."""
    data = event.data
    about = f"round {data['round']}: " if data.get("round") is not None else ""
    what = f"{data.get('service', 'a service')} is waiting" if event.name == "waiting" else event.name.replace("_", " ")
    why = data.get("because") or data.get("reason") or data.get("failure")
    return one_line(f"{about}{what}" + (f": {why}" if why else ""))


def scores_line(scores: Scores) -> str:
    """The scores as a line of text: ``TAR@1e-2 93.30 %  AUC 0.9811  EER 6.80 %``."""
    rates = [f"TAR@{far} {percent(tar)}" for far, tar in scores.tar.items() if tar is not None]
    return "  ".join([*rates, f"AUC {scores.auc:.4f}", f"EER {percent(scores.eer)}"])
