"""A build of tiny kernels with the real tools: what is compiled, what is taken from the store, what a failure costs."""

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from kernelc import explain, history
from kernelc.action import action
from kernelc.build import actions_of, build
from kernelc.errors import KernelcError, StoreError
from kernelc.store import Store
from kernelc.target import TargetSpec
from kernelrt.bundle import load
from tests.fixtures.builds import Recorder, request, run, tree
from tests.fixtures.plan import TEMPLATES, add, failing, plan, scale, spill, wide

SPIRV_MAGIC = b"\x03\x02\x23\x07"


def test_a_first_build_compiles_all_and_a_second_one_nothing(tmp_path: Path) -> None:
    kernels, out = plan(5), tmp_path / "out"
    first = run(kernels, tmp_path / "store", out, out.with_suffix(".kcb"))
    assert (first.total, first.compiled, first.cached, first.failures) == (5, 5, 0, ())
    assert first.bundles == (out, out.with_suffix(".kcb"))
    bundle = load(out, model="tiny-kernels", target="host")
    assert [k.name for k in bundle.kernels] == [k.name for k in kernels]
    assert all(bundle.read(k).startswith(SPIRV_MAGIC) for k in bundle.kernels)
    assert load(out.with_suffix(".kcb")) == bundle
    inode = out.stat().st_ino
    second = run(kernels, tmp_path / "store", out, out.with_suffix(".kcb"))
    assert (second.compiled, second.cached) == (0, 5)
    assert out.stat().st_ino == inode, "the bundle that was there already is left alone"


def test_the_manifest_says_what_the_family_declared_and_how_far_it_was_checked(tmp_path: Path) -> None:
    run([scale(64, factor=5)], tmp_path / "store", tmp_path / "out")
    kernel = load(tmp_path / "out").kernel("scale_w64_f5")
    assert [(b.name, b.access) for b in kernel.bindings] == [("x", "r"), ("y", "w")]
    assert [(c.name, c.value) for c in kernel.constants] == [("FACTOR", 5)]
    assert kernel.grid[1].size(rows=7) == 7
    assert kernel.evidence == "validated"
    assert kernel.analysis == {"missing": "the target has no offline compiler"}


def test_phoenix_kernels_are_compiled_to_its_machine_code(tmp_path: Path) -> None:
    run([add(64)], tmp_path / "store", tmp_path / "out", target="phoenix")
    kernel = load(tmp_path / "out").kernel("add_w64")
    assert kernel.evidence == "compiled"
    assert kernel.analysis["compiler"] == "radv:phoenix"
    assert isinstance(kernel.analysis["vgprs"], int)
    assert kernel.analysis["vgprs"] > 0
    assert kernel.analysis["spilled_vgprs"] == 0


def test_without_the_offline_compiler_the_manifest_says_so(tmp_path: Path) -> None:
    wanted = request([add(64)], target="phoenix")
    tools = replace(wanted.tools, offline=None, identities={**wanted.tools.identities, "radv": None})
    store = Store(tmp_path / "store")
    for chosen, evidence in ((tools, "validated"), (wanted.tools, "compiled")):
        with store.in_use():
            assert build(replace(wanted, tools=chosen), store, [tmp_path / "out"], 1, Recorder()).compiled == 1
        assert load(tmp_path / "out").kernel("add_w64").evidence == evidence
        if evidence == "validated":
            analysis = load(tmp_path / "out").kernel("add_w64").analysis
            assert analysis == {"missing": "radv:phoenix was not there at build time"}
            assert load(tmp_path / "out").manifest.tools["radv"] is None


def test_spilled_registers_fail_a_kernel_where_the_target_allows_none(tmp_path: Path) -> None:
    result = run([spill(16), spill(300)], tmp_path / "store", tmp_path / "out", target="phoenix")
    assert [f.kernel for f in result.failures] == ["spill_300"]
    assert "registers spill on phoenix" in result.failures[0].message
    assert not (tmp_path / "out").exists()


def test_builds_in_different_folders_with_different_jobs_are_the_same(tmp_path: Path) -> None:
    kernels = plan(7)
    run(kernels, tmp_path / "a" / "store", tmp_path / "a" / "out", target="phoenix", jobs=1)
    templates = tmp_path / "elsewhere"
    shutil.copytree(TEMPLATES, templates)
    run(kernels, tmp_path / "b" / "store", tmp_path / "b" / "out", target="phoenix", jobs=4, templates=templates)
    assert tree(tmp_path / "a" / "out") == tree(tmp_path / "b" / "out")
    assert str(tmp_path).encode() not in (tmp_path / "a" / "out" / "manifest.json").read_bytes()


@pytest.mark.parametrize(("touched", "family"), [("scale.comp.j2", "scale"), ("lib/sum.glsl", "add")])
def test_after_touching_a_template_exactly_its_kernels_are_compiled(tmp_path: Path, touched: str, family: str) -> None:
    templates = tmp_path / "templates"
    shutil.copytree(TEMPLATES, templates)
    kernels = plan(6)
    run(kernels, tmp_path / "store", templates=templates)
    file = templates / "glsl" / touched
    file.write_text(file.read_text() + "\n// touched\n")
    os.utime(file, (2_000_000_000, 2_000_000_000))  # jinja looks at the time of a file
    report = Recorder()
    result = run(kernels, tmp_path / "store", templates=templates, report=report)
    assert report.states == {k.name: "compiled" for k in kernels if k.family == family}
    assert result.cached == len(kernels) - result.compiled


def test_failing_kernels_do_not_stop_the_others_and_are_named(tmp_path: Path) -> None:
    kernels = [failing("broken"), *plan(3), failing("nameless"), failing("absent")]
    result = run(kernels, tmp_path / "store", tmp_path / "out")
    assert (result.total, result.compiled) == (6, 3)
    broken, nameless, absent = result.failures
    assert (broken.kernel, broken.line, broken.text.strip()) == ("broken", 7, "y[0] = undeclared_name;")
    assert "undeclared identifier" in broken.message
    assert "line 7 of the rendered source" in str(broken)
    assert str(TEMPLATES / "glsl" / "broken.comp.j2") in str(broken)
    assert (nameless.kernel, nameless.line, nameless.rendered) == ("nameless", 3, False)
    assert "not_a_parameter" in nameless.message
    assert absent.kernel == "absent"
    assert not (tmp_path / "out").exists()
    assert run(plan(3), tmp_path / "store", tmp_path / "out").cached == 3


def test_a_module_that_cannot_be_read_is_a_failure_of_its_kernel(tmp_path: Path) -> None:
    result = run([failing("unreadable"), *plan(2)], tmp_path / "store", tmp_path / "out")
    assert (result.total, result.compiled) == (3, 2)
    (failure,) = result.failures
    assert failure.kernel == "unreadable"
    assert "its module cannot be read: the constant %" in failure.message


def test_what_no_feature_allows_is_a_failure_that_names_it(tmp_path: Path) -> None:
    kinds = {"double": "Float64", "int64_t": "Int64", "int16_t": "Int16"}
    result = run([wide(kind) for kind in kinds], tmp_path / "store", tmp_path / "out")
    found = {failure.kernel: failure.message for failure in result.failures}
    assert found == {
        f"wide_{kind}": f"the shader uses {capability}, which no feature of a target allows"
        for kind, capability in kinds.items()
    }


def test_a_failed_build_leaves_the_bundle_of_before(tmp_path: Path) -> None:
    run(plan(2), tmp_path / "store", tmp_path / "out")
    before = tree(tmp_path / "out")
    assert run([*plan(3), failing("broken")], tmp_path / "store", tmp_path / "out").bundles == ()
    assert tree(tmp_path / "out") == before


def test_kernels_of_one_source_are_compiled_once_and_fail_together(tmp_path: Path) -> None:
    twins = [scale(64, name="one"), scale(64, name="two")]
    result = run(twins, tmp_path / "store", tmp_path / "out")
    assert (result.compiled, result.cached) == (1, 1)
    assert [k.name for k in load(tmp_path / "out").kernels] == ["one", "two"]
    broken = [failing("broken"), replace(failing("broken"), name="broken_too")]
    assert [f.kernel for f in run(broken, tmp_path / "store").failures] == ["broken", "broken_too"]


def test_a_damaged_entry_is_named_set_aside_and_built_again(tmp_path: Path) -> None:
    kernels, store, out = plan(3), tmp_path / "store", tmp_path / "out"
    run(kernels, store, out)
    before = tree(out)
    victim = next(store.glob("entries/*/*/kernel.spv"))
    victim.write_bytes(victim.read_bytes()[::-1])
    report = Recorder()
    result = run(kernels, store, out, report=report)
    assert (result.compiled, result.cached) == (1, 2)
    assert len(report.notes) == 1
    assert "damaged" in report.notes[0]
    assert Store(store).stats().quarantined == 1
    assert tree(out) == before
    sealed = next(store.glob("entries/*/*/entry.json"))
    sealed.write_bytes(b"[]")
    assert run(kernels, store, out).compiled == 1
    assert tree(out) == before


def test_an_entry_that_no_build_writes_is_one_clear_error(tmp_path: Path) -> None:
    run(plan(1), tmp_path / "store")
    (key,) = Store(tmp_path / "store").keys()
    (folder,) = (tmp_path / "store" / "entries").glob(f"*/{key}")
    files = Store(tmp_path / "store").get(key)
    assert files is not None
    for wrong in ({**files, "meta.json": b"{}"}, {**files, "meta.json": b"["}, {"meta.json": files["meta.json"]}):
        shutil.rmtree(folder)
        Store(tmp_path / "store").put(key, wrong)  # sealed, so that it passes the store's check
        with pytest.raises(StoreError, match=r"store entry of add_w64: no build writes this .*cache gc") as caught:
            run(plan(1), tmp_path / "store", tmp_path / "out")
        assert "\n" not in str(caught.value)


def test_a_damaged_history_is_written_anew(tmp_path: Path) -> None:
    run(plan(2), tmp_path / "store")
    (file,) = (tmp_path / "store" / "history").iterdir()
    intact = file.read_bytes()
    file.write_bytes(intact[:-3])
    report = Recorder()
    run(plan(2), tmp_path / "store", report=report)
    assert len(report.notes) == 1
    assert file.read_bytes() == intact


def test_the_key_holds_all_that_matters_and_nothing_else() -> None:
    target = TargetSpec.load("phoenix")
    spec, tools = scale(64), {"glslang": {"version": "1", "sha256": "a"}}
    flags = {"glslang": ["--target-env", "vulkan1.3"]}
    key = action(spec, "source", target, tools, flags).key
    assert key == action(replace(spec, name="other", work=add(1).work), "source", target, tools, flags).key
    changed = [
        action(spec, "source ", target, tools, flags),
        action(scale(64, factor=4), "source", target, tools, flags),
        action(replace(spec, workgroup=128), "source", target, tools, flags),
        action(replace(spec, subgroup=32), "source", target, tools, flags),
        action(replace(spec, bindings=spec.bindings[::-1]), "source", target, tools, flags),
        action(replace(spec, requires=("float16",)), "source", target, tools, flags),
        action(spec, "source", replace(target, spill_limit=1), tools, flags),
        action(spec, "source", TargetSpec.load("host"), tools, flags),
        action(spec, "source", target, {"glslang": {"version": "1", "sha256": "b"}}, flags),
        action(spec, "source", target, tools, {"glslang": ["--target-env", "vulkan1.2"]}),
        action(spec, "source", target, {**tools, "radv": None}, flags),
    ]
    assert len({key, *(one.key for one in changed)}) == len(changed) + 1
    reordered = replace(spec, requires=("subgroup", "float16"))
    assert (
        action(reordered, "s", target, tools, flags).key
        == action(replace(reordered, requires=("float16", "subgroup")), "s", target, tools, flags).key
    )


def test_explain_says_which_part_changed(tmp_path: Path) -> None:
    templates, store = tmp_path / "templates", tmp_path / "store"
    shutil.copytree(TEMPLATES, templates)
    opened = Store(store)

    def explained() -> explain.Explanation:
        return explain.explain(request([scale(64)], templates=templates), opened)

    assert explained().previous is None
    assert "never built" in str(explained())
    run([scale(64)], store, templates=templates)
    assert (explained().changes, explained().stored) == ((), True)
    file = templates / "glsl" / "scale.comp.j2"
    file.write_text(file.read_text().replace("float(FACTOR) * x[i]", "x[i] * float(FACTOR)"))
    os.utime(file, (2_000_000_000, 2_000_000_000))
    found = explained()
    assert [change.part for change in found.changes] == ["source"]
    assert not found.stored
    assert "+        y[i] = x[i] * float(FACTOR);" in found.source
    assert found.describe()["unchanged"]
    records = history.read(opened, "tiny-kernels", "host")
    record = records["scale_w64_f3"]
    other = history.Record(record.key, {**record.parts, "tool glslang": "another"})
    history.write(opened, "tiny-kernels", "host", {"scale_w64_f3": other})
    assert [change.part for change in explained().changes] == ["source", "tool glslang"]
    with pytest.raises(KernelcError, match="not_a_parameter"):
        explain.explain(request([failing("nameless")], templates=templates), opened)


def test_an_output_that_cannot_be_written_is_a_store_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match="in the way"):
        run(plan(1), tmp_path / "store", tmp_path / "file")
    assert (tmp_path / "file").read_text() == "in the way"


def test_a_build_with_nothing_to_do_loads_no_compiler_and_no_driver(tmp_path: Path) -> None:
    run(plan(2), tmp_path / "store", tmp_path / "out", target="phoenix")
    heavy = ["vulkan", "numpy", "rich", "slangpy", "multiprocessing", "kernelc.compile"]
    program = (
        "import sys; from pathlib import Path; import kernelc.app; import kernelc.commands.inputs\n"
        "from tests.fixtures.builds import run; from tests.fixtures.plan import plan\n"
        f"r = run(plan(2), Path({str(tmp_path / 'store')!r}), Path({str(tmp_path / 'out')!r}), target='phoenix')\n"
        "assert r.compiled == 0, r\n"
        f"loaded = [name for name in {heavy!r} if name in sys.modules]\n"
        "assert not loaded, loaded\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=_root())
    assert done.returncode == 0, done.stderr


def test_what_the_tools_are_told_is_in_the_key() -> None:
    (act,), _ = actions_of(request([scale(64)], target="phoenix"))
    assert "optimizationLevel" in act.parts["flags glslang"]
    assert "flags spirv-val" in act.parts
    assert "MESA_SHADER_CACHE_DISABLE" in act.parts["flags radv"]
    (act,), _ = actions_of(request([scale(64)], target="host"))
    assert "flags radv" not in act.parts


def test_actions_are_in_plan_order() -> None:
    kernels = plan(5)
    actions, failures = actions_of(request([kernels[3], failing("nameless"), kernels[0]]))
    assert [a.spec.name for a in actions] == [kernels[3].name, kernels[0].name]
    assert [f.kernel for f in failures] == ["nameless"]


def _root() -> Path:
    return Path(__file__).resolve().parent.parent
