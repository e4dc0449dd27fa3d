"""Durations as they are told."""

import pytest

from xsleep.core.durations import duration


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        *((-1, "0 s"), (0.4, "0 s"), (99.4, "99 s"), (100, "2 min"), (99 * 60, "99 min")),
        *((100 * 60, "1 h 40 min"), (7200, "2 h"), (9.99 * 3600, "9 h 59 min")),
        *((12.4 * 3600, "12 h"), (71 * 3600, "71 h"), (72 * 3600, "3 days")),
        (1234.5 * 86400, "1,234 days"),
    ],
)
def test_a_duration_is_in_the_unit_of_its_size(seconds, told):
    assert duration(seconds) == told
