"""Typed, frozen parameters, one module a stage. Free of torch, so that checking them all is quick."""
