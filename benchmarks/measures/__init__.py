"""One module per workload: what is done, and what is timed."""
