"""How fast, as ratios: each measure beside something bare, in one run on one machine. `python -m tests.bench`."""
