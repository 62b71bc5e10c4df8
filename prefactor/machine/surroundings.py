"""What a result was computed on and with: it may explain a difference in the last bits, and names no artifact."""

import importlib.metadata
import platform
import sys
from typing import Any

LIBRARIES = ("torch", "transformers", "tokenizers", "safetensors", "numpy", "pandas", "pyarrow", "datasets")


def computed_with() -> dict[str, Any]:
    """``{"device", "system", "python", "libraries": {name: version}}`` of this process."""
    return {
        "device": _device(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "libraries": {name: importlib.metadata.version(name) for name in LIBRARIES},
    }


def _device() -> str:
    """The accelerator's name, if this process has used one; else ``cpu``."""
    torch = sys.modules.get("torch")  # stages that load no model do not import it
    if torch is not None and torch.cuda.is_initialized():
        return torch.cuda.get_device_name()
    return "cpu"
