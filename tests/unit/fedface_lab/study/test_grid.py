"""A study becomes jobs, or is refused with the file, the arm, the point and the seed that are wrong."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fedface_core.domain.errors import InvalidInputError
from fedface_core.domain.plan import Plan
from fedface_core.domain.plan.aggregation import AdaptivePlan, SgdPlan
from fedface_lab.study.grid import Job, expand
from fedface_lab.study.study_file import read_study
from support.tiny_study import write_study


def jobs_of(path: Path) -> list[Job]:
    return expand(read_study(path), path)


def test_every_arm_at_every_point_with_every_seed_seed_by_seed(tmp_path: Path) -> None:
    jobs = jobs_of(write_study(tmp_path))
    assert [(job.arm, job.plan.split.clients, job.seed) for job in jobs] == [
        (arm, clients, seed) for seed in (3, 5) for arm in ("fedface", "no spreadout", "long") for clients in (2, 4)
    ]
    assert [job.title for job in jobs[:2]] == [f"fedface, split.clients={clients}, seed 3" for clients in (2, 4)]
    assert all((job.plan.seed, job.plan.split.seed, job.plan.data.seed) == (job.seed, job.seed, 0) for job in jobs)
    assert {(job.arm, job.plan.spreadout.steps, job.plan.local_training.steps) for job in jobs} == {
        ("fedface", 10, 1),
        ("no spreadout", 0, 1),
        ("long", 10, 3),
    }
    assert all(job.plan.local_training.learning_rate == 0.05 for job in jobs)
    assert [job.keeps_embeddings for job in jobs] == [True] * 6 + [False] * 6
    assert {job.scored_rounds for job in jobs} == {(0, 2, 3)}
    assert len({job.digest for job in jobs}) == 12


def test_the_least_number_of_updates_in_a_model_changes_no_digest_of_older_results(tmp_path: Path) -> None:
    """It was 1 in every plan, which its JSON said, and a simulation does not use it."""
    job, *_ = jobs_of(write_study(tmp_path))
    cohort = job.plan.cohort.model_copy(update={"minimum": 1})
    as_it_was = replace(job, plan=job.plan.model_copy(update={"cohort": cohort}))
    assert as_it_was.plan != job.plan
    assert as_it_was.digest == job.digest


FUSED = ('upper_bound = "long"', 'fused = ["no spreadout"]')
SEEN = ("learning_rate = 0.05}", 'learning_rate = 0.05, losses = "seen"}')


def test_an_arm_may_have_fused_rounds_and_says_so(tmp_path: Path) -> None:
    before = {job.title: job.digest for job in jobs_of(write_study(tmp_path, SEEN))}
    jobs = jobs_of(write_study(tmp_path, SEEN, FUSED))
    assert {job.arm for job in jobs if job.fused} == {"no spreadout"}
    assert next(job.title for job in jobs if job.fused) == "no spreadout, split.clients=2, seed 3, fused rounds"
    # It rounds differently, so it is another result; those of the other arms keep their names.
    assert all((before.get(job.title) == job.digest) is not job.fused for job in jobs)
    assert not {job.digest for job in jobs if job.fused} & set(before.values())


def test_an_arm_may_start_centred_and_says_so(tmp_path: Path) -> None:
    centred = ('upper_bound = "long"', 'centred = ["no spreadout"]')
    before = {job.title: job.digest for job in jobs_of(write_study(tmp_path))}
    jobs = jobs_of(write_study(tmp_path, centred))
    assert {job.title for job in jobs if job.centred} == {
        f"{title}, centred" for title in before if title.startswith("no spreadout")
    }
    assert all((before.get(job.title) == job.digest) is not job.centred for job in jobs)
    assert not {job.digest for job in jobs if job.centred} & set(before.values())


def test_an_arm_may_end_recentred_and_says_so(tmp_path: Path) -> None:
    before = {job.title: job.digest for job in jobs_of(write_study(tmp_path))}
    jobs = jobs_of(write_study(tmp_path, ('upper_bound = "long"', 'recentred = ["long"]')))
    assert {job.arm for job in jobs if job.recentred} == {"long"}
    assert next(job.title for job in jobs if job.recentred).endswith(", recentred")
    assert not {job.digest for job in jobs if job.recentred} & set(before.values())


def test_an_arm_is_not_centred_twice(tmp_path: Path) -> None:
    centred = ('upper_bound = "long"', 'centred = ["long"]')
    path = write_study(tmp_path, centred, ("[arms.long]", "[arms.long]\nmodel.centring = true"))
    with pytest.raises(InvalidInputError, match=r"the arm is centred before round 0; set model\.centring to false"):
        jobs_of(path)


def test_an_arm_whose_rounds_cannot_be_fused_is_named(tmp_path: Path) -> None:
    path = write_study(tmp_path, SEEN, ('upper_bound = "long"', 'fused = ["long"]'))
    complaint = r"arm long, split.clients=2, seed 3: the rounds of this plan cannot be fused: local_training.steps is 3"
    with pytest.raises(InvalidInputError, match=complaint):
        jobs_of(path)


VALIDATION = ("test = 5\n", "test = 5\nvalidation = 2\n")
CHOOSING = ("score_every = 2\n", 'score_every = 2\nscored_part = "validation"\n')


def test_scores_of_validation_people_are_other_results_than_those_of_test_people(tmp_path: Path) -> None:
    at_the_end = jobs_of(write_study(tmp_path, VALIDATION))
    choosing = jobs_of(write_study(tmp_path, VALIDATION, CHOOSING))
    assert {job.scored_rounds for job in choosing} == {(0, 2, 3)}
    assert {job.scored_rounds for job in at_the_end} == {(0, 3)}, "test people are scored once, before and after"
    assert {job.digest for job in choosing}.isdisjoint(replace(job, scored_part="test").digest for job in choosing)
    with pytest.raises(InvalidInputError, match=r"scored_part is validation, but the plan has no such people: set split\."):
        jobs_of(write_study(tmp_path, CHOOSING))


def test_without_a_grid_there_is_one_job_an_arm_and_seed(tmp_path: Path) -> None:
    jobs = jobs_of(write_study(tmp_path, ("[grid]\nsplit.clients = [2, 4]\n", "")))
    assert [job.title for job in jobs[:3]] == ["fedface, seed 3", "no spreadout, seed 3", "long, seed 3"]


@pytest.mark.parametrize(
    ("change", "same"),
    [
        (('name = "tiny"', 'name = "other"'), 12),
        (('upper_bound = "long"', ""), 12),
        (("clients = [2, 4]", "clients = [2, 5]"), 6),
        (("spreadout.steps = 0", "spreadout.steps = 1"), 8),
        (("seeds = [3, 5]", "seeds = [3, 6]"), 6),
        (("epochs = 2", "epochs = 3"), 0),
        (("score_every = 2", "score_every = 1"), 0),
    ],
)
def test_a_change_gives_a_new_digest_only_to_the_jobs_that_it_affects(
    tmp_path: Path, change: tuple[str, str], same: int
) -> None:
    before = {job.digest for job in jobs_of(write_study(tmp_path))}
    after = {job.digest for job in jobs_of(write_study(tmp_path, change))}
    assert len(before & after) == same


@pytest.mark.parametrize("adam", ['{epsilon = 0.01, name = "adam"}', '{name = "adam", epsilon = 0.01}'])
def test_an_arm_that_names_another_choice_has_none_of_the_formers_parameters(tmp_path: Path, adam: str) -> None:
    study = ("[arms.long]", f"[arms.long]\naggregation.optimiser = {adam}")
    sgd = ("[plan]", '[plan]\naggregation.optimiser = {name = "sgd", weight_decay = 2e-3}')
    optimisers = {job.arm: job.plan.aggregation.optimiser for job in jobs_of(write_study(tmp_path, study, sgd))}
    assert optimisers["long"] == AdaptivePlan(name="adam", epsilon=0.01)
    assert optimisers["fedface"] == SgdPlan(name="sgd", weight_decay=2e-3)


def test_an_arm_that_names_its_plan_otherwise_keeps_all_else(tmp_path: Path) -> None:
    plans = ("[plan]", '[plan]\nname = "all"')
    of_arm = {
        job.arm: job.plan for job in jobs_of(write_study(tmp_path, plans, ("[arms.long]", '[arms.long]\nname = "one"')))
    }
    assert (of_arm["long"].name, of_arm["fedface"].name) == ("one", "all")
    assert of_arm["long"].data == of_arm["fedface"].data != Plan().data


def test_a_table_on_an_axis_is_each_jobs_own(tmp_path: Path) -> None:
    spread = ("split.clients = [2, 4]", "local_training = [{steps = 1, learning_rate = 0.05}]")
    jobs = jobs_of(write_study(tmp_path, spread, ('fields = ["seed"', 'fields = ["seed", "local_training.batch_size"')))
    assert [job.plan.local_training.batch_size for job in jobs] == [3, 3, 3, 5, 5, 5]
    assert {str(job.point) for job in jobs} == {"(('local_training', {'steps': 1, 'learning_rate': 0.05}),)"}


WRONG: list[tuple[tuple[str, str], str]] = [
    (
        ("spreadout.steps = 0", "spreadout.stepz = 0"),
        "{path}, arm no spreadout, split.clients=2, seed 3: this is not a plan:\n  spreadout.stepz: there is no such field",
    ),
    (
        ("[2, 4]", "[2, 0]"),
        "{path}, arm fedface, split.clients=0, seed 3: this is not a plan:\n  split.clients: Input should be greater than 0",
    ),
    (
        ("spreadout.steps = 0", "rounds.steps = 0"),
        "arm no spreadout, split.clients=2, seed 3: rounds.steps sets a field of rounds, which is set to 3 as a whole",
    ),
    (
        ("epochs = 2", "epoch = 2"),
        "{path}, arm fedface, split.clients=2, seed 3: [pretrain] is wrong:\n  epoch: there is no such field",
    ),
    (
        ('weights = "random"', f'weights = "{"a" * 64}"'),
        f"model.weights is {'a' * 64}; in this study it must be random, for [pretrain] trains the initial network",
    ),
    (
        ('metric = "tar@5e-1"', 'metric = "tar@1e-2"'),
        "seed 3: metric is 'tar@1e-2', but the plan gives tar@5e-1, tar@1e-3, auc, eer",
    ),
]


@pytest.mark.parametrize(("change", "complaint"), WRONG)
def test_an_arm_that_is_no_plan_is_named_with_its_point_and_seed(
    tmp_path: Path, change: tuple[str, str], complaint: str
) -> None:
    path = write_study(tmp_path, change)
    with pytest.raises(InvalidInputError) as refused:
        jobs_of(path)
    assert complaint.format(path=path) in str(refused.value)
    assert str(path) in str(refused.value)
