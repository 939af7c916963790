"""What stands on the bench while a suite runs: the open platforms, and what was put on them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar

from usim.compiled_model import CompiledModel, ModelProfile
from usim.errors import ArgumentError, DeviceError, UsimError
from usim.module import Function, Module
from usim.robot.board_bench import BoardBench
from usim.session import Session
from usim.tasks import Call, Count
from usim.tensor import Tensor

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model on a target, with what its classes are called."""

    compiled: CompiledModel
    labels: tuple[str, ...]


@dataclass(slots=True)
class Target:
    """An open platform: its session, and modules, tensors and models by the names given to them."""

    session: Session
    modules: dict[str, Module] = field(default_factory=dict)
    # By name, those of unloaded modules too: calling one says that its module is gone.
    functions: dict[str, Function] = field(default_factory=dict)
    tensors: dict[str, Tensor] = field(default_factory=dict)
    models: dict[str, LoadedModel] = field(default_factory=dict)
    last_call: Call | None = None
    last_model: LoadedModel | None = None
    last_profile: ModelProfile | None = None
    last_error: DeviceError | None = None

    def ran_call(self, call: Call) -> None:
        """Remember a call as what ran last."""
        self.last_call, self.last_model, self.last_profile = call, None, None

    def ran_model(self, model: LoadedModel, profile: ModelProfile) -> None:
        """Remember an inference as what ran last."""
        self.last_call, self.last_model, self.last_profile = None, model, profile

    def tensor(self, name: str) -> Tensor:
        """A tensor by name; ArgumentError if there is none."""
        return find(self.tensors, name, "tensor", "make one with `Tensor`")

    def last_count(self) -> tuple[str, Count]:
        """Name and count of what ran last, call or model. Runs what is queued."""
        if self.last_profile and self.last_model:
            return self.last_model.compiled.model.name, self.last_profile.count
        if self.last_call:
            return self.last_call.bound.function, self.last_call.count
        raise ArgumentError("nothing ran yet: use `Call` or `Run Model` first")

    def run_of_model(self) -> tuple[LoadedModel, ModelProfile]:
        """The model that ran last, and what it gave."""
        if self.last_model is None or self.last_profile is None:
            raise ArgumentError("no model ran last: use `Run Model` first")
        return self.last_model, self.last_profile


class Bench:
    """The open platforms by alias. One of them is the current one, which keywords act on."""

    def __init__(self) -> None:
        self.targets: dict[str, Target] = {}
        self.current = ""
        self.boards = BoardBench()
        self._of_test: set[str] = set()
        self._in_test = False

    def add(self, alias: str, session: Session) -> None:
        """Open a session and make it the current target; the alias must be free."""
        if alias in self.targets:
            raise ArgumentError(f"a platform {alias} is open already: give this one an alias")
        session.open()
        self.targets[alias] = Target(session)
        self.current = alias
        if self._in_test:
            self._of_test.add(alias)

    @property
    def target(self) -> Target:
        """The current one; ArgumentError if there is none."""
        return find(self.targets, self.current, "platform", "open one with `Open Platform`")

    def switch(self, alias: str) -> None:
        """Make another target the current one."""
        find(self.targets, alias, "platform", "open one with `Open Platform`")
        self.current = alias

    def close(self, alias: str, *, run_queue: bool) -> None:
        """Close a target; the one that was opened before it is current then."""
        target = self.targets.pop(alias)
        self._of_test.discard(alias)
        if self.current == alias:
            self.current = next(reversed(self.targets), "")
        try:
            if run_queue:
                target.session.sync()
        finally:
            target.session.close()

    def start_test(self) -> None:
        """What is opened from now on is the test's own."""
        self._in_test = True
        self.boards.start_test()

    def end_test(self) -> list[UsimError]:
        """Run what the test left queued, and close what it opened; returns what went wrong."""
        self._in_test = False
        return self.boards.end_test() + self._settle(list(self.targets), set(self._of_test))

    def end_suite(self) -> list[UsimError]:
        """Close everything; returns what went wrong."""
        return self.boards.end_suite() + self._settle([], set(self.targets))

    def _settle(self, queues: list[str], closing: set[str]) -> list[UsimError]:
        errors = []
        for alias in list(self.targets):
            try:
                if alias in closing:
                    self.close(alias, run_queue=alias in queues)
                elif alias in queues:
                    self.targets[alias].session.sync()
            except UsimError as exc:
                errors.append(exc)
        return errors


def find(items: dict[str, Item], name: str, what: str, hint: str) -> Item:
    """An item by name; ArgumentError names those that there are."""
    if name in items:
        return items[name]
    known = f"there are: {', '.join(items)}" if items else f"there is none: {hint}"
    raise ArgumentError(f"no {what} {name!r}; {known}" if name else f"no {what}: {hint}")
