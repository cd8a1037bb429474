"""The aggregator's Celery tasks: prepare a model, hand on shares, fold a shard, reduce a round."""

from __future__ import annotations

from functools import partial

from celery import Celery
from prometheus_client.registry import Collector

from fedface_aggregator.fold import fold_shard
from fedface_aggregator.hand_on import hand_on_shares
from fedface_aggregator.prepare import prepare_model
from fedface_aggregator.reduce import reduce_round
from fedface_core.bootstrap import connect
from fedface_core.contracts.tasks import AGGREGATOR
from fedface_core.domain.commands import FoldShard, HandOnShares, PrepareModel, ReduceRound
from fedface_core.runtime.celery_app import create_celery, register_handler
from fedface_core.runtime.clock_skew import ClockSkew
from fedface_core.runtime.patience import with_patience
from fedface_core.runtime.settings import ComputeSettings
from fedface_learning.data import PhotographRoots
from fedface_worker.failing_steps import step_came_back
from fedface_worker.workbench import Workbench


def create(settings: ComputeSettings) -> tuple[Celery, list[Collector]]:
    """The Celery app with the aggregator's tasks, and the collector of the clock's skew."""
    app = create_celery(settings, takes_from=AGGREGATOR)
    ports = connect(settings, app)
    roots = PhotographRoots.of(settings.photograph_roots)
    workbench = Workbench(with_patience(ports, settings.patience_seconds), roots=roots)
    came_back = partial(step_came_back, workbench.ports)
    register_handler(app, PrepareModel, partial(prepare_model, workbench), came_back)
    register_handler(app, HandOnShares, partial(hand_on_shares, workbench), came_back)
    register_handler(app, FoldShard, partial(fold_shard, workbench), came_back)
    register_handler(app, ReduceRound, partial(reduce_round, workbench), came_back)
    return app, [ClockSkew(ports.clock)]  # the clock without patience: a scrape must not wait
