"""Preparing data sets, and looking at them."""
