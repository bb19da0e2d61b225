"""What this host has and how it is set: interfaces, DPDK devices, and what `fastcapa doctor` looks at."""
