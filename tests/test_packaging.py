"""What the package says it needs is what was tested."""

import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import salutary

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def requirements(*extras: str) -> list[Requirement]:
    """What the package and some of its extras need, their own extras apart."""
    named = [*PROJECT["dependencies"]]
    for extra in extras:
        named += PROJECT["optional-dependencies"][extra]
    found = map(Requirement, named)
    return [requirement for requirement in found if requirement.name != "salutary"]


def pins(file: str) -> dict[str, str]:
    lines = (ROOT / file).read_text("utf-8").splitlines()
    pairs = (line.split("==") for line in lines if "==" in line)
    return {canonicalize_name(name): version for name, version in pairs}


def lowest(requirement: Requirement) -> str:
    (version,) = (
        part.version for part in requirement.specifier if part.operator == ">="
    )
    return version


@pytest.mark.parametrize(
    "requirement", requirements("benchmark", "excel", "test"), ids=str
)
def test_the_lowest_version_is_the_one_that_is_tested(requirement: Requirement) -> None:
    pinned = Requirement(
        f"x=={pins('constraints-oldest.txt')[canonicalize_name(requirement.name)]}"
    ).specifier
    assert pinned.contains(lowest(requirement))


@pytest.mark.parametrize(
    "requirement", requirements(*PROJECT["optional-dependencies"]), ids=str
)
def test_the_versions_that_passed_are_allowed(requirement: Requirement) -> None:
    pinned = pins("constraints.txt")[canonicalize_name(requirement.name)]
    assert requirement.specifier.contains(pinned)


def test_packages_whose_private_classes_a_model_names_have_an_upper_bound() -> None:
    from salutary.runs.artifacts import TRUSTED_TYPES

    private = {name.split(".")[0] for name in TRUSTED_TYPES if "._" in name}
    bounds = {
        requirement.name: {part.operator for part in requirement.specifier}
        for requirement in requirements()
    }
    assert private
    assert all("<" in bounds[name] for name in private)


def test_the_citation_names_this_version() -> None:
    citation = (ROOT / "CITATION.cff").read_text("utf-8")
    assert f"\nversion: {salutary.__version__}\n" in citation


def test_the_wheel_takes_the_templates_of_pages() -> None:
    """It takes whole folders, apart from what git ignores."""
    tool = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]
    wheel = tool["hatch"]["build"]["targets"]["wheel"]
    assert wheel == {"packages": ["src/salutary", "src/salutary_benchmark"]}
    ignored = (ROOT / ".gitignore").read_text("utf-8").split()
    templates = [*(ROOT / "src" / "salutary" / "report" / "templates").iterdir()]
    assert {"base.html", "page.css", "page.js"} <= {path.name for path in templates}
    assert not [path for path in templates if any(map(path.match, ignored))]
