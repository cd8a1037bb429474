"""Attacks on what a run leaves behind, to show what an aggregator could see: for the laboratory, on data of one's own."""
