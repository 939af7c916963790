"""usim for Robot Framework: `Library    usim.robot.UsimLibrary` (`pip install 'usim[robot]'`)."""

from __future__ import annotations

from usim.robot.library import UsimLibrary

__all__ = ["UsimLibrary"]
