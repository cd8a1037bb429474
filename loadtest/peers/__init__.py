"""The same federated round on a bare PyTorch loop, on Flower, on pfl-research and on ours, timed side by side."""
