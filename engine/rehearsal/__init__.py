"""What definitions would send in the days to come, on a ledger that is only thought; and two revisions side by side."""
