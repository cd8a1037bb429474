"""The verification gauges, read from the ledger when Prometheus scrapes: right after a restart, and in every process."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from fedface_core.domain.errors import UnavailableError
from fedface_core.domain.round import latest_scores
from fedface_core.ports import RunViews
from fedface_core.runtime.metrics import NEWEST_RUNS


class VerificationMetrics(Collector):
    """Collects `fedface_verification_*` of the newest evaluated model version of each of the newest runs."""

    def __init__(self, ledger: RunViews) -> None:
        self._ledger = ledger

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The gauges as of now; none while the ledger does not answer, which control's metrics tell."""
        labels = ["run", "protocol"]
        tar = GaugeMetricFamily("fedface_verification_tar", "TAR at a false accept rate.", labels=[*labels, "far"])
        auc = GaugeMetricFamily("fedface_verification_auc", "Area under the ROC curve.", labels=labels)
        eer = GaugeMetricFamily("fedface_verification_eer", "Equal error rate.", labels=labels)
        cosine = GaugeMetricFamily(
            "fedface_verification_cosine_mean", "Mean cosine of the pairs.", labels=[*labels, "pairs"]
        )
        number = GaugeMetricFamily("fedface_verification_round", "The round whose model was scored.", labels=labels)
        try:
            for run in self._ledger.runs(NEWEST_RUNS):
                latest = latest_scores([glance.round for glance in self._ledger.round_summaries(run.id)])
                if latest is None:
                    continue
                scored_round, scores = latest
                of = [run.id, scores.protocol]
                for far, rate in scores.tar.items():
                    if rate is not None:
                        tar.add_metric([*of, far], rate)
                auc.add_metric(of, scores.auc)
                eer.add_metric(of, scores.eer)
                cosine.add_metric([*of, "genuine"], scores.mean_genuine_cosine)
                cosine.add_metric([*of, "impostor"], scores.mean_impostor_cosine)
                number.add_metric(of, scored_round)
        except UnavailableError:
            return
        yield from (tar, auc, eer, cosine, number)

    def describe(self) -> list[GaugeMetricFamily]:
        """Nothing at registration, so that the ledger is not asked before the first scrape."""
        return []
