"""The backends as parameters of tests, by names that say what they run on."""

from __future__ import annotations

import pytest
import renode_stand_in

from usim.devices import BACKENDS

# Where Renode is not installed, its tests say that they run on a stand-in.
EVERY_BACKEND = [
    pytest.param(name, id=renode_stand_in.RENODE if name == "renode" else name) for name in BACKENDS
]
