"""One script a claim: ``python -m tests.benchmarks.NAME [--quick]``; the last line is one JSON object."""
