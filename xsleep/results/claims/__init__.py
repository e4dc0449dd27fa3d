"""Claims of the XSleepNet paper: results and comparisons in, a table of verdicts out."""
