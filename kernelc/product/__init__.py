"""The product of activations with a weight matrix, shared by the families that are one.

    matvec   1 to 8 rows: a subgroup computes a few rows of the matrix, every weight is read once (memory-bound)
    tile     more rows: tiles in shared memory, plain floats; runs anywhere
    coopmat  more rows: the same tiles through GL_KHR_cooperative_matrix

Weights are row-major [height, padded(width)] in the two planes of `kernelrt.quant`.
"""
