"""The machine a stage runs on: devices, threads, processes, progress, operations counted."""
