"""Rules of the policy pack: plain functions on plain values, without Pulumi."""
