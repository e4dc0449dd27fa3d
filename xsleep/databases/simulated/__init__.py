"""A simulated cohort, written as Sleep-EDF cassette files so that one reader reads both.

``cohort`` has the subjects, ``hypnogram`` their stages, ``waves`` and ``signals`` the signals, and
``files`` the format. ``calibration.csv`` has, for each stage, channel and band of the background
activity, the logarithmic density (ln of microvolts squared per hertz), its standard deviations from
epoch to epoch and between subjects, and a factor on the channel's movement artefacts. The values
were found by simulating, measuring the band powers of the written files, correcting by the
difference to those of the 153 real Sleep-EDF recordings, and repeating
(``benchmarks/simulated_realism.py --calibrate``).
"""

from xsleep.databases.simulated.database import SimulatedCohort as SimulatedCohort
