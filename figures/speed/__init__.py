"""The figure on speed, and the measurements that it compares."""
