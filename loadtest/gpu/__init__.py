"""`fedface bench gpu`: equal results and times on this machine's GPU, beside bare loops on that GPU in the same run."""
