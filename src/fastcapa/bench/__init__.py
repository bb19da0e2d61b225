"""The cost of a packet on this machine: `fastcapa bench`.

plan: what is measured. run: one run of the probe. floor: the yardstick beside it. samples: medians and ratios.
document, table, plot: what is shown of them. sizing: what a given traffic needs, computed from them.
"""
