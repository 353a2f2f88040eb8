"""The house: who may import whom, and that nothing lies about unused."""

import ast
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import jinja2
import pytest

from kernelc.buckets import Buckets
from kernelc.kernel import KernelSpec
from kernelc.plan import families, plan
from kernelc.render import render
from kernelc.target import TargetSpec
from kernelrt.model import ModelSpec
from kernelrt.quant import BODY_QUANTS

ROOT = Path(__file__).resolve().parents[1]
TEMPLATES = ROOT / "templates" / "glsl"


def modules(folder: Path, package: str) -> dict[str, Path]:
    """Dotted name -> file of every module below `folder`."""
    found: dict[str, Path] = {}
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder).with_suffix("").parts
        found[".".join([package, *parts]).removesuffix(".__init__")] = path
    return found


def imports(path: Path) -> set[str]:
    """What a module imports anywhere in it, `from x import y` as x and as x.y."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute here"
            assert node.module is not None
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


KERNELC = modules(ROOT / "kernelc", "kernelc")
KERNELRT = modules(ROOT / "runtime" / "kernelrt", "kernelrt")


@pytest.mark.parametrize("name", sorted(KERNELRT))
def test_the_runtime_imports_nothing_of_the_compiler(name: str) -> None:
    assert not {n for n in imports(KERNELRT[name]) if n.split(".")[0] in ("kernelc", "jinja2", "slangpy")}


def test_the_runtime_loads_where_the_compiler_is_not_installed() -> None:
    """In a fresh process that can see kernelrt alone, every module of it is imported."""
    script = (
        f"import sys; sys.path = [p for p in sys.path if p not in ('', {str(ROOT)!r})]; "
        f"sys.path.insert(0, {str(ROOT / 'runtime')!r}); sys.modules['kernelc'] = None; import importlib; "
        f"[importlib.import_module(n) for n in {sorted(KERNELRT)!r}]"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd="/", check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("known", [KERNELC, KERNELRT], ids=["kernelc", "kernelrt"])
def test_imports_go_one_way(known: dict[str, Path]) -> None:
    """No module reaches itself through what it imports."""
    graph = {name: {n for n in imports(path) if n in known and n != name} for name, path in known.items()}
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, " -> ".join([*trail[trail.index(name) :], name])
        if name not in done:
            for other in sorted(graph[name]):
                visit(other, (*trail, name))
            done.add(name)

    for name in sorted(graph):
        visit(name, ())


def test_the_command_line_is_imported_by_nothing() -> None:
    for name, path in KERNELC.items():
        if name not in ("kernelc.cli", "kernelc.__main__") and not name.startswith("kernelc.cli."):
            assert not {n for n in imports(path) if n == "kernelc.cli" or n.startswith("kernelc.cli.")}, name


@pytest.fixture(scope="module")
def planned() -> tuple[KernelSpec, ...]:
    """Every kernel that a bundle of some model, target and weight format has; one's own target may have no chains."""
    targets = [TargetSpec.load(name) for name in ("phoenix", "host", "h200")]
    return tuple(
        spec
        for target in (*targets, replace(targets[-1], chains=False))
        for model in ("gemma27b", "gemma4b", "tiny", "tiny-odd")
        for quant in BODY_QUANTS
        for spec in plan(ModelSpec.load(model), target, Buckets(quant=quant))
    )


def test_every_template_is_planned_and_every_planned_kernel_has_one(planned: tuple[KernelSpec, ...]) -> None:
    assert {path.name.removesuffix(".comp.j2") for path in TEMPLATES.glob("*.comp.j2")} == {s.family for s in planned}


def test_a_family_is_one_module_and_one_template_of_the_same_name() -> None:
    names = {family.__name__.rsplit(".", 1)[-1] for family in families()}
    assert names == {path.name.removesuffix(".comp.j2") for path in TEMPLATES.glob("*.comp.j2")}


def test_no_piece_of_the_template_library_is_unused(
    planned: tuple[KernelSpec, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rendering every planned kernel reads every file (pieces are chosen by parameters, so names do not tell)."""
    read: set[str] = set()
    original = jinja2.FileSystemLoader.get_source

    def recording(
        self: jinja2.FileSystemLoader, environment: jinja2.Environment, template: str
    ) -> tuple[str, str, Callable[[], bool]]:
        read.add(template)
        return original(self, environment, template)

    monkeypatch.setattr(jinja2.FileSystemLoader, "get_source", recording)
    fresh = tmp_path / "templates"  # a folder that no other test has rendered from, so nothing comes from a cache
    fresh.symlink_to(TEMPLATES.parent)
    for spec in planned:
        render(spec, fresh)
    assert {f"glsl/{path.relative_to(TEMPLATES)}" for path in TEMPLATES.rglob("*") if path.is_file()} == read


@pytest.mark.parametrize("module", ["kernelrt.model", "kernelc.target", "kernelc.roofline", "kernelc.app"])
def test_a_start_does_not_load_the_heavy_packages(module: str) -> None:
    """A second build must end in half a second."""
    heavy = {"numpy", "vulkan", "jinja2", "rich", "slangpy"}
    script = f"import sys, {module}; print(sorted(set(sys.modules) & {heavy!r}))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "[]"
