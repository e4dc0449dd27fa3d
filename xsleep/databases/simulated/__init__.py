"""A simulated cohort, written as Sleep-EDF cassette files so that one reader reads both.

``cohort`` says who sleeps how, ``hypnogram`` when, ``waves`` and ``signals`` what the
electrodes see of it, ``files`` what the files look like. Levels and spreads of the
background activity come from ``calibration.csv``: one line per stage, channel and band
with the logarithmic density (ln of microvolts squared per hertz), its deviation from
epoch to epoch and between subjects, and a factor on the channel's movement artefacts.
They were found by simulating, measuring the band powers of the written files, correcting
by the difference to those of the 153 real Sleep-EDF nights, and repeating
(``benchmarks/simulated_realism.py --calibrate``).
"""

from xsleep.databases.simulated.database import SimulatedCohort as SimulatedCohort
