"""A study of twelve jobs, each of which takes a fraction of a second."""

from __future__ import annotations

from pathlib import Path

from support.tiny_run import write_faces

TINY = """
name = "tiny"
metric = "tar@5e-1"
score_every = 2
upper_bound = "long"

[plan]
rounds = 3
far = [0.5, 1e-3]
local_training = {{steps = 1, learning_rate = 0.05}}

[plan.model]
architecture = "spherenet-4"
height = 8
width = 8
channels = 1
embedding_size = 4
widths = [2, 2, 2, 4]
weights = "random"

[plan.data]
dataset = "folder"
folder = "{folder}"

[plan.split]
public = 3
test = 5

[pretrain]
epochs = 2
batch_size = 4

[arms.fedface]

[arms."no spreadout"]
spreadout.steps = 0

[arms.long]
"local_training.steps" = 3

[grid]
split.clients = [2, 4]

[repeat]
seeds = [3, 5]
fields = ["seed", "split.seed"]
"""


# Changes of the study for `write_study`.
NO_PRETRAINING = ("[pretrain]\nepochs = 2\nbatch_size = 4\n", "")
ONE_SEED = ("seeds = [3, 5]", "seeds = [3]")
ONE_POINT = ("clients = [2, 4]", "clients = [4]")


def write_study(folder: Path, *changes: tuple[str, str]) -> Path:
    """Write the study file and its photographs into ``folder``; each change replaces a piece of the file's text."""
    faces = folder / "faces"
    if not faces.exists():
        write_faces(faces, identities=14)
    text = TINY.format(folder=faces)
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path = folder / "tiny.toml"
    path.write_text(text)
    return path
