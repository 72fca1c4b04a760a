"""The project around the code: versions that agree, files that are whole."""

import re
import tomllib
from importlib.metadata import version
from pathlib import Path

import relstitch

ROOT = Path(__file__).parent.parent


def test_the_changelogs_top_version_is_the_packages() -> None:
    found = re.search(r"^## \[(\d+\.\d+\.\d+)\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert found is not None
    assert found[1] == relstitch.__version__ == version("relstitch")


def test_dependencies_have_plain_lower_bounds_and_no_caps() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert all(re.fullmatch(r"[\w-]+>=[\d.]+", requirement) for requirement in project["dependencies"])
    assert not any(requirement.startswith("torchvision") for requirement in project["dependencies"])
    assert all("==" in requirement for requirement in project["optional-dependencies"]["demo"])


def test_the_readme_and_the_demo_name_the_same_packages() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    from relstitch.demo import catalogue

    pinned = set(project["optional-dependencies"]["demo"])
    needed = [*catalogue.DATA.values(), *catalogue.MODELS["text"], *catalogue.MODELS["images"]]
    packages = [package for material in needed if material.origin for package in material.origin.paths]
    assert len(packages) == 9
    for package in packages:
        # In both commands of the README, where it is not in the extra.
        assert package in pinned or readme.count(package) == 2, package
