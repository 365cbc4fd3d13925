"""Lets pytest collect feature files directly, each as a module of its scenarios."""

from __future__ import annotations

import types
from pathlib import Path

import pytest
from pytest_bdd import scenarios
from pytest_bdd.exceptions import GherkinParseError, NoScenariosFound


class FeatureFile(pytest.Module):
    """A feature file. Its test items are its scenarios, with the node ID `features/x.feature::test_name`."""

    def _getobj(self) -> types.ModuleType:
        module = types.ModuleType(self.path.stem)
        module.__file__ = str(self.path)
        # scenarios() puts the tests into the namespace it is called from.
        namespace = vars(module)
        namespace["scenarios"], namespace["path"] = scenarios, str(self.path)
        try:
            self._check()
            exec("scenarios(path)", namespace)
        except GherkinParseError as error:
            line = f"line {error.line} ({error.line_content.strip()})"
            why = " ".join(error.message.split())
            raise self.CollectError(f"{self.path} is no Gherkin: {line}: {why}") from error
        except NoScenariosFound as error:
            raise self.CollectError(f"{self.path} has no scenario in it.") from error
        del namespace["scenarios"], namespace["path"]
        return module

    def _check(self) -> None:
        """Sees that there is something to parse."""
        try:
            lines = self.path.read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError as error:
            raise self.CollectError(f"{self.path} is not UTF-8 text.") from error
        if all(line.strip() == "" or line.lstrip().startswith("#") for line in lines):
            raise self.CollectError(f"{self.path} has no feature in it.")


def collect_feature(path: Path, parent: pytest.Collector) -> FeatureFile | None:
    """The collector for a feature file, None for any other file."""
    if path.suffix != ".feature":
        return None
    # pytest makes no name for what lies outside of the project.
    name = None if path.is_relative_to(parent.config.rootpath) else path.name
    return FeatureFile.from_parent(parent, path=path, nodeid=name)
