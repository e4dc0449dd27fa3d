"""Networks: settings in, PyTorch modules that turn signals and spectrograms into stages out."""

from xsleep.networks.network import Network, build

__all__ = ["Network", "build"]
