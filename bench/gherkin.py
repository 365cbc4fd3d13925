"""Lets pytest collect feature files directly, each as a module of its scenarios."""

from __future__ import annotations

import types
from pathlib import Path

import pytest
from pytest_bdd import scenarios


class FeatureFile(pytest.Module):
    """A feature file. Its test items are its scenarios, with the node ID `features/x.feature::test_name`."""

    def _getobj(self) -> types.ModuleType:
        module = types.ModuleType(self.path.stem)
        module.__file__ = str(self.path)
        # scenarios() puts the tests into the namespace it is called from.
        namespace = vars(module)
        namespace["scenarios"], namespace["path"] = scenarios, str(self.path)
        exec("scenarios(path)", namespace)
        del namespace["scenarios"], namespace["path"]
        return module


def collect_feature(path: Path, parent: pytest.Collector) -> FeatureFile | None:
    """The collector for a feature file, None for any other file."""
    if path.suffix != ".feature":
        return None
    # pytest makes no name for what lies outside of the project.
    name = None if path.is_relative_to(parent.config.rootpath) else path.name
    return FeatureFile.from_parent(parent, path=path, nodeid=name)
