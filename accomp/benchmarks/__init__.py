"""How fast the parts are; each is run as `python -m accomp.benchmarks.NAME`."""
