"""Watches a run in the terminal until it has ended: phase, round, accepted updates, scores so far by round."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from fedface_cli.api_client import ControlApi, RunEvent
from fedface_cli.wording import PHASE_STYLES, cosine, percent
from fedface_core.contracts.http import RoundView, RunDetail, RunSummary
from fedface_core.domain.errors import UnavailableError
from fedface_core.domain.events import Scores, far_label
from fedface_core.domain.round import RoundPhase
from fedface_core.domain.run import ENDED, RunPhase

_RETRIES = 10
_RETRY_SECONDS = 1.0
_DOING = {
    RoundPhase.OPEN: "training",
    RoundPhase.AGGREGATING: "aggregating",
    RoundPhase.EVALUATING: "evaluating",
    RoundPhase.FINISHED: "finished",
    RoundPhase.ABANDONED: "abandoned",
}


def watch(api: ControlApi, run_id: str, console: Console, check: Callable[[], None] = lambda: None) -> RunDetail:
    """Show the run until it has ended; returns it as it then is.

    On a terminal the display is live; elsewhere it is a line for each thing that happened. ``check`` is called again and
    again, and ends the watching by raising.
    """
    show = _watch_live if console.is_terminal else _watch_in_lines
    show(api, run_id, console, check)
    return api.run(run_id)


def follow(api: ControlApi, run_id: str, check: Callable[[], None] = lambda: None) -> Iterator[RunEvent]:
    """The run's events until it has ended, across interruptions of the connection."""
    after, failures = "", 0
    while True:
        try:
            for event in api.events(run_id, after):
                after, failures = event.id or after, 0
                yield event
                check()
            if api.run(run_id).phase in ENDED:
                return
        except UnavailableError:
            check()
            failures += 1
            if failures > _RETRIES:
                raise
        time.sleep(_RETRY_SECONDS)


def _watch_live(api: ControlApi, run_id: str, console: Console, check: Callable[[], None]) -> None:
    display = RunDisplay(api.run(run_id))
    display.rounds = api.rounds(run_id).rounds
    with Live(display, console=console, refresh_per_second=8):
        for event in follow(api, run_id, check):
            if event.name == "progress":
                display.run = RunSummary.model_validate(event.data)
            elif event.name == "round_finished":
                display.rounds = api.rounds(run_id).rounds
        display.run, display.rounds = api.run(run_id), api.rounds(run_id).rounds


def _watch_in_lines(api: ControlApi, run_id: str, console: Console, check: Callable[[], None]) -> None:
    for event in follow(api, run_id, check):
        if event.name == "progress":
            continue
        about = f"round {event.data['round']}: " if event.data.get("round") is not None else ""
        what = event.name.replace("_", " ")
        why = f": {event.data['reason']}" if "reason" in event.data else ""
        console.print(f"{about}{what}{why}", highlight=False, soft_wrap=True)
        if event.name == "round_finished":
            scored = next(view for view in api.rounds(run_id).rounds if view.number == event.data["round"])
            if scored.scores:
                console.print(f"  {in_a_line(scored.scores)}", highlight=False, soft_wrap=True)


def in_a_line(scores: Scores) -> str:
    """The scores for a log: ``TAR@1e-2 93.3 %  AUC 0.9811  EER 6.80 %``."""
    rates = [f"TAR@{far} {percent(tar)}" for far, tar in scores.tar.items() if tar is not None]
    return "  ".join([*rates, f"AUC {scores.auc:.4f}", f"EER {percent(scores.eer)}"])


class RunDisplay:
    """A run as rich draws it."""

    def __init__(self, run: RunDetail) -> None:
        self.run: RunSummary = run
        self.rounds: list[RoundView] = []
        self._far = [far_label(rate) for rate in run.plan.far]
        self._spinner = Spinner("dots", style="cyan")

    def __rich__(self) -> RenderableType:
        """What is drawn now."""
        parts = [self._headline(), self._bars()]
        if any(view.scores for view in self.rounds):
            parts += [Text(""), self.scores_table()]
        return Group(*parts)

    def _headline(self) -> RenderableType:
        run = self.run
        line = Table.grid(padding=(0, 1))
        ended = run.phase in ENDED
        line.add_row(
            Text("●", PHASE_STYLES[run.phase]) if ended else self._spinner,
            Text(run.name, "bold"),
            Text(run.id, "dim"),
            Text(run.phase, PHASE_STYLES[run.phase]),
            Text(run.failure or "", "red"),
        )
        return line

    def _bars(self) -> RenderableType:
        run = self.run
        finished = sum(view.phase is RoundPhase.FINISHED and view.number > 0 for view in self.rounds)
        grid = Table.grid(padding=(0, 2))
        where = "waiting" if run.round is None else "enrolment" if run.round == 0 else f"{run.round} of {run.rounds}"
        if run.phase is RunPhase.PREPARING:
            where = "preparing the model"
        grid.add_row("round", ProgressBar(run.rounds, finished, width=40), Text(where))
        settled = f"{run.accepted} of {run.invited}" + (f", {run.failed} failed" if run.failed else "")
        doing = _DOING[run.round_phase] if run.round_phase else ""
        doing = "enrolling" if run.round == 0 and run.round_phase is RoundPhase.OPEN else doing
        grid.add_row("updates", ProgressBar(run.invited or 1, run.accepted, width=40), Text(settled), Text(doing, "cyan"))
        return grid

    def scores_table(self) -> Table:
        """Scores by round; round 0 is the model before training."""
        table = Table(box=None, padding=(0, 1), collapse_padding=True, header_style="dim")  # within 80 columns
        table.add_column("round", justify="right")
        for far in self._far:
            table.add_column(f"TAR@{far}", justify="right")
        for name in ("AUC", "EER", "genuine", "impostor"):
            table.add_column(name, justify="right")
        for view in self.rounds:
            if view.scores:
                scores = view.scores
                table.add_row(
                    str(view.number),
                    *(percent(scores.tar.get(far)) for far in self._far),
                    f"{scores.auc:.4f}",
                    percent(scores.eer),
                    cosine(scores.mean_genuine_cosine),
                    cosine(scores.mean_impostor_cosine),
                )
        return table
