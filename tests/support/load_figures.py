"""Figures of a load that nobody measured, for tests of what is computed from them."""

from __future__ import annotations

from loadtest.bench.control_rounds import ROUNDS, LoadFigures, RoundFigures


def load_figures(clients: int, seconds: float) -> LoadFigures:
    """A load whose rounds take ``seconds`` each, half of them open."""
    rounds = tuple(
        RoundFigures(
            round=number,
            accepted=clients,
            failed=0,
            opening_seconds=0.1,
            open_seconds=seconds / 2,
            aggregating_seconds=seconds / 4,
            evaluating_seconds=seconds / 4,
            turnover_seconds=None,
        )
        for number in range(ROUNDS + 1)
    )
    usage = {"control": 80.0, "sweep": 200.0}
    return LoadFigures(
        clients=clients,
        artifacts="directory",
        seconds=4 * seconds,
        rounds=rounds,
        api_requests=1,
        api_ms={"p50": 1.0, "p95": 2.0, "p99": 3.0},
        cpu_seconds=usage,
        peak_mib=usage,
    )
