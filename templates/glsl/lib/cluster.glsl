// Reductions over groups of `size` neighbouring lanes (a power of two), by shuffles: subgroupClusteredMax and -Add are the same, and cost
// an H200 a twentieth of a kernel that has two of them.
uint cluster_max(uint value, const uint size) {
    [[unroll]] for (uint d = 1; d < size; d *= 2) value = max(value, subgroupShuffleXor(value, d));
    return value;
}
float cluster_add(float value, const uint size) {
    [[unroll]] for (uint d = 1; d < size; d *= 2) value += subgroupShuffleXor(value, d);
    return value;
}
int cluster_add(int value, const uint size) {
    [[unroll]] for (uint d = 1; d < size; d *= 2) value += subgroupShuffleXor(value, d);
    return value;
}
