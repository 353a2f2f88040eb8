"""`kernelc tune`: which sizes of a target's [tune] table are best for one model on one device."""
