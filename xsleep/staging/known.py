"""Networks known by name: fetched once, checked and kept in the user's cache.

The authors' networks are under CC BY-NC 4.0 and are not distributed here.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from pathlib import Path

from xsleep.core.errors import InputError, reason
from xsleep.core.files import sha256
from xsleep.core.settings import Settings, parsed

DEFAULT = "seqsleepnet-mass-eeg"

PREFIX = "pretrained_model.ckpt"
ENDS = {"data": ".data-00000-of-00001", "index": ".index"}
"""Files of a TensorFlow checkpoint."""


class KnownNetwork(Settings):
    """A network that is fetched.

    Attributes:
        system: of the registry.
        montage: channel to the labels of the signals that it was trained on.
        trained_on, licence, citation: for its users.
        megabytes: size of its files.
        source: address of the folder of folders.
        folder: its own, which has a folder ``checkpoint``.
        sha256: of each file of the checkpoint.
    """

    system: str
    montage: dict[str, tuple[str, ...]]
    trained_on: str
    licence: str
    citation: str
    megabytes: float
    source: str
    folder: str
    sha256: dict[str, str]

    @property
    def channels(self) -> tuple[str, ...]:
        """Channels in the order of the network's input."""
        return tuple(self.montage)

    @property
    def prefix(self) -> Path:
        """Path of the checkpoint in the cache, without the ends of its files."""
        return cache_folder() / self.folder / PREFIX

    @property
    def installed(self) -> bool:
        """True if its files are in the cache and are those that were published."""
        return all(
            (path := Path(f"{self.prefix}{end}")).is_file() and sha256(path) == self.sha256[part]
            for part, end in ENDS.items()
        )

    def fetch(self, report: Callable[[str], None]) -> Path:
        """Return the checkpoint's prefix; its files are fetched where they are missing.

        Raises:
            InputError: a file cannot be fetched, or is not the published one.
        """
        if self.installed:
            return self.prefix
        import pooch

        pooch.get_logger().setLevel("WARNING")  # the line below says what is fetched
        of = f"{self.system} for {'-'.join(self.channels)}, {self.megabytes:g} MB"
        report(f"fetching {of} (trained on {self.trained_on}; licence {self.licence})")
        for part, end in ENDS.items():
            address = f"{self.source}{self.folder}/checkpoint/{PREFIX}{end}"
            try:
                pooch.retrieve(
                    address,
                    f"sha256:{self.sha256[part]}",
                    fname=f"{PREFIX}{end}",
                    path=self.prefix.parent,
                )
            except (OSError, ValueError) as error:
                raise InputError(
                    f"{address}: cannot be fetched ({reason(error)}); put this file into "
                    f"{self.prefix.parent}, or name another network with --model"
                ) from error
        return self.prefix

    def remove(self) -> None:
        """Delete its files from the cache."""
        shutil.rmtree(self.prefix.parent, ignore_errors=True)


def cache_folder() -> Path:
    """Return where fetched networks are kept: ``XSLEEP_CACHE``, or the user's cache folder."""
    import platformdirs

    own = os.environ.get("XSLEEP_CACHE")
    return Path(own) if own else platformdirs.user_cache_path("xsleep") / "networks"


@cache
def known() -> dict[str, KnownNetwork]:
    """Return the networks by their names."""
    table = parsed(files("xsleep.staging").joinpath("known.yaml").read_text(), "known.yaml")
    return {
        name: KnownNetwork.model_validate(entry)
        for name, entry in table.items()
        if not name.startswith(".")
    }
