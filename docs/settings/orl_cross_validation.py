"""Choose the ORL demo's settings by cross-validation over identity splits: run the grid, then report its gains.

    OMP_NUM_THREADS=1 python docs/settings/orl_cross_validation.py run FOLDER --splits 5 --jobs 2
    python docs/settings/orl_cross_validation.py report FOLDER

`run` writes one CSV for each setting and split, with a line for each round. It skips files that exist, so it can be stopped
and started again. `report` prints Markdown. The criterion, fixed before anything was run, is the largest mean gain in
TAR@1e-2 over (setting, number of rounds). The nested gain does not profit from that choice: for each split, the choice is
made on the other splits, and its gain is measured on this split.
"""

from __future__ import annotations

import argparse
import csv
import math
import multiprocessing
import statistics
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from fedface_core.domain.plan import Plan
from fedface_learning.seeding import use_deterministic_torch
from fedface_learning.simulation.simulate import SimulatedRound, simulate

CRITERION = "tar@1e-2"
METRICS = ("tar@1e-1", "tar@1e-2", "tar@1e-3", "tar@1e-4", "auc", "eer", "mean_genuine_cosine", "mean_impostor_cosine")
ROUNDS = 6
FIRST_SPLIT = 1  # split 0 was used to draw up the grid, so it must not be used to choose


@dataclass(frozen=True)
class Setting:
    """One point of the grid."""

    low_resolution: int | None
    learning_rate: float
    local_steps: int
    spreadout: bool = True

    @property
    def name(self) -> str:
        """The setting's name in file names and tables."""
        images = f"{self.low_resolution}px" if self.low_resolution else "plain"
        return f"{images}-lr{self.learning_rate:g}-steps{self.local_steps}" + ("" if self.spreadout else "-nospread")

    def plan(self, split: int) -> Plan:
        """The plan of a run of 20 clients, which is tested on the 20 other people."""
        return Plan.model_validate(
            {
                "data": {"dataset": "orl", "low_resolution": self.low_resolution},
                "split": {"clients": 20, "test": 20, "seed": split},
                "local_training": {"steps": self.local_steps, "learning_rate": self.learning_rate},
                "spreadout": {} if self.spreadout else {"steps": 0},
                "rounds": ROUNDS,
                "seed": split,
            }
        )


# The most promising first. All splits of a setting are run before the next setting: if time runs out, settings are missing.
GRID = (
    Setting(None, 1e-4, 3),
    Setting(20, 1e-4, 3),
    Setting(None, 5e-5, 3),
    Setting(None, 1e-4, 1),
    Setting(None, 1e-4, 3, spreadout=False),
)

Curve = list[dict[str, float]]  # of one setting and split: the metrics by round; round 0 is before training


def run_one(setting: Setting, split: int, target: Path) -> str:
    """Simulate a setting on a split, write its rounds to the CSV ``target``, and return a line about the time."""
    use_deterministic_torch(1)
    start = time.monotonic()
    with target.with_suffix(".part").open("w", newline="", buffering=1) as file:
        writer = csv.DictWriter(file, ["round", *METRICS, "loss_before", "loss_after", "update_norm", "spreadout_loss"])
        writer.writeheader()
        simulate(setting.plan(split), lambda finished: writer.writerow(_row(finished)))
    target.with_suffix(".part").replace(target)
    return f"{target.stem}: {time.monotonic() - start:.0f} s"


def _row(finished: SimulatedRound) -> dict[str, float | int | None]:
    scores = finished.verification.scores
    aggregation = finished.aggregation
    row = {"round": finished.number, **{f"tar@{far}": tar for far, tar in scores.tar.items()}}
    row |= {name: getattr(scores, name) for name in METRICS if not name.startswith("tar@")}
    return row | {
        name: getattr(aggregation, name) for name in ("loss_before", "loss_after", "update_norm", "spreadout_loss")
    }


def run(folder: Path, splits: int, jobs: int, settings: Iterable[Setting]) -> None:
    """Run the settings on the splits for which ``folder`` has no CSV, in so many processes as ``jobs`` says."""
    folder.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        futures = []
        for setting in settings:
            for split in range(FIRST_SPLIT, FIRST_SPLIT + splits):
                target = folder / f"{setting.name}-split{split}.csv"
                if not target.exists():
                    futures.append(pool.submit(run_one, setting, split, target))
        for done in as_completed(futures):
            print(done.result(), flush=True)


def load(folder: Path, splits: int) -> dict[str, list[Curve]]:
    """The curves by setting, one for each split. Settings without all splits are left out."""
    curves = {}
    for setting in GRID:
        files = [folder / f"{setting.name}-split{split}.csv" for split in range(FIRST_SPLIT, FIRST_SPLIT + splits)]
        if all(file.exists() for file in files):
            curves[setting.name] = [_load_curve(file) for file in files]
    return curves


def _load_curve(file: Path) -> Curve:
    with file.open(newline="") as lines:
        return [{name: float(row[name]) for name in METRICS} for row in csv.DictReader(lines)]


def gain(curve: Curve, rounds: int, metric: str) -> float:
    """The gain of a metric: after so many rounds, minus before training."""
    return curve[rounds][metric] - curve[0][metric]


def choose(curves: Mapping[str, list[Curve]], splits: Iterable[int]) -> tuple[str, int]:
    """The setting and the number of rounds with the largest mean gain in the criterion over ``splits``."""
    chosen_on = list(splits)
    options = [(name, rounds) for name in curves for rounds in range(1, ROUNDS + 1)]

    def mean_gain(option: tuple[str, int]) -> float:
        name, rounds = option
        return statistics.fmean(gain(curves[name][split], rounds, CRITERION) for split in chosen_on)

    return max(options, key=mean_gain)


def report(folder: Path, splits: int) -> None:
    """Print the gains of all settings, the choice, and the gain of the choice on the splits that it was not made on."""
    curves = load(folder, splits)
    print(f"Gain, after − before, in percentage points: mean ± standard error over {splits} splits.\n")
    print("| setting | rounds | " + " | ".join(METRICS[:6]) + " |\n|---|---|" + "---|" * 6)
    for name, by_split in curves.items():
        for rounds in sorted({3, choose({name: by_split}, range(splits))[1], ROUNDS}):
            cells = [_mean_error([100 * gain(curve, rounds, metric) for curve in by_split]) for metric in METRICS[:6]]
            print(f"| {name} | {rounds} | " + " | ".join(cells) + " |")
    chosen, rounds = choose(curves, range(splits))
    print(f"\nChosen: {chosen}, {rounds} rounds. On the splits it was chosen on, in per cent:\n")
    print("| metric | before | after | gain |\n|---|---|---|---|")
    for metric in METRICS:
        before = _mean_error([100 * curve[0][metric] for curve in curves[chosen]])
        after = _mean_error([100 * curve[rounds][metric] for curve in curves[chosen]])
        change = _mean_error([100 * gain(curve, rounds, metric) for curve in curves[chosen]])
        print(f"| {metric} | {before} | {after} | {change} |")
    choices = [choose(curves, set(range(splits)) - {left_out}) for left_out in range(splits)]
    print("\nNested, the choice for each split made on the others:\n")
    print("| metric | gain |\n|---|---|")
    for metric in METRICS[:6]:
        gains = [100 * gain(curves[name][left_out], rounds, metric) for left_out, (name, rounds) in enumerate(choices)]
        print(f"| {metric} | {_mean_error(gains)} |")
    listed = (f"split {split}: {name}, {rounds} rounds" for split, (name, rounds) in enumerate(choices, FIRST_SPLIT))
    print(f"\nNested choices: {'; '.join(listed)}")


def _mean_error(values: list[float]) -> str:
    return f"{statistics.fmean(values):+.2f} ± {statistics.stdev(values) / math.sqrt(len(values)):.2f}"


def main() -> None:
    """Run the step that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=["run", "report"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=1, help="processes of one thread each")
    parser.add_argument("--settings", nargs="*", choices=[setting.name for setting in GRID], help="all by default")
    arguments = parser.parse_args()
    if arguments.step == "run":
        settings = [setting for setting in GRID if not arguments.settings or setting.name in arguments.settings]
        run(arguments.folder, arguments.splits, arguments.jobs, settings)
    else:
        report(arguments.folder, arguments.splits)


if __name__ == "__main__":
    main()
