"""One recording and a network in; its stages, what is doubtful about them, and pictures out."""
