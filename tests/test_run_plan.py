"""What a run will do on a device: buckets, programs, buffers, and what is refused before anything is allocated."""

from dataclasses import replace

import pytest

from kernelc.buckets import Buckets
from kernelrt.abi import KernelEntry
from kernelrt.buffers import category, in_turn
from kernelrt.bundle import Bundle
from kernelrt.calls import sizes
from kernelrt.errors import InputError, MissingKernelError
from kernelrt.gpu.device import Device
from kernelrt.gpu.features import DeviceInfo
from kernelrt.gpu.lanes import FEATURE
from kernelrt.gpu.placement import OutOfMemoryError
from kernelrt.kernels import UnfitDeviceError
from kernelrt.lanes import learn
from kernelrt.model import ModelSpec
from kernelrt.run_plan import RING, Options, Turn, model_of, plan_run, totals
from kernelrt.weights.slots import slots
from tests.fixtures.engine import bundle_of
from tests.gpu.test_lanes import PLACE, shows

BUCKETS = Buckets(seq=(16, 64), batch=(1, 4, 12))


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return bundle_of(ModelSpec.load("tiny"), BUCKETS)


def test_the_smallest_bucket_that_holds_it_is_taken(device: Device, bundle: Bundle) -> None:
    for context, capacity in ((1, 16), (16, 16), (17, 64), (64, 64), (None, 64)):
        assert plan_run(bundle, device.info, Options(context=context)).capacity == capacity
    for batch, programs in ((1, [1]), (2, [1, 4]), (4, [1, 4]), (5, [1, 4, 12])):
        plan = plan_run(bundle, device.info, Options(batch=batch))
        assert list(plan.decode) == programs
        assert plan.slots == batch


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (Options(context=65), r"--context: 65 is more than the bundle's 64; build one with `kernelc build --seq 65`"),
        (Options(batch=13), r"--batch: 13 is more than the bundle's 12"),
        (Options(context=0), "--context: 0 is below 1"),
        (Options(batch=-1), "--batch: -1 is below 1"),
    ],
)
def test_what_the_bundle_has_no_bucket_for_is_refused(
    device: Device, bundle: Bundle, options: Options, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        plan_run(bundle, device.info, options)


def test_a_step_is_five_dispatches_a_layer(device: Device, bundle: Bundle) -> None:
    plan = plan_run(bundle, device.info, Options())
    families = [call.kernel.family for call in plan.decode[1]]
    layer = ["qkv", "attn_decode", "o_proj", "ffn_gate_up", "ffn_down"]
    assert families == ["embedding", *layer * plan.model.layers]
    assert [call.kernel.family for call in plan.finish[1, "greedy"]] == ["head", "argmax"]


def test_what_a_call_reads_an_earlier_one_wrote(device: Device, bundle: Bundle) -> None:
    """Each activation has a writer before its first reader, in every program."""
    plan = plan_run(bundle, device.info, Options(batch=12))
    # Cleared once: no branch yet, no scale of a row, no arrival; caches begin empty.
    ready = {"params", "tokens", "zero", "ones", "row_max", "seen"}
    programs = [(ready, (*calls, *plan.finish[1, "greedy"])) for calls in plan.prefill.values()]
    for turn, steps in enumerate(plan.turns):
        told = {in_turn(name, turn) for name in ready}  # the tokens are what the other turn gives
        programs += [(told, (*steps.decode[rows], *steps.finish[rows, how])) for rows, how in steps.finish]
    for given, program in programs:
        written = set(given)
        for call in program:
            for binding, name in zip(call.kernel.bindings, call.buffers, strict=True):
                known = category(name) in ("weights", "KV cache") or name.startswith(("rope.", f"{call.kernel.name}."))
                assert "r" not in binding.access or known or name in written, f"{call.kernel.name}: {name}"
                if "w" in binding.access:
                    written.add(name)


def test_two_steps_under_way_share_no_scalars_and_no_results(device: Device, bundle: Bundle) -> None:
    """Each takes its tokens where the other leaves them; all else is the same."""
    first, second = plan_run(bundle, device.info, Options(batch=12)).turns

    def named(turn: Turn, access: str) -> set[str]:
        return {
            name
            for call in turn.calls
            for binding, name in zip(call.kernel.bindings, call.buffers, strict=True)
            if access in binding.access and name.partition("@")[0] in ("params", "tokens", "next")
        }

    assert (named(first, "r"), named(first, "w")) == ({"params", "next@1"}, {"next"})
    assert (named(second, "r"), named(second, "w")) == ({"params@1", "next"}, {"next@1"})
    assert [call.kernel for call in first.calls] == [call.kernel for call in second.calls]


def test_no_call_reads_and_writes_one_buffer_through_two_bindings(device: Device, bundle: Bundle) -> None:
    for call in plan_run(bundle, device.info, Options(batch=12)).calls:
        assert len(set(call.buffers)) == len(call.buffers), call.kernel.name


def test_the_buffers_hold_what_every_call_binds(device: Device, bundle: Bundle) -> None:
    plan = plan_run(bundle, device.info, Options(batch=5, scratch=4096))
    found = {item.name: item.nbytes for item in plan.items}
    assert len(found) == len(plan.items)
    for name, nbytes in sizes((call for call in plan.calls if call is not plan.measure), 5).items():
        assert found[name] >= nbytes
    assert found["scratch"] == 4096
    assert sum(name.startswith("staging.") for name in found) == 2 * RING
    assert found["staging.0"] >= found["logits"]  # they leave through it
    by_category = totals(plan.items)
    model = plan.model
    ring = min(model.window, 64)
    kinds = model.layer_kinds
    entries = kinds.count("local") * ring + kinds.count("global") * 64
    assert by_category["KV cache"] == 2 * 5 * entries * model.kv_heads * model.head_dim * 2


def test_the_weights_buffers_are_the_planes_of_the_models_tensors(device: Device, bundle: Bundle) -> None:
    plan = plan_run(bundle, device.info, Options())
    found = {item.name: item.nbytes for item in plan.items if item.category == "weights"}
    planes = {name: nbytes for slot in slots(plan.model, plan.formats) for name, nbytes in slot.planes().items()}
    assert found.pop("ones") == 4 * plan.model.hidden
    assert found == planes


def _unlike(info: DeviceInfo, **fields: object) -> DeviceInfo:
    return replace(info, **fields)  # pyright: ignore[reportArgumentType]  # fields of DeviceInfo


@pytest.mark.parametrize(
    ("lacking", "message"),
    [
        (
            {"features": frozenset({"subgroup"})},
            r"needs the feature float16|needs the feature storage16|the feature int8",
        ),
        ({"max_workgroup": 64}, r"needs workgroups of 128 \(it has at most 64\)"),
        ({"shared_memory": 64}, r"bytes of shared memory \(it has 64\)"),
    ],
)
def test_a_device_that_cannot_run_it_is_told_why(
    device: Device, bundle: Bundle, lacking: dict[str, object], message: str
) -> None:
    with pytest.raises(UnfitDeviceError, match=message) as refused:
        plan_run(bundle, _unlike(device.info, **lacking), Options())
    assert "\n" not in str(refused.value)
    assert "llvmpipe" in str(refused.value)


def test_subgroups_that_the_device_lacks(device: Device, bundle: Bundle) -> None:
    kernels = tuple(replace(kernel, subgroup=32) for kernel in bundle.kernels)
    pinned = Bundle(replace(bundle.manifest, kernels=kernels), bundle.contents)
    with pytest.raises(UnfitDeviceError, match=r"needs subgroups of 32 \(it has 8\)"):
        plan_run(pinned, device.info, Options())


def test_a_bundle_without_a_kernel_is_refused_by_its_name(device: Device, bundle: Bundle) -> None:
    kernels = tuple(kernel for kernel in bundle.kernels if kernel.family != "kv_append")
    broken = Bundle(replace(bundle.manifest, kernels=kernels), bundle.contents)
    with pytest.raises(MissingKernelError, match=r"the bundle has no kernel kv_append capacity 16, chunk 64; build"):
        plan_run(broken, device.info, Options())


def test_too_little_memory_is_refused_before_anything_is_allocated(device: Device, bundle: Bundle) -> None:
    plan = plan_run(bundle, device.info, Options(scratch=1 << 50))
    with pytest.raises(OutOfMemoryError):
        plan.place(device)


def test_the_model_of_a_bundle(bundle: Bundle) -> None:
    assert model_of(bundle) == ModelSpec.load("tiny")


def test_exact_takes_no_matrix_units(device: Device) -> None:
    """On a device that has them, with a bundle that has kernels for them."""
    able = _unlike(device.info, features=device.info.features | {"coopmat_f16"}, min_subgroup=32, max_subgroup=32)
    bundle = bundle_of(ModelSpec.load("tiny"), Buckets(seq=(64,), batch=(1, 12)), "h200")

    def forms(exact: bool) -> set[str]:
        calls = plan_run(bundle, replace(able, shared_memory=49152), Options(batch=12, exact=exact)).calls
        return {str(call.kernel.tags["form"]) for call in calls if "form" in call.kernel.tags}

    assert forms(exact=True) == {"gemv", "tile"}
    assert forms(exact=False) >= {"gemv", "coopmat"}


def test_a_form_that_relies_on_the_order_of_lanes_is_taken_where_a_device_has_shown_it(device: Device) -> None:
    model = replace(ModelSpec.load("tiny"), hidden=256, ffn=3072)
    bundle = bundle_of(model, Buckets(seq=(64,), batch=(1, 32)), "h200")
    has = device.info.features | {"coopmat_f16"}
    unseen = _unlike(device.info, features=has, min_subgroup=32, max_subgroup=32, shared_memory=49152)
    seen = replace(unseen, features=has | {"coopmat_mma"})

    def forms(info: DeviceInfo, found: Bundle = bundle, exact: bool = False) -> set[object]:
        calls = plan_run(found, info, Options(batch=32, exact=exact)).decode[32]
        return {call.kernel.tags["form"] for call in calls if call.kernel.family in ("ffn_gate_up", "ffn_down")}

    assert forms(seen) == {"direct"}
    assert forms(unseen) == {"coopmat"}
    assert forms(seen, exact=True) == {"tile"}
    learn(device, bundle)  # it cannot run the kernel that would show it, and has no other need of it
    assert "coopmat_mma" not in device.info.features
    others = ("ffn_gate_up.b32.q4_0.coopmat", "ffn_gate_up.b32.q4_0.tile")
    kept = tuple(kernel for kernel in bundle.kernels if kernel.name not in others)
    alone = Bundle(replace(bundle.manifest, kernels=kept), bundle.contents)
    assert forms(seen, alone) == {"direct"}
    with pytest.raises(UnfitDeviceError, match=r"ffn_gate_up.b32.q4_0.direct needs the feature coopmat_mma$"):
        plan_run(alone, unseen, Options(batch=32))


def test_a_short_prompt_takes_the_products_of_a_batch_as_large(device: Device) -> None:
    bundle = bundle_of(ModelSpec.load("tiny"), Buckets(seq=(64,), batch=(1, 32)), "host")
    plan = plan_run(bundle, device.info, Options())
    phases = {
        rows: {call.kernel.tags["phase"] for call in calls if call.kernel.family in ("qkv", "ffn_down")}
        for rows, calls in plan.prefill.items()
    }
    assert phases == {32: {"decode"}, 64: {"prefill"}}


def test_a_device_learns_of_a_bundle_that_relies_on_it() -> None:
    """With a kernel that lavapipe can run in place of the one that shows the order."""
    model = replace(ModelSpec.load("tiny"), hidden=256, ffn=3072)
    bundle = bundle_of(model, Buckets(seq=(64,), batch=(1, 32)), "h200")
    contents = dict(bundle.contents)
    kernels: list[KernelEntry] = []
    for kernel in bundle.kernels:
        if kernel.family == "coopmat_lanes":
            contents[kernel.files["spirv"].path] = shows(PLACE)
            kernel = replace(kernel, requires=(), subgroup=0)
        kernels.append(kernel)
    relied = Bundle(replace(bundle.manifest, kernels=tuple(kernels)), contents)
    others = tuple(kernel for kernel in kernels if FEATURE not in kernel.requires)
    with Device.open("llvmpipe") as device:
        learn(device, Bundle(replace(bundle.manifest, kernels=others), contents))
        assert FEATURE not in device.info.features, "nothing relies on it"
        learn(device, relied)
        assert FEATURE in device.info.features
