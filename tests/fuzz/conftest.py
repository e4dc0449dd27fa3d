"""Profiles of hypothesis: the number of changed files that each test tries."""

from hypothesis import HealthCheck, settings

common = {
    "database": None,
    "deadline": None,
    "suppress_health_check": [HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
}
settings.register_profile("short", max_examples=60, derandomize=True, **common)
settings.register_profile("minutes", max_examples=1000, **common)
settings.register_profile("long", max_examples=1_000_000, **common)
settings.load_profile("short")
