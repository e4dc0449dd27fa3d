"""The claims of the XSleepNet paper, tested by what was run."""
