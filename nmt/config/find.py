"""Where configurations live: a path, or a name in the first folder of three that has it. Needs the stdlib only."""

import difflib
import re
from pathlib import Path

from nmt.errors import ConfigError

SUFFIXES = (".yaml", ".yml")
_PACKAGE = Path(__file__).resolve().parents[1]


def config_folders() -> list[Path]:
    """Folders that are searched for a name: yours, the repository's, and those inside an installed package."""
    folders = [Path("configs")]
    if (_PACKAGE.parent / "pyproject.toml").is_file():
        folders.append(_PACKAGE.parent / "configs")
    folders.append(_PACKAGE / "_configs")
    return [folder for folder in folders if folder.is_dir()]


def available_configs() -> dict[str, Path]:
    """Names and files of all configurations; of two with one name, the one that would be found."""
    found: dict[str, Path] = {}
    for folder in config_folders():
        for path in sorted(folder.iterdir()):
            if path.suffix in SUFFIXES and path.is_file():
                found.setdefault(path.stem, path)
    return found


def describe(path: Path) -> str:
    """The comment in a configuration's first line; empty where there is none."""
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            first = file.readline().strip()
    except OSError:
        return ""
    return first.lstrip("# ") if first.startswith("#") else ""


def task_of(path: Path) -> str:
    """The word that a file gives as its `task`; that of translators where it gives none, or cannot be read."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    found = re.search(r"^task:\s*['\"]?(\w+)", text, flags=re.MULTILINE)
    return found[1] if found else "translation"


def find_config(name_or_path: str | Path) -> Path:
    """The file that `gnmt_small`, `my/config.yaml` or the folder of a run stands for.

    Raises ConfigError with the nearest names, or the nearest files, where there is none.
    """
    path = Path(name_or_path)
    if path.is_file():
        return path
    if (path / "config.yaml").is_file():  # a run's folder holds the configuration it was trained with
        return path / "config.yaml"
    name = str(name_or_path)
    if len(path.parts) != 1 or path.suffix in SUFFIXES:
        raise ConfigError(_no_file(path))
    configs = available_configs()
    if name in configs:
        return configs[name]
    near = difflib.get_close_matches(name, configs, n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]}?" if near else ""
    known = ", ".join(configs) or "none found"
    raise ConfigError(f"no configuration named {name!r}{hint} (there are: {known}; or give the path of a YAML file)")


def _no_file(path: Path) -> str:
    """What to say of a path that is no configuration."""
    if path.is_dir():
        return f"{path}: a folder without a config.yaml; give a YAML file"
    if not path.parent.is_dir():
        return f"{path}: no such file; the folder {path.parent} does not exist"
    files = [entry.name for entry in path.parent.iterdir() if entry.suffix in SUFFIXES]
    near = difflib.get_close_matches(path.name, files, n=2, cutoff=0.5)
    return f"{path}: no such file" + (f"; did you mean {' or '.join(near)}?" if near else "")
