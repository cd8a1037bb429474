"""The sparklines of a page of runs. Those of rounds that have finished are kept, since they do not change any more."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

from fedface_console.control_api import ControlApi
from fedface_console.curves import curves_of
from fedface_console.errors import PageError
from fedface_console.pictures import Sparkline, sparkline
from fedface_console.rounds import all_rounds
from fedface_core.contracts.http import RunSummary

MOST_KEPT: Final = 2000
_AT_ONCE: Final = 8

State = tuple[str, int, str]


class Sparklines:
    """The sparklines of runs, by run and by how far it was when it was read."""

    def __init__(self) -> None:
        self._kept: OrderedDict[State, Sparkline | None] = OrderedDict()

    async def of(self, api: ControlApi, runs: Sequence[RunSummary]) -> dict[str, Sparkline | None]:
        """The sparkline of the strictest resolved TAR of each run. A run whose rounds cannot be read now has none.

        Whoever asks must have been shown the runs by the API before.
        """
        gate = asyncio.Semaphore(_AT_ONCE)

        async def one(run: RunSummary) -> Sparkline | None:
            state = (run.id, run.finished_rounds, str(run.phase))
            if state in self._kept:
                self._kept.move_to_end(state)
                return self._kept[state]
            async with gate:
                try:
                    rounds = await all_rounds(api, run.id)
                except PageError:  # the run was deleted meanwhile, or the API is away: the page says that itself
                    return None
            tar = next((chart for chart in curves_of(rounds).charts if chart.id == "tar"), None)
            drawn = sparkline(tar.lines[-1].values, tar.lines[-1].label) if tar else None
            self._kept[state] = drawn
            if len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)
            return drawn

        scored = [run for run in runs if run.scores is not None]
        return dict(zip([run.id for run in scored], await asyncio.gather(*map(one, scored)), strict=True))
