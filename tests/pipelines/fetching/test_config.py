import pytest

from pipelines.fetching.config import FetchConfig
from schemas.errors import ConfigError


def test_config_errors_are_one_line():
    with pytest.raises(ConfigError, match=r"deadline = 0 .*> 0"):
        FetchConfig.make({"deadline": 0})
    with pytest.raises(ConfigError, match=r"allowed_networks.*10\.0\.0\.0/40"):
        FetchConfig.make({"allowed_networks": ["10.0.0.0/40"]})
    with pytest.raises(ConfigError, match="user_agent"):
        FetchConfig.make({"user_agent": "a\r\nX-Evil: 1"})
