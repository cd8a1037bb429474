"""Lists of runs: which runs a page shows, as the API filters them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from fedface_console.control_api import ControlApi
from fedface_core.contracts.http import RunList
from fedface_core.domain.run import RunPhase

ON_A_PAGE: Final = 50


@dataclass(frozen=True)
class RunFilter:
    """Which runs are shown: those whose name or id has a text, in a phase, of an owner. Empty means all."""

    text: str = ""
    phase: RunPhase | None = None
    owner: str = ""

    @property
    def is_set(self) -> bool:
        """Whether some runs are left out."""
        return bool(self.text or self.phase or self.owner)

    @property
    def _fields(self) -> dict[str, str]:
        fields = {"text": self.text, "phase": self.phase or "", "owner": self.owner}
        return {name: value for name, value in fields.items() if value}

    def query(self, before: str | None) -> str:
        """The query of the page that has older runs than ``before``."""
        return urlencode(self._fields | ({"before": before} if before else {}))

    async def page(self, api: ControlApi, before: str | None) -> RunList:
        """The newest `ON_A_PAGE` of these runs, or those that are older than ``before``."""
        return await api.get(RunList, "/v1/runs", limit=ON_A_PAGE, before=before, **self._fields)
