"""How fast zeroframe is beside the other programs that do the same work: ``python -m benchmarks --help``."""
