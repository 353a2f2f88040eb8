// How an activation vector of {{ width }} elements lies in memory for its reader; rows are {{ padded }} elements apart, the tail is zero.
//   rows    row-major
//   lanes   cut into units of {{ unit }} elements, what one lane takes at a time: part j of all units side by side, so that lanes read side by side
//           (parts of 4 floats, or of 16 int8)
const uint WIDTH = {{ width }}u;
const uint PADDED = {{ padded }}u;
const uint UNIT = {{ unit }}u;
const uint UNITS = PADDED / UNIT;

// Index of element k in the lanes layout of a vector of `units` units, whose parts hold `part` elements.
uint lanes_index_of(uint k, uint part, uint units) {
    return ((k % UNIT) / part) * (units * part) + (k / UNIT) * part + k % part;
}
uint lanes_index(uint k, uint part) { return lanes_index_of(k, part, UNITS); }
