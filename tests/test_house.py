"""The house keeps its plan: the arrow, the map in the README, settings and documents, migrations, the one clock, retention."""

import ast
import hashlib
import re
import subprocess
import sys
from pathlib import Path

from django.apps import apps
from django.db.migrations.loader import MigrationLoader

ROOT = Path(__file__).resolve().parent.parent
OURS = ("staffing", "chat", "registration", "config")
PROGRAMS = Path(sys.executable).parent


def tracked(*patterns: str) -> list[Path]:
    """Files of the project, without what was made on this machine."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", "--", *patterns], cwd=ROOT, capture_output=True, check=True
    )
    return [path for name in listed.stdout.decode().split("\0") if name and (path := ROOT / name).is_file()]


def python_of_the_product() -> list[Path]:
    return [path for path in tracked(*(f"{app}/**.py" for app in OURS)) if "migrations" not in path.parts]


# ---------------------------------------------------------------- imports and time


def test_imports_keep_to_the_contracts():
    checked = subprocess.run([PROGRAMS / "lint-imports", "--no-cache", "--no-logo"], cwd=ROOT, capture_output=True, text=True)

    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_clock_is_read_and_waited_for_in_one_file():
    command = [PROGRAMS / "ruff", "check", "--no-cache", "--select", "TID251", "--output-format", "concise"]
    checked = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)

    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_no_row_takes_its_time_from_anything_but_a_verb():
    """What the linter cannot see: the database's or Django's own idea of now."""
    elsewhere = re.compile(
        r"\bauto_now(_add)?\b|\bdatabase\.functions import .*\bNow\b|\bfunctions\.Now\(|CURRENT_TIMESTAMP|{%\s*now\b", re.I
    )
    files = [*python_of_the_product(), *tracked("**/migrations/*.py", "templates/**.html")]

    assert [str(path.relative_to(ROOT)) for path in files if elsewhere.search(path.read_text())] == []


# ---------------------------------------------------------------- documents


def names_in(path: Path) -> set[str]:
    """Functions, classes and `Class.method` of one Python file."""
    definitions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    found = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, definitions):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}.{inner.name}" for inner in node.body if isinstance(inner, definitions)}
    return found


def missing_in_map(text: str) -> list[str]:
    """What the rows of a table name in backticks as `file.py`, `file.py: name` or `name`, and what does not exist."""
    missing = []
    everywhere = set().union(*(names_in(path) for path in python_of_the_product()))
    for row in (line for line in text.splitlines() if line.startswith("|") and ".py" in line):
        here: set[str] = set()
        owner = ""
        for pointer in re.findall(r"`([^`]+)`", row):
            file, _, name = pointer.partition(": ") if ".py" in pointer else ("", "", pointer)
            if file and not (ROOT / file).is_file():
                missing.append(file)
                continue
            if file:
                here = names_in(ROOT / file)
            if not re.fullmatch(r"[A-Za-z_]+(\.[a-z_]+)?(\(.*\))?", name):
                continue
            name = name.partition("(")[0]
            # `Registration.close`, `correct`: the second is a verb of the same noun.
            if not {name, f"{owner}.{name}"} & here and (file or name not in everywhere):
                missing.append(pointer)
            owner = name.partition(".")[0] if "." in name else owner
    return missing


def test_every_function_that_the_readme_points_at_exists():
    readme = (ROOT / "README.md").read_text()

    assert readme.count(".py: ") > 5
    assert missing_in_map(readme) == []


def test_the_map_notices_what_is_missing():
    real = "| Leave | `staffing/rules.py: may_leave` → `staffing/clock.py: Clock.now`, `sleep_until` |"
    wrong = "| Leave | `staffing/rules.py: may_stay` → `staffing/calendar.py: now`, `sleep_for_ever` |"

    assert missing_in_map(real) == []
    assert missing_in_map(wrong) == ["staffing/rules.py: may_stay", "staffing/calendar.py", "sleep_for_ever"]


def variables_in_settings() -> set[str]:
    """Every environment variable that the settings read: the first word of each call of `read`, `env` or `env.…`."""
    found = set()
    for node in ast.walk(ast.parse((ROOT / "config" / "settings.py").read_text())):
        if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            reader = node.func.value if isinstance(node.func, ast.Attribute) else node.func
            value = node.args[0].value
            if getattr(reader, "id", "") in ("read", "env") and isinstance(value, str):
                found.add(value)
    return found


def variables_in(document: Path) -> set[str]:
    """The variables in the first column of its tables."""
    first_cells = re.findall(r"^\|([^|]*)\|", document.read_text(), re.MULTILINE)
    return {name for cell in first_cells for name in re.findall(r"`([A-Z][A-Z_]+)`", cell)}


def test_settings_and_operations_name_the_same_variables():
    assert variables_in(ROOT / "docs" / "operations.md") == variables_in_settings()


def test_the_environment_is_read_in_the_settings_only():
    reads = re.compile(r"os\.environ\b(?!\.setdefault\(\"DJANGO_SETTINGS_MODULE\")|os\.getenv|environ\.Env\(")
    readers = {str(path.relative_to(ROOT)) for path in python_of_the_product() if reads.search(path.read_text())}

    assert readers <= {"config/settings.py"}


def test_compose_sets_only_variables_that_exist():
    given = re.findall(r"^ +([A-Z][A-Z_]+):", (ROOT / "compose.yaml").read_text(), re.MULTILINE)

    assert {name for name in given if not name.startswith(("POSTGRES_", "REDIS_PASSWORD"))} <= variables_in_settings()


# ---------------------------------------------------------------- models and migrations


def test_every_model_says_how_long_its_rows_are_kept():
    models = [model for app in OURS for model in apps.get_app_config(app).get_models()]
    silent = [model.__name__ for model in models if not vars(model).get("retention")]

    assert models
    assert silent == []


def test_migrations_are_one_line_and_go_both_ways():
    """house.md section 14: no merges, names that say what changes, each reversible."""
    graph = MigrationLoader(None, ignore_no_migrations=True)
    for app in OURS:
        own = {name: migration for (label, name), migration in graph.disk_migrations.items() if label == app}
        parents = [[name for label, name in migration.dependencies if label == app] for migration in own.values()]
        followed = [name for names in parents for name in names]

        assert all(len(names) <= 1 for names in parents), f"{app}: a merge"
        assert len(followed) == len(set(followed)), f"{app}: a fork"
        assert not own or len(graph.graph.leaf_nodes(app)) == 1
        for name, migration in own.items():
            assert re.fullmatch(r"\d{4}_(?!auto_)[a-z0-9_]+", name), f"{app}: {name} does not say what changes"
            stuck = [operation for operation in migration.operations if not operation.reversible]
            assert not stuck, f"{app}: {name} cannot be undone: {stuck}"


# ---------------------------------------------------------------- what comes from outside


def test_code_of_others_carries_version_licence_and_sum():
    folders = {path.parent for path in tracked("**/static/**") if path.parent.name == "vendor"}
    for folder in folders:
        listed = (folder / "README.md").read_text()
        for path in (p for p in folder.iterdir() if p.suffix in (".js", ".mjs", ".css")):
            row = next((line for line in listed.splitlines() if line.startswith(f"| `{path.name}` |")), "")

            assert re.search(r"\| \d+\.\d+\.\d+ \|", row), f"{path.name}: no version in {folder.name}/README.md"
            assert any((folder / licence).is_file() for licence in re.findall(r"`([\w.-]+\.LICENSE)`", row)), f"{path.name}: no licence"
            assert hashlib.sha256(path.read_bytes()).hexdigest() in row, f"{path.name} is not the file that its row describes"


def test_every_package_is_locked_with_its_hashes_and_no_address():
    lock = (ROOT / "requirements.lock").read_text()
    packages = re.findall(r"^([a-z0-9].*(?:\n    .*)*)", lock, re.MULTILINE)

    assert len(packages) > 40
    assert [package.splitlines()[0] for package in packages if "--hash=sha256:" not in package or "==" not in package] == []
    assert not re.search(r"https?://|file:|--(extra-)?index|--find-links", lock)


def test_the_image_runs_without_rights_and_without_secrets():
    """threat-model O5."""
    image = (ROOT / "Dockerfile").read_text()
    user = re.findall(r"^USER (\S+)", image, re.MULTILINE)[-1]

    assert user.split(":")[0] not in ("0", "root")
    assert re.findall(r"^(?:ENV|ARG)\b.*(?:SECRET|KEY|TOKEN|PASSWORD)", image, re.MULTILINE) == []
