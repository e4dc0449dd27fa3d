"""File formats: EDF, XML and text files in, signals and scorings out."""
