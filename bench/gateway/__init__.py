"""The programs that `bench_gateway` runs: load generators, a plain proxy and an upstream."""
