"""The systems of the XSleepNet paper and of the transfer paper as PyTorch networks."""

from xsleep.config.settings import SYSTEMS, NetworkSettings
from xsleep.networks.network import Network, build

__all__ = ["SYSTEMS", "Network", "NetworkSettings", "build"]
