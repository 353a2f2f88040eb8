// Exact selection in one row by the whole workgroup: radix select with histograms in shared memory, most significant digit first.
// Elements are ordered by their key, equal ones by their rank, which is the greater the lower the id: no two are equal.
// Only sums of integers cross invocations, so that the result depends neither on the workgroup's size nor on timing.
const uint LAST_ID = (1u << 22) - 1u;
struct Cut { uint key; uint rank; };  // what is kept: everything from this element upwards
bool kept(Cut cut, uint key, uint rank) { return key > cut.key || (key == cut.key && rank >= cut.rank); }

// 64-bit weights as (low, high); the includer defines them: what an element counts for, 1 or its probability mass.
uvec2 weight(uint key, bool by_mass);
bool less(uvec2 a, uvec2 b) { return a.y < b.y || (a.y == b.y && a.x < b.x); }
uvec2 plus(uvec2 a, uvec2 b) {
    const uint low = a.x + b.x;
    return uvec2(low, a.y + b.y + uint(low < a.x));
}
uvec2 minus(uvec2 a, uvec2 b) { return uvec2(a.x - b.x, a.y - b.y - uint(a.x < b.x)); }
// ceil(whole * portion / 2^24)
uvec2 share_of(uvec2 whole, uint portion) {
    uint low, middle, carried, high;
    umulExtended(whole.x, portion, carried, low);
    umulExtended(whole.y, portion, high, middle);
    middle += carried;
    high += uint(middle < carried);
    const uvec2 share = uvec2(low >> 24 | middle << 8, middle >> 24 | high << 8);
    return plus(share, uvec2((low & 0xFFFFFFu) != 0u, 0u));
}

// A few elements at hand, so that further passes need not read the row.
const uint CAPACITY = 1024u;
shared uint list_key[CAPACITY];
shared uint list_id[CAPACITY];
shared uint list_size;

// Puts what `cut` keeps into the list, in any order; false (and the list is useless) if that is more than it holds.
bool gather(uint row, Cut cut) {
    barrier();
    if (gl_LocalInvocationID.x == 0) list_size = 0u;
    barrier();
    for (uint quad = gl_LocalInvocationID.x; quad < QUADS; quad += WORKGROUP) {
        const uvec4 keys = keys_at(row, quad);
        [[unroll]] for (uint j = 0; j < 4; ++j) {
            const uint id = quad * 4u + j;
            if (id < VOCAB && kept(cut, keys[j], LAST_ID - id)) {
                const uint slot = atomicAdd(list_size, 1u);
                if (slot < CAPACITY) {
                    list_key[slot] = keys[j];
                    list_id[slot] = id;
                }
            }
        }
    }
    barrier();
    return list_size <= CAPACITY;
}

// Of four places; 0, below everything, behind the end.
uvec4 list_keys(uvec4 at) {
    const uvec4 keys = uvec4(list_key[at.x], list_key[at.y % CAPACITY], list_key[at.z % CAPACITY], list_key[at.w % CAPACITY]);
    return mix(uvec4(0u), keys, lessThan(at, uvec4(list_size)));
}

const uint BINS = 2048u;
const uint CHUNK = 32u;
const uint CHUNKS = BINS / CHUNK;
shared uint bin_low[BINS], bin_high[BINS];
shared uint chunk_low[CHUNKS], chunk_high[CHUNKS];

// The digits of an element: 11, 11, 10 bits of its key, then 11, 11 bits of its rank.
const uint DIGITS = 5u;
uint digit_shift(uint digit) { return digit == 0u ? 21u : digit == 1u ? 10u : digit == 3u ? 11u : 0u; }
uint digit_mask(uint digit) { return digit == 2u ? 0x3FFu : 0x7FFu; }

// Adds an element to its bin if `bound` keeps it and its digits so far (`mask`) are those of `found`.
void tally(uint key, uint id, Cut bound, Cut found, Cut mask, uint digit, bool by_mass) {
    const uint rank = LAST_ID - id;
    if (!kept(bound, key, rank) || (key & mask.key) != found.key || (rank & mask.rank) != found.rank) return;
    const uvec2 w = weight(key, by_mass);
    const uint bin = ((digit < 3u ? key : rank) >> digit_shift(digit)) & digit_mask(digit);
    const uint carry = uint(atomicAdd(bin_low[bin], w.x) > ~w.x);
    if (w.y + carry > 0u) atomicAdd(bin_high[bin], w.y + carry);
}

void sum_chunks() {
    for (uint chunk = gl_LocalInvocationID.x; chunk < CHUNKS; chunk += WORKGROUP) {
        uvec2 sum = uvec2(0u);
{% if rolled %}
        [[dont_unroll]]  // Mesa would, unasked
{% endif %}
        for (uint i = 0; i < CHUNK; ++i) {
            const uint bin = chunk * CHUNK + (i + chunk) % CHUNK;  // rotated: neighbours read different banks
            sum = plus(sum, uvec2(bin_low[bin], bin_high[bin]));
        }
        chunk_low[chunk] = sum.x;
        chunk_high[chunk] = sum.y;
    }
    barrier();
}

// The highest bin at which the sum from above reaches `target`, which becomes what is needed of that bin, `held`; the lowest
// bin if there is not so much.
uint locate(inout uvec2 target, out uvec2 held) {
    uint chunk = CHUNKS - 1u;
    for (; chunk > 0u; --chunk) {
        const uvec2 sum = uvec2(chunk_low[chunk], chunk_high[chunk]);
        if (!less(sum, target)) break;
        target = minus(target, sum);
    }
    uint bin = chunk * CHUNK + CHUNK - 1u;
    for (; bin > chunk * CHUNK; --bin) {
        const uvec2 sum = uvec2(bin_low[bin], bin_high[bin]);
        if (!less(sum, target)) break;
        target = minus(target, sum);
    }
    held = uvec2(bin_low[bin], bin_high[bin]);
    return bin;
}

// Cuts off, of what `bound` keeps in the list or else in the row, the highest `count` elements (or all, if there are fewer);
// with a `portion`, the fewest highest whose mass is at least portion / 2^24 of all.
Cut select(uint row, bool listed, Cut bound, uint count, uint portion) {
    const bool by_mass = portion > 0u;
    uvec2 target = uvec2(count, 0u), held;
    Cut found = Cut(0u, 0u), mask = Cut(0u, 0u);
    for (uint digit = 0; digit < DIGITS; ++digit) {
        barrier();
        for (uint bin = gl_LocalInvocationID.x; bin < BINS; bin += WORKGROUP) bin_low[bin] = bin_high[bin] = 0u;
        barrier();
        for (uint quad = gl_LocalInvocationID.x; quad < (listed ? (list_size + 3u) / 4u : QUADS); quad += WORKGROUP) {
            const uvec4 ids = quad * 4u + uvec4(0u, 1u, 2u, 3u);
            const uvec4 keys = listed ? list_keys(ids) : keys_at(row, quad);
            [[unroll]] for (uint j = 0; j < 4; ++j)
                tally(keys[j], listed ? list_id[ids[j] % CAPACITY] : ids[j], bound, found, mask, digit, by_mass);
        }
        barrier();
        sum_chunks();
        if (by_mass && digit == 0u) {
            uvec2 whole = uvec2(0u);
            for (uint i = 0; i < CHUNKS; ++i) whole = plus(whole, uvec2(chunk_low[i], chunk_high[i]));
            target = share_of(whole, portion);
        }
        const uint bin = locate(target, held);
        if (digit < 3u) {
            found.key |= bin << digit_shift(digit);
            mask.key |= digit_mask(digit) << digit_shift(digit);
        } else {
            found.rank |= bin << digit_shift(digit);
            mask.rank |= digit_mask(digit) << digit_shift(digit);
        }
        // All of one key left in the bin: if every one of them is needed, their ranks do not matter.
        if (digit == 2u && less(held, plus(target, weight(found.key, by_mass)))) break;
    }
    if (kept(bound, found.key, found.rank)) return found;
    return bound;
}

// A bound below which none of the highest `count` elements lies: the count-th of the invocations' best keys, for at least `count`
// elements reach it. It spares almost every element the histograms. No bound if count > WORKGROUP.
Cut lower_bound(uint best_of_mine, uint count, Cut bound) {
    if (count > WORKGROUP) return bound;
    const uint me = gl_LocalInvocationID.x;
    barrier();
    list_key[me] = best_of_mine;  // WORKGROUP is at most CAPACITY
    barrier();
    uint before = 0u;
    for (uint i = 0; i < WORKGROUP; ++i) before += uint(list_key[i] > best_of_mine || (list_key[i] == best_of_mine && i < me));
    if (before == count - 1u) list_id[0] = best_of_mine;
    barrier();
    return list_id[0] > bound.key ? Cut(list_id[0], 0u) : bound;
}
