"""What Prometheus and Grafana need to know of a stack, made from its configuration alone."""
