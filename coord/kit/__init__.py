"""The floor both packages stand on: the machine's seams (disk, network, clocks, randomness), framing, configuration."""
