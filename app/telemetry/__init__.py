"""What is told about requests: records, metrics, the access log, traces."""
