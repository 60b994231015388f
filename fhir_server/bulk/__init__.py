"""Many resources at once: loading now, `$import` and `$export` on the same pieces later."""
