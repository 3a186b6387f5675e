"""floworch beside its peers and its floors: one command, one machine, one run. See ``benchmarks/README.md``."""
