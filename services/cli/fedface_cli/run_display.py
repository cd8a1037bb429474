"""The display of a run in a terminal: phase, progress, stragglers, deadline, scores by round."""

from __future__ import annotations

import time
from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from fedface_cli.wording import PHASE_STYLES, cosine, counted, duration, named_stragglers, percent, progress
from fedface_core.contracts.http import RoundView, RunDetail, RunSummary
from fedface_core.domain.free_text import one_line
from fedface_core.domain.results import far_label
from fedface_core.domain.round import RoundPhase
from fedface_core.domain.round_kind import ENROLMENT_ROUND
from fedface_core.domain.run import ENDED, RunPhase

_ACTIVITIES = {
    RoundPhase.REGISTERING: "registering devices",
    RoundPhase.SHARING: "sharing keys",
    RoundPhase.HANDING_ON: "handing on keys",
    RoundPhase.OPEN: "training",
    RoundPhase.UNMASKING: "unmasking",
    RoundPhase.SUSPENDED: "suspended",
    RoundPhase.AGGREGATING: "aggregating",
    RoundPhase.EVALUATING: "evaluating",
    RoundPhase.FINISHED: "finished",
    RoundPhase.ABANDONED: "abandoned",
}
_COLUMNS_FOR_NAMES = 100  # from this width on, more stragglers are named
_COLUMNS_FOR_COSINES = 76  # from this width on, the table of scores has the mean cosines
_LINES_BESIDE_SCORES = 14


class RunDisplay:
    """A rich renderable. To update it, set ``run``, ``rounds`` and ``waiting`` anew."""

    def __init__(self, run: RunDetail, rounds: list[RoundView]) -> None:
        self.run = run
        self.rounds = rounds
        self.waiting = ""
        """Which service waits for what, or which step fails why, if the newest event says that; else empty."""
        self._far = [far_label(rate) for rate in run.plan.far]
        self._spinner = Spinner("dots", style="cyan")
        self._ascii_spinner = Spinner("line", style="cyan")

    @property
    def run(self) -> RunSummary:
        """The run as the API has shown it last."""
        return self._run

    @run.setter
    def run(self, run: RunSummary) -> None:
        self._run = run
        self._shown_at = time.monotonic()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterable[RenderableType]:
        """The lines to draw now, fitted to the width and the height of the console."""
        yield self._headline(self._ascii_spinner if options.ascii_only else self._spinner)
        why = self.run.failure or self.run.stopped_because
        if why:
            yield Text(why, PHASE_STYLES[self.run.phase])
        yield self._bars(options.max_width)
        if self.waiting:
            yield Text(self.waiting, "yellow")
        for view in self.rounds:
            if view.abandoned_because:
                yield Text(f"round {view.number} was abandoned: {view.abandoned_because}", "dim yellow")
        if any(view.scores for view in self.rounds):
            yield Text("")
            newest = max(3, console.height - _LINES_BESIDE_SCORES)
            yield self.scores_table(newest, cosines=options.max_width >= _COLUMNS_FOR_COSINES)

    def _headline(self, spinner: Spinner) -> RenderableType:
        run = self.run
        phase = str(run.phase)
        if run.phase is RunPhase.PAUSED and run.paused_at:
            phase += f" since {run.paused_at.astimezone():%H:%M}"
        line = Table.grid(padding=(0, 1))
        working = run.phase not in ENDED | {RunPhase.PAUSED, RunPhase.CREATED}
        line.add_row(
            spinner if working else Text("●", PHASE_STYLES[run.phase]),
            Text(one_line(run.name), "bold"),
            Text(run.id, "dim", no_wrap=True),
            Text(phase, PHASE_STYLES[run.phase]),
        )
        return line

    def _bars(self, columns: int) -> RenderableType:
        run = self.run
        width = max(8, min(40, columns - 56))
        grid = Table.grid(padding=(0, 2))
        position = "preparing" if run.phase is RunPhase.PREPARING else progress(run)
        grid.add_row("rounds", ProgressBar(run.rounds, run.finished_rounds, width=width), Text(position))
        if run.round is not None and run.round_phase is not None:
            accepted = f"{run.accepted} of {run.quorum}"
            accepted += f", {run.invited} invited" if run.invited != run.quorum else ""
            accepted += f", {run.failed} failed" if run.failed else ""
            enrolling = run.round == ENROLMENT_ROUND and run.round_phase is RoundPhase.OPEN
            activity = "enrolling" if enrolling else _ACTIVITIES[run.round_phase]
            bar = ProgressBar(run.quorum or 1, min(run.accepted, run.quorum), width=width)
            grid.add_row("updates", bar, Text.assemble(accepted, "  ", (activity, "cyan")))
        if run.late:
            grid.add_row("late", Text(""), Text(counted(run.late, "update")))
        if run.seconds_left is not None:
            # By the ledger's clock, not by ours. While the round is suspended, its deadline does not come closer.
            passed = 0.0 if run.paused_at else time.monotonic() - self._shown_at
            left = duration(run.seconds_left - passed)
            grid.add_row("deadline", Text(""), Text(f"in {left}" + (" once resumed" if run.paused_at else "")))
        lines = Table.grid()
        lines.add_row(grid)
        if run.unsettled:
            names = named_stragglers(run, 5 if columns >= _COLUMNS_FOR_NAMES else 2)
            lines.add_row(Text(f"waiting for {names}", "dim"))
        return lines

    def scores_table(self, newest: int | None = None, *, cosines: bool = True) -> Table:
        """Scores by round: those of round 0, and of the ``newest`` other rounds (by default of all).

        The mean genuine and impostor cosines are left out if ``cosines`` is False.
        """
        table = Table(box=None, padding=(0, 1), collapse_padding=True, header_style="dim")  # fits into 80 columns
        table.add_column("round", justify="right")
        for far in self._far:
            table.add_column(f"TAR@{far}", justify="right")
        for name in ("AUC", "EER", *(("genuine", "impostor") if cosines else ())):
            table.add_column(name, justify="right")
        scored = [(view.number, view.scores) for view in self.rounds if view.scores]
        shown = scored if newest is None or len(scored) <= newest else [scored[0], *scored[-newest:]]
        for number, scores in shown:
            rates = [percent(scores.tar.get(far)) for far in self._far]
            means = [cosine(scores.mean_genuine_cosine), cosine(scores.mean_impostor_cosine)] if cosines else []
            table.add_row(str(number), *rates, f"{scores.auc:.4f}", percent(scores.eer), *means)
        return table
