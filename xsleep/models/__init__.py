"""The five systems of the XSleepNet paper as PyTorch networks."""

from xsleep.models.network import SYSTEMS, Network, NetworkSettings, build

__all__ = ["SYSTEMS", "Network", "NetworkSettings", "build"]
