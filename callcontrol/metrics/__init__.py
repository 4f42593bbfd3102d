"""Prometheus metrics of one daemon, in a registry of their own. docs/metrics.md has every name."""

from callcontrol.metrics.fanout import Observers
from callcontrol.metrics.observer import PrometheusObserver
from callcontrol.metrics.registry import Metrics

__all__ = ["Metrics", "Observers", "PrometheusObserver"]
