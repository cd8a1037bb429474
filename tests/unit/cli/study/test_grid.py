"""A study file becomes jobs, or is refused with what is wrong and where."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedface_core.domain.errors import InvalidInputError
from fedface_lab.study.grid import Job, expand
from fedface_lab.study.pretrained import pretraining_of
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
def test_a_change_gives_only_the_jobs_it_touches_another_name(tmp_path: Path, change: tuple[str, str], same: int) -> None:
    before = {job.digest for job in jobs_of(write_study(tmp_path))}
    after = {job.digest for job in jobs_of(write_study(tmp_path, change))}
    assert len(before & after) == same


def test_jobs_share_a_pretraining_exactly_where_it_is_the_same(tmp_path: Path) -> None:
    def digests(*changes: tuple[str, str]) -> set[str]:
        return {start.digest for job in jobs_of(write_study(tmp_path, *changes)) if (start := pretraining_of(job))}

    shared = digests()
    assert len(shared) == 2, "one for each split seed, whatever the arm and the number of clients"
    assert digests(("steps = 0", "steps = 0\ndata.images_per_client = 1")) == shared
    assert len(digests(("steps = 0", "steps = 0\npretrain.epochs = 1"))) == 4
    assert digests(('fields = ["seed", ', 'fields = ["pretrain.seed", ')).isdisjoint(shared)
    assert not digests(("[pretrain]\nepochs = 2\nbatch_size = 4\n", ""))


WRONG: list[tuple[tuple[str, str], str]] = [
    (('name = "tiny"', 'name = "../tiny"'), "{path} is not a study:\n  name: String should match pattern"),
    (('name = "tiny"', "nam = 3"), "{path} is not a study:\n  name: Field required\n  nam: there is no such field"),
    (("seeds = [3, 5]", "seeds = [3, 3]"), "repeat.seeds: each seed once; 3 is here more often"),
    (("seeds = [3, 5]", "seeds = []"), "repeat.seeds: Tuple should have at least 1 item after validation, not 0"),
    (("[2, 4]", "[2, 2]"), "grid: split.clients needs a list of values, each once"),
    (("[2, 4]", "4"), "grid.split.clients: Input should be a valid tuple"),
    (
        ('upper_bound = "long"', 'upper_bound = "best"'),
        "upper_bound is 'best', but the arms are fedface, no",
    ),
    (
        ("[pretrain]\nepochs = 2\nbatch_size = 4\n", "[arms.x]\npretrain.epochs = 1\n"),
        "fields of pretrain are set, but there is no [pretrain]",
    ),
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
    (("split.clients = [2, 4]", "split.seed = [1, 2]"), "the grid sets split.seed, which is for [repeat] to set"),
    (("split.clients = [2, 4]", '"seed" = [1]'), "the grid sets seed, which is for [repeat] to set"),
    (("[grid]", "[grid"), "{path} is not TOML: "),
]


@pytest.mark.parametrize(("change", "complaint"), WRONG)
def test_what_is_wrong_is_named_with_the_file(tmp_path: Path, change: tuple[str, str], complaint: str) -> None:
    path = write_study(tmp_path, change)
    with pytest.raises(InvalidInputError) as refused:
        jobs_of(path)
    assert complaint.format(path=path) in str(refused.value)
    assert str(path) in str(refused.value)


def test_too_few_people_are_refused_before_anything_runs(tmp_path: Path) -> None:
    path = write_study(tmp_path, ("[2, 4]", "[2, 7]"))
    complaint = "fedface, split.clients=7, seed 3: split: 3 public + 7 clients + 5 test are 15 identities.* has 14"
    with pytest.raises(InvalidInputError, match=complaint.replace("+", r"\+")):
        [pretraining_of(job) for job in jobs_of(path)]


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"cannot read .*none\.toml: No such file"):
        read_study(tmp_path / "none.toml")


def test_a_table_on_an_axis_is_each_jobs_own(tmp_path: Path) -> None:
    spread = ("split.clients = [2, 4]", "local_training = [{steps = 1, learning_rate = 0.05}]")
    jobs = jobs_of(write_study(tmp_path, spread, ('fields = ["seed"', 'fields = ["seed", "local_training.batch_size"')))
    assert [job.plan.local_training.batch_size for job in jobs] == [3, 3, 3, 5, 5, 5]
    assert {str(job.point) for job in jobs} == {"(('local_training', {'steps': 1, 'learning_rate': 0.05}),)"}


def test_a_byte_order_mark_changes_nothing(tmp_path: Path) -> None:
    path = write_study(tmp_path)
    plain = jobs_of(path)
    path.write_text(path.read_text(), encoding="utf-8-sig")
    assert jobs_of(path) == plain
