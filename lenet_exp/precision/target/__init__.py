"""What the chip has: operators, their kernels, the lists of the modes."""
