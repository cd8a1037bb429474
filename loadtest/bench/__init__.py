"""`fedface bench aggregate`, `control`, `simulate`, `start` and `training`: how fast each part is, on this machine."""
