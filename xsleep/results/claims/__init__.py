"""Claims of the XSleepNet paper: outcomes and comparisons in, a table of verdicts out."""
