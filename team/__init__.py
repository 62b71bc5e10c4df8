"""What a team does with one repository: share a cache, publish a decomposition, look after its health."""

import flows as flows  # it quietens DVC and Prefect, which must not be imported before
