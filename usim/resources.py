"""Where the files that travel with usim are: platforms, the device runtime's and kernels' C."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def data_folder(name: str) -> Path:
    """Return the folder `name` ("platforms", "device_runtime" or "kernels").

    An installed wheel carries them inside the package; a checkout has them beside it.
    """
    installed = _PACKAGE / "_data" / name
    return installed if installed.is_dir() else _PACKAGE.parent / name
