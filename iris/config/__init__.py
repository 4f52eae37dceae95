"""The cluster file: read once, strictly, into frozen structs."""

from iris.config.finding import find_config, load_config, read_text
from iris.config.model import ClusterConfig, GroupConfig
from iris.config.parsing import differences, from_dict, parse_config, to_dict

__all__ = [
    "ClusterConfig",
    "GroupConfig",
    "differences",
    "find_config",
    "from_dict",
    "load_config",
    "parse_config",
    "read_text",
    "to_dict",
]
