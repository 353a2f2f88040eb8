    // Consecutive workgroups share a tile of weights, so that those come from memory once.
    const uint m0 = gl_WorkGroupID.x * BM;
    if (m0 >= params.rows) {  // a tile of idle rows
        {{ "arrive();" if chained }}
        return;
    }
    const uint n0 = gl_WorkGroupID.y * BN;
    const uint sm = gl_SubgroupID / (BN / WN) * WM;
    const uint sn = gl_SubgroupID % (BN / WN) * WN;
{% if steps % splits %}
    const uint begin = STEPS * gl_WorkGroupID.z / {{ splits }}u;
    const uint end = STEPS * (gl_WorkGroupID.z + 1) / {{ splits }}u;
{% else %}
    const uint begin = {{ "gl_WorkGroupID.z * %du" % (steps // splits) if splits > 1 else "0" }};  // the compiler likes to know how many steps there are
    const uint end = begin + {{ steps // splits }}u;
{% endif %}
    SUMS sum[{{ matrices }}][WM / 16][WN / 16];
    [[unroll]] for (uint m = 0; m < {{ matrices }}; ++m)
        [[unroll]] for (uint i = 0; i < WM / 16; ++i)
            [[unroll]] for (uint j = 0; j < WN / 16; ++j) sum[m][i][j] = SUMS(0.0);
