"""What a given traffic needs, from the bench's own figures: `fastcapa bench --plan 10G --mean-frame 800`.

figures: ns per packet at any frame size. traffic: rates and what they come to on the wire. probe: queues, workers,
memory. brokers: network, disk, partitions. plan: all of it, with warnings. text: what is shown.
"""
