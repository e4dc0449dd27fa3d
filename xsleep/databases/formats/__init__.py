"""File formats: EDF, XML, CSV and text files in, signals and hypnograms out."""
