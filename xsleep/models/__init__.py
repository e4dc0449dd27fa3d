"""The systems of the XSleepNet paper and of the transfer paper as PyTorch networks."""

from xsleep.models.network import Network, build
from xsleep.settings import SYSTEMS, NetworkSettings

__all__ = ["SYSTEMS", "Network", "NetworkSettings", "build"]
