"""An independent evaluator of semantics.md: naive, slow, written from the page and not from the code."""
