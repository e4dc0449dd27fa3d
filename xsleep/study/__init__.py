"""The study: a configuration in, runs, folders and targets out."""
