"""`fedface bench peers`: one federated round on the bare loop, Flower, pfl-research and FedFace, timed in turns."""
