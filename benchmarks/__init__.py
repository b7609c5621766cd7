"""What `make bench` measures: figures and ratios, never a pass or a failure."""
