"""Started by path in a stranger's environment: nothing of this repository is on its path there.

The folder becomes a package under a name that nobody uses, so that no module of the subject is
shadowed by one of these.
"""

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

NAME = "_subject_worker"


def main() -> None:
    """Mount this folder, then serve."""
    folder = Path(__file__).parent
    spec = spec_from_file_location(
        NAME, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    assert spec is not None
    assert spec.loader is not None
    sys.modules[NAME] = module_from_spec(spec)
    spec.loader.exec_module(sys.modules[NAME])
    from importlib import import_module

    import_module(f"{NAME}.loop").main()


if __name__ == "__main__":
    main()
