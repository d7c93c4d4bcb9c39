"""The Helm chart's pools against the stage table."""

import yaml

from shared.stages import QUEUES
from tests.chart import CHART


def test_every_queue_has_a_pool_and_every_pool_a_queue() -> None:
    pools = set(yaml.safe_load((CHART / "values.yaml").read_text())["pools"])

    assert pools == set(QUEUES), f"add to values.yaml: {set(QUEUES) - pools}; no such queue: {pools - set(QUEUES)}"
