    barrier();
    // Elements leave through shared memory, sixteen rows of each subgroup at a time: which lane holds which is the device's own affair.
    const uint strip = gl_SubgroupID / (BN / WN) * 16;
    [[unroll]] for (uint i = 0; i < WM / 16; ++i) {
        if (i > 0) barrier();
        [[unroll]] for (uint j = 0; j < WN / 16; ++j) {
{% if gated %}
            [[unroll]] for (uint e = 0; e < sum[0][i][j].length(); ++e) sum[0][i][j][e] = activate(sum[0][i][j][e]) * sum[1][i][j][e];
{% endif %}
{% if chained %}
            sum[0][i][j] *= in_time;
{% endif %}
            coopMatStore(sum[0][i][j], tiles, strip * (BN / 4) + (sn + j * 16) / 4, BN / 4, gl_CooperativeMatrixLayoutRowMajor);
        }
        barrier();
        for (uint item = gl_LocalInvocationID.x; item < BM / WM * 16 * ROW_ITEMS; item += WORKGROUP) {
            const uint at = item / ROW_ITEMS;
            put_out(m0 + at / 16 * WM + i * 16 + at % 16, n0 + item % ROW_ITEMS * (BN / ROW_ITEMS), item);
        }
    }
{% if splits > 1 %}
    if (last_to_arrive(gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x, {{ splits }}u)) put_whole_tile(m0, n0);
{% endif %}
{% if chained %}
    arrive();
{% endif %}
