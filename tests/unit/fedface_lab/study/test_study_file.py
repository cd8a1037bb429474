"""A study file is read, or refused with the file and the fields that are wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedface_core.domain.errors import InvalidInputError
from fedface_lab.study.study_file import leaves, read_study
from support.tiny_study import write_study

WRONG: list[tuple[tuple[str, str], str]] = [
    (('name = "tiny"', 'name = "../tiny"'), "{path} is not a study:\n  name: String should match pattern"),
    (('name = "tiny"', "nam = 3"), "{path} is not a study:\n  name: is required\n  nam: there is no such field"),
    (("seeds = [3, 5]", "seeds = [3, 3]"), "repeat.seeds: each seed once; 3 is here more often"),
    (("seeds = [3, 5]", "seeds = []"), "repeat.seeds: Tuple should have at least 1 item after validation, not 0"),
    (("[2, 4]", "[2, 2]"), "grid: split.clients needs a list of values, each once"),
    (("[2, 4]", "4"), "grid.split.clients: 4 is not a list"),
    (
        ('upper_bound = "long"', 'upper_bound = "best"'),
        "upper_bound is 'best', but the arms are fedface, no",
    ),
    (
        ('upper_bound = "long"', 'fused = ["fedface", "best"]'),
        "fused names 'best', but the arms are fedface, no",
    ),
    (
        ('upper_bound = "long"', 'recentred = ["fedface", "best"]'),
        "recentred names 'best', but the arms are fedface, no",
    ),
    (
        ('upper_bound = "long"', 'centred = ["fedface", "best"]'),
        "centred names 'best', but the arms are fedface, no",
    ),
    (
        ('upper_bound = "long"', 'upper_bound = "long"\nwithout_clients = "public"'),
        "without_clients is 'public', but the arms are fedface, no",
    ),
    (
        ('upper_bound = "long"', 'without_clients = "long"'),
        "without_clients needs an upper_bound, which is another arm",
    ),
    (
        ('upper_bound = "long"', 'compared = {fedface = "fedavg"}'),
        "compared names 'fedavg', but the arms are fedface, no",
    ),
    (
        ('upper_bound = "long"', 'compared = {long = "long"}'),
        "compared has 'long' beside itself",
    ),
    (
        ('upper_bound = "long"', 'plot_against = "local_training.steps"'),
        "plot_against is local_training.steps, so every arm must set it, each to a number of its own",
    ),
    (
        ('upper_bound = "long"', 'scored_part = "clients"'),
        "scored_part: there is no 'clients'; there are: 'test', 'validation'",
    ),
    (
        ("[pretrain]\nepochs = 2\nbatch_size = 4\n", "[arms.x]\npretrain.epochs = 1\n"),
        "fields of pretrain are set, but there is no [pretrain]",
    ),
    (("split.clients = [2, 4]", "split.seed = [1, 2]"), "the grid sets split.seed, which is for [repeat] to set"),
    (("split.clients = [2, 4]", '"seed" = [1]'), "the grid sets seed, which is for [repeat] to set"),
    (("[grid]", "[grid"), "{path} is not TOML: "),
]


@pytest.mark.parametrize(("change", "complaint"), WRONG)
def test_what_is_wrong_is_named_with_the_file(tmp_path: Path, change: tuple[str, str], complaint: str) -> None:
    path = write_study(tmp_path, change)
    with pytest.raises(InvalidInputError) as refused:
        read_study(path)
    assert complaint.format(path=path) in str(refused.value)
    assert str(path) in str(refused.value)


THE_ARMS = '[arms.fedface]\n\n[arms."no spreadout"]\nspreadout.steps = 0\n\n[arms.long]\n"local_training.steps" = 3\n'


@pytest.mark.parametrize("values", [("5", "10", "5"), ("5", "true", "10"), ("5", '"10"', "20")], ids=str)
def test_arms_that_are_plotted_as_points_are_at_numbers_and_at_different_ones(
    tmp_path: Path, values: tuple[str, str, str]
) -> None:
    def study_with(values: tuple[str, ...]) -> Path:
        arms = "".join(f"[arms.{name}]\ncohort.size = {value}\n" for name, value in zip("abc", values, strict=True))
        return write_study(tmp_path, (THE_ARMS, arms), ('upper_bound = "long"', 'plot_against = "cohort.size"'))

    assert read_study(study_with(("5", "10", "20"))).plot_against == "cohort.size"
    with pytest.raises(InvalidInputError, match=r"cohort\.size, so every arm must set it, each to a number of its own"):
        read_study(study_with(values))


@pytest.mark.parametrize(
    "elsewhere", [("split.clients = [2, 4]", "cohort.size = [2, 4]"), ('"split.seed"]', '"cohort.size"]')]
)
def test_nothing_but_the_arm_sets_where_it_is_plotted(tmp_path: Path, elsewhere: tuple[str, str]) -> None:
    arms = "".join(f"[arms.{name}]\ncohort.size = {size}\n" for name, size in (("a", 2), ("b", 4)))
    path = write_study(tmp_path, (THE_ARMS, arms), ('upper_bound = "long"', 'plot_against = "cohort.size"'), elsewhere)
    with pytest.raises(InvalidInputError, match=r"cohort\.size, which is not for the arms alone to set"):
        read_study(path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"cannot read .*none\.toml: No such file"):
        read_study(tmp_path / "none.toml")


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "study.toml").write_bytes(b'name = "\xff"')
    with pytest.raises(InvalidInputError, match=r"study\.toml is not text: a study is a TOML file"):
        read_study(tmp_path / "study.toml")


def test_nested_tables_and_dotted_names_are_the_same_fields() -> None:
    assert leaves({"a": {"b": 1, "c": {"d": [2]}}, "e.f": 3}) == [("a.b", 1), ("a.c.d", [2]), ("e.f", 3)]


def test_a_plan_is_no_study_and_says_how_to_run_it(tmp_path: Path) -> None:
    path = tmp_path / "plan.toml"
    path.write_text("rounds = 3\n[split]\nclients = 4\n")
    with pytest.raises(InvalidInputError, match=f"{path} is a plan, of one run, and a study is of many: fedface run create"):
        read_study(path)
