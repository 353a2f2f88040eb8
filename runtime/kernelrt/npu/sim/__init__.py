"""The machine that runs a design for the NPU: functional, with back-pressure and a modelled clock (machine.Simulator).

NOTES: objectfifos are lowered to buffers, locks, DMA chains and flows, as the real tools do (lowering); what runs are
cores, DMA channels and the host (actors of the scheduler), which block on locks, streams and tokens. All of it is one
thread, and results do not depend on the order in which actors go on.
"""
