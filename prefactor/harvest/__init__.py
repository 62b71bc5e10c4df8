"""When each subcomponent fires, on what, and together with which others."""
