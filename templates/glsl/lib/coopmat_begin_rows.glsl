{% if ranged %}
// A power of two for every 32 of x, and one that takes the row's largest value to 2^14..2^15: together at most 1.
float x_factor[X_LOADS];
{% endif %}
// What comes before the first load of x.
void begin_rows(uint m0) {
{% if chained %}
    await();
{% endif %}
{% if ranged %}
    [[unroll]] for (uint i = 0; i < X_LOADS; ++i) {
        const uint row = m0 + x_row(gl_LocalInvocationID.x + i * WORKGROUP);
        x_factor[i] = to_range(row_max[min(row, max(params.rows, 1u) - 1u)]);
    }
{% endif %}
}
