"""What a run may cost at most, judged from its plan when it is created: a plan of any size is valid, and not every machine
can carry it out.

The figures are those of one task, since a task is what holds a worker, and of what a process holds in memory at once. They
are estimates to the factor of two or so; the limits are far above honest plans, and control's settings move them. A plan
that is stored was judged before, and is not judged again. C clients, D dimensions, K public identities.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from fedface_core.domain.errors import InvalidInputError
from fedface_core.domain.network_size import NetworkSize, network_size
from fedface_core.domain.plan import DataPlan, Plan
from fedface_core.domain.plan.data import IMAGES_OF_EACH
from fedface_core.domain.plan.strategy import WITHOUT_SPREADOUT, FedFRPlan, FedFVPlan, PublicNegativesPlan

IMAGES_IF_UNKNOWN: Final = 20
"""The images of an identity, where neither the plan nor the data set says how many there are."""
LEAST_OF_A_STEP: Final = 2_000_000_000
"""Multiplications that could be made in the time of the smallest gradient step: some 20 ms of one core."""
LEAST_OF_AN_IMAGE: Final = 200_000_000
"""Multiplications that could be made in the time in which an image is read."""
_BATCH: Final = 32  # images that are embedded at once
BACKWARD: Final = 3
"""A gradient step is a forward pass, and twice as much work backward."""


@dataclass(frozen=True)
class Budget:
    """The limits of a run. `fedface_core.runtime.settings.ControlSettings` has a setting for each."""

    parameters: int = 250_000_000
    """Of the network; four bytes each, which is the largest model file."""
    class_numbers: int = 250_000_000
    """Of the class embeddings of clients, or of public identities that clients are given: their count times D."""
    numbers_held: int = 10_000_000_000
    """In the memory of one process: images and the outputs of layers, or the scores of pairs."""
    multiplications: int = 10**15
    """Of one task: some hours of one core, or some minutes of a GPU."""


DEFAULT_BUDGET: Final = Budget()


@dataclass(frozen=True)
class Figure:
    """One figure of a plan, and what limits it."""

    says: str
    value: int
    limit: str
    """The name of the limit in `Budget`."""
    fields: str
    """The fields of the plan that make it."""

    def complaint(self, most: int) -> str:
        """What is wrong, where, and what would be right."""
        says = self.says.format(f"{self.value:.3g}")
        setting = f"FEDFACE_PLAN_{self.limit.upper()}"
        return f"{says}, more than the {most:.3g} that control allows; lower {self.fields}, or raise {setting} of control"


def require_within(plan: Plan, budget: Budget) -> None:
    """`InvalidInputError` if a figure of the plan is above the budget; it names each one, its fields and its setting."""
    complaints = [
        figure.complaint(getattr(budget, figure.limit))
        for figure in figures(plan)
        if figure.value > getattr(budget, figure.limit)
    ]
    if complaints:
        raise InvalidInputError("this run would cost too much: " + "; ".join(complaints))


def figures(plan: Plan) -> Iterator[Figure]:
    """All figures of a plan that a budget limits."""
    size = network_size(plan.model)
    model = "model.widths, model.height, model.width"
    yield Figure("the network has {} parameters", size.parameters, "parameters", f"{model}, model.embedding_size")
    yield from _class_figures(plan)
    yield from _client_figures(plan, size, model)
    yield from _aggregator_figures(plan, size, model)
    yield from _evaluator_figures(plan, size, model)


def _class_figures(plan: Plan) -> Iterator[Figure]:
    dimensions = plan.model.embedding_size
    if plan.only_sums:
        numbers = (dimensions + 1) * dimensions
        yield Figure("the class sums have {} numbers", numbers, "class_numbers", "model.embedding_size")
    else:
        numbers = plan.split.clients * dimensions
        yield Figure("the class embeddings have {} numbers", numbers, "class_numbers", "split.clients, model.embedding_size")
    if plan.public_in_rounds:
        numbers = plan.public_in_rounds * dimensions
        says = "the class embeddings of the public identities have {} numbers"
        yield Figure(says, numbers, "class_numbers", "split.public, model.embedding_size")


def _client_figures(plan: Plan, size: NetworkSize, model: str) -> Iterator[Figure]:
    local = plan.local_training
    images = images_of_a_client(plan.data)
    batch = images_of_a_step(plan)
    passes = (2 if local.losses == "measured" else 1) + (1 if plan.anchor else 0)
    step = max(multiplications_of_a_step(plan, size), LEAST_OF_A_STEP)
    work = local.steps * step + passes * images * max(size.multiplications, LEAST_OF_AN_IMAGE)
    fields = f"local_training.steps, local_training.batch_size, data.images_per_client, data.images_per_identity, {model}"
    yield Figure("a client's round takes {} multiplications", work, "multiplications", fields)
    held = (images + shared_photographs(plan)) * _pixels(plan) + batch * size.activations
    fields = f"local_training.batch_size, data.images_per_client, data.images_per_identity, {model}"
    if isinstance(plan.strategy, FedFRPlan):
        fields = f"strategy.shared_photographs, strategy.hard_negatives, {fields}"
    yield Figure("a client's step holds {} numbers", held, "numbers_held", fields)


def _aggregator_figures(plan: Plan, size: NetworkSize, model: str) -> Iterator[Figure]:
    clients = plan.split.clients
    dimensions = plan.model.embedding_size
    if plan.strategy.name not in WITHOUT_SPREADOUT:
        spread = plan.spreadout.steps * max(2 * clients**2 * dimensions, LEAST_OF_A_STEP) + clients**2 * dimensions
        fields = "spreadout.steps, split.clients, model.embedding_size"
        yield Figure("spreadout takes {} multiplications in a round", spread, "multiplications", fields)
    public = plan.public_in_rounds
    if isinstance(plan.strategy, FedFRPlan):
        images = public * images_of_an_identity(plan.data)
        fields = f"split.public, data.images_per_identity, {model}"
        work = 2 * images * max(size.multiplications, LEAST_OF_AN_IMAGE)
        yield Figure("the public photographs take {} multiplications in a round", work, "multiplications", fields)
        held = images * _pixels(plan) + _BATCH * size.activations
        yield Figure("the public photographs hold {} numbers", held, "numbers_held", fields)
    if not isinstance(plan.strategy, PublicNegativesPlan) or not public:
        return
    own_steps = plan.strategy.public_steps
    steps = plan.local_training.steps if own_steps is None else own_steps
    images = public * images_of_an_identity(plan.data)
    seen = images if plan.strategy.public_batch is None else min(plan.strategy.public_batch, images)
    passes = public if seen == images else -(-seen // _BATCH)
    negatives = multiplications_of_negatives(plan) + (0 if plan.only_sums else clients * dimensions)
    step = max(BACKWARD * seen * (size.multiplications + negatives), passes * LEAST_OF_A_STEP)
    work = steps * step + 2 * images * max(size.multiplications, LEAST_OF_AN_IMAGE)
    fields = f"strategy.public_steps, strategy.public_batch, split.public, data.images_per_identity, {model}"
    yield Figure("the public photographs take {} multiplications in a round", work, "multiplications", fields)
    at_once = images_of_an_identity(plan.data) if seen == images else min(seen, _BATCH)
    held = images * _pixels(plan) + at_once * size.activations
    fields = f"split.public, data.images_per_identity, {model}"
    yield Figure("a step on the public photographs holds {} numbers", held, "numbers_held", fields)


def _evaluator_figures(plan: Plan, size: NetworkSize, model: str) -> Iterator[Figure]:
    each = images_of_an_identity(plan.data)
    images = plan.split.test * each
    work = images * max(size.multiplications, LEAST_OF_AN_IMAGE) + images**2 * plan.model.embedding_size // 2
    fields = f"split.test, data.images_per_identity, {model}"
    yield Figure("an evaluation takes {} multiplications", work, "multiplications", fields)
    scores = images * each // 2  # those of the genuine pairs
    held = images * plan.model.embedding_size + scores + each * _pixels(plan) + min(each, _BATCH) * size.activations
    yield Figure("an evaluation holds {} numbers", held, "numbers_held", f"{fields}, model.embedding_size")


def multiplications_of_a_step(plan: Plan, size: NetworkSize) -> int:
    """Of one gradient step of a client: forward and backward, and with an anchor once more forward by that network."""
    of_anchor = size.multiplications if plan.anchor else 0
    of_an_image = BACKWARD * (size.multiplications + multiplications_of_negatives(plan)) + of_anchor
    return images_of_a_step(plan) * of_an_image


def multiplications_of_negatives(plan: Plan) -> int:
    """How many multiplications a strategy's negatives take for each image: a row each, and the covariance of a Gaussian."""
    dimensions = plan.model.embedding_size
    if isinstance(plan.strategy, FedFVPlan):
        return equivalent_class_embeddings(plan) * dimensions
    if not isinstance(plan.strategy, PublicNegativesPlan | FedFRPlan):
        return 0
    return plan.public_in_rounds * dimensions + (dimensions**2 if plan.only_sums else 0)


def equivalent_class_embeddings(plan: Plan) -> int:
    """How many negatives FedFV's clients are given; 0 with other strategies."""
    return plan.split.clients // plan.strategy.group_size if isinstance(plan.strategy, FedFVPlan) else 0


def shared_photographs(plan: Plan) -> int:
    """How many public photographs FedFR's clients are given; 0 with other strategies."""
    if not isinstance(plan.strategy, FedFRPlan):
        return 0
    return min(plan.strategy.shared_photographs, plan.split.public * images_of_an_identity(plan.data))


def images_of_a_step(plan: Plan) -> int:
    """How many images go through the network in one gradient step of a client."""
    images = images_of_a_client(plan.data)
    batch = plan.local_training.batch_size
    hard = min(plan.strategy.hard_negatives, shared_photographs(plan)) if isinstance(plan.strategy, FedFRPlan) else 0
    return (images if batch is None else min(batch, images)) + hard


def images_of_an_identity(data: DataPlan) -> int:
    """How many images a public or a test identity has, as far as the plan tells."""
    known = IMAGES_OF_EACH.get(data.dataset, IMAGES_IF_UNKNOWN)
    if data.images_per_identity is None:
        return known
    return min(data.images_per_identity, known) if data.dataset == "orl" else data.images_per_identity


def images_of_a_client(data: DataPlan) -> int:
    """How many images a client has, as far as the plan tells."""
    each = images_of_an_identity(data)
    if data.images_per_client is None:
        return each
    return data.images_per_client if data.dataset in ("folder", "recordio") else min(data.images_per_client, each)


def _pixels(plan: Plan) -> int:
    return plan.model.channels * plan.model.height * plan.model.width
