"""Networks: settings in; PyTorch modules that map signals and spectrograms to stages out."""

from xsleep.networks.network import Network, build

__all__ = ["Network", "build"]
