"""The public names: each can be imported, and from the home that is written down."""

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import salutary


def imported_for_types() -> dict[str, str]:
    """Names that type checkers see, with the modules they come from."""
    tree = ast.parse(Path(salutary.__file__).read_text("utf-8"))
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    return {
        alias.name: str(node.module)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


def test_the_names_are_sorted_and_all_are_offered() -> None:
    assert salutary.__all__ == sorted(salutary.__all__)
    assert set(salutary.__all__) <= set(dir(salutary))


def test_no_other_name_is_offered() -> None:
    others = [name for name in dir(salutary) if name not in salutary.__all__]
    assert all(name.startswith("__") and name.endswith("__") for name in others)
    assert {"__all__", "__doc__", "__version__"} <= {*others}


def test_type_checkers_see_the_same_names_from_the_same_homes() -> None:
    assert imported_for_types() == salutary._HOMES
    assert sorted(salutary._HOMES) == salutary.__all__


@pytest.mark.parametrize("name", salutary.__all__)
def test_a_name_is_defined_in_its_home(name: str) -> None:
    found = getattr(salutary, name)
    assert found.__module__ == salutary._HOMES[name]
    assert found is getattr(import_module(found.__module__), name)
    assert found.__doc__


def test_no_other_name_is_found() -> None:
    with pytest.raises(AttributeError, match="no attribute 'label_influences'"):
        salutary.label_influences  # noqa: B018


def test_importing_the_package_imports_none_of_its_homes() -> None:
    code = (
        "import sys, salutary\n"
        "heavy = {'numpy', 'sklearn', 'pyarrow', 'torch'}\n"
        "heavy |= {name for name in sys.modules if name.startswith('salutary.')}\n"
        "sys.exit(bool(heavy & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
