"""manifest.json against anything that a file could hold."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernelrt import errors as e
from kernelrt.jsonio import seal
from kernelrt.manifest import decode, encode
from tests.fixtures.bundles import npu_entry, sample

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(st.binary(max_size=200) | json_values.map(lambda value: json.dumps(value).encode()))
def test_no_garbage_gets_past_with_another_error(data: bytes) -> None:
    with pytest.raises(e.BundleError):
        decode(data)


@given(st.data())
def test_no_wrong_field_gets_past_with_another_error(data: st.DataObject) -> None:
    fields: Any = json.loads(encode(sample(npu=(npu_entry("n", compiled=True),)).manifest))
    node, path = fields, []
    while isinstance(node, (dict, list)) and node and (not path or data.draw(st.booleans())):
        key = data.draw(st.sampled_from(sorted(node) if isinstance(node, dict) else range(len(node))))
        path.append((node, key))
        node = node[key]
    parent, key = path[-1]
    parent[key] = data.draw(json_values)
    try:
        sealed = seal(fields)
    except (ValueError, TypeError):
        return
    try:
        manifest = decode(sealed)
    except e.BundleError:
        return
    assert encode(manifest) == sealed, "what is accepted is understood wholly"
