"""The verification gauges. They are read from the ledger at each scrape, so they are right after a restart too."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from fedface_core.domain.errors import NotFoundError, UnavailableError
from fedface_core.domain.round import latest_scores
from fedface_core.ports import RunViews
from fedface_core.runtime.metrics import NEWEST_RUNS
from fedface_core.runtime.readable_rounds import readable_rounds


class VerificationMetrics(Collector):
    """Collects the `fedface_verification_*` gauges of the newest evaluated model version of each of the newest runs."""

    def __init__(self, ledger: RunViews) -> None:
        self._ledger = ledger

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The present gauges, by the rounds that can be read.

        None while the ledger does not answer; control's metrics show that it is away.
        """
        label_names = ["run", "protocol"]
        tar = GaugeMetricFamily("fedface_verification_tar", "TAR at a false accept rate.", labels=[*label_names, "far"])
        auc = GaugeMetricFamily("fedface_verification_auc", "Area under the ROC curve.", labels=label_names)
        eer = GaugeMetricFamily("fedface_verification_eer", "Equal error rate.", labels=label_names)
        cosine = GaugeMetricFamily(
            "fedface_verification_cosine_mean", "Mean cosine of the pairs.", labels=[*label_names, "pairs"]
        )
        number = GaugeMetricFamily("fedface_verification_round", "The round whose model was scored.", labels=label_names)
        try:
            for run in self._ledger.runs(NEWEST_RUNS):
                try:
                    rounds, _ = readable_rounds(self._ledger, run)
                except NotFoundError:  # it was deleted meanwhile
                    continue
                latest = latest_scores([glance.round for glance in rounds])
                if latest is None:
                    continue
                scored_round, scores = latest
                labels = [run.id, scores.protocol]
                for far, rate in scores.tar.items():
                    if rate is not None:
                        tar.add_metric([*labels, far], rate)
                auc.add_metric(labels, scores.auc)
                eer.add_metric(labels, scores.eer)
                cosine.add_metric([*labels, "genuine"], scores.mean_genuine_cosine)
                cosine.add_metric([*labels, "impostor"], scores.mean_impostor_cosine)
                number.add_metric(labels, scored_round)
        except UnavailableError:
            return
        yield from (tar, auc, eer, cosine, number)

    def describe(self) -> list[GaugeMetricFamily]:
        """No gauges, so that registration does not ask the ledger; `collect` is called at the first scrape."""
        return []
