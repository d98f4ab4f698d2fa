"""What benchmarks share: servers, load, records."""
