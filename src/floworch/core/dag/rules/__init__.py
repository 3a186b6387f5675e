"""The rules that a manifest must keep, one family per module. Each rule yields what it finds and never raises."""
