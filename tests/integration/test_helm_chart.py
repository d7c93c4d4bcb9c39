"""The Helm chart: rendered by Helm, valid for Kubernetes, and in step with what the code knows."""

import re
from typing import Any

import kubernetes_validate
import pytest

from shared.settings import Settings
from shared.stages import QUEUES
from tests.chart import Manifest, manifests

VERSIONS = ("1.27", kubernetes_validate.latest_version())  # the oldest that Chart.yaml allows, and the newest
FOREIGN = {"keda.sh/v1alpha1", "monitoring.coreos.com/v1"}  # whose schemas are not Kubernetes'
BUCKET: Manifest = {"artifacts": {"url": "gs://bucket/klip"}}
EVERYTHING: Manifest = {
    "flower": {"enabled": True},
    "ingress": {"enabled": True, "className": "nginx", "tlsSecret": "tls"},
    "serviceMonitor": {"enabled": True},
    "settings": {"PUBLIC_URL": "https://klipstream.example"},
    "secrets": ["deepgram_api_key", "convex_deploy_key", "webhook_secret"],
    "imagePullSecrets": [{"name": "registry"}],
    "image": {"digest": "sha256:" + "0" * 64},
}
NO_KEDA: Manifest = {"keda": {"enabled": False}, "valkey": {"enabled": False}}


@pytest.fixture(scope="module")
def made() -> list[Any]:
    return manifests(EVERYTHING)


def of_kind(made: list[Any], kind: str) -> dict[str, Any]:
    return {each["metadata"]["name"].removeprefix("klip-"): each for each in made if each["kind"] == kind}


def pods(made: list[Any]) -> dict[str, Any]:
    return {
        name: each["spec"]["template"]["spec"]
        for kind in ("Deployment", "StatefulSet")
        for name, each in of_kind(made, kind).items()
    }


@pytest.mark.parametrize(
    "values", [{}, EVERYTHING, BUCKET, NO_KEDA], ids=["default", "everything", "bucket", "no keda"]
)
def test_every_manifest_is_valid_for_the_oldest_and_the_newest_kubernetes(values: Manifest) -> None:
    for each in manifests(values):
        if each["apiVersion"] not in FOREIGN:
            for version in VERSIONS:
                kubernetes_validate.validate(each, version, strict=True)


@pytest.mark.parametrize("queue", QUEUES)
def test_a_pool_consumes_its_queue_is_asked_about_it_and_scales_on_it(made: list[Any], queue: str) -> None:
    name = f"worker-{queue}"
    [worker] = pods(made)[name]["containers"]
    scaled = of_kind(made, "ScaledObject")[name]["spec"]

    assert worker["command"][worker["command"].index("-Q") + 1] == queue
    assert worker["command"][-1] == f"{queue}@%h"
    for probe in ("startupProbe", "livenessProbe"):
        assert worker[probe]["exec"]["command"] == ["python", "-m", "tasks.health", "worker", queue]
    assert scaled["scaleTargetRef"]["name"] == f"klip-{name}"
    assert name in of_kind(made, "PodDisruptionBudget")
    assert "replicas" not in of_kind(made, "Deployment")[name]["spec"]
    asked = {trigger["name"]: trigger["metadata"]["valueLocation"] for trigger in scaled["triggers"]}
    assert asked == {
        "waiting": f'klip_queue_waiting{{queue="{queue}"}}',
        "running": f'klip_queue_running{{queue="{queue}"}}',
        "oldest": f'klip_queue_oldest_wait_seconds{{queue="{queue}"}}',
    }
    named = set(re.findall(r"[a-z]+", scaled["advanced"]["scalingModifiers"]["formula"]))
    assert named == set(asked)


def test_transcription_alone_scales_to_zero(made: list[Any]) -> None:
    least = {name: each["spec"]["minReplicaCount"] for name, each in of_kind(made, "ScaledObject").items()}

    assert [name for name, replicas in least.items() if replicas == 0] == ["worker-transcription"]


def test_without_keda_every_pool_has_a_pod() -> None:
    deployments = of_kind(manifests(NO_KEDA), "Deployment")

    assert all(deployments[f"worker-{queue}"]["spec"]["replicas"] >= 1 for queue in QUEUES)


def test_the_web_server_scales_and_keeps_its_place_while_a_pool_is_at_zero(made: list[Any]) -> None:
    [web] = pods(made)["web"]["containers"]

    # /ready says no when a pool has no worker.
    assert {web[probe]["httpGet"]["path"] for probe in ("startupProbe", "readinessProbe", "livenessProbe")} == {
        "/health"
    }
    assert of_kind(made, "HorizontalPodAutoscaler")["web"]["spec"]["minReplicas"] >= 2
    assert "replicas" not in of_kind(made, "Deployment")["web"]["spec"]


def test_scheduler_and_flower_are_one_and_never_two(made: list[Any]) -> None:
    for name in ("scheduler", "flower"):
        spec = of_kind(made, "Deployment")[name]["spec"]
        assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})


def test_every_container_is_without_rights_limited_and_probed(made: list[Any]) -> None:
    for name, pod in pods(made).items():
        assert pod["automountServiceAccountToken"] is False, name
        assert (pod["securityContext"]["runAsNonRoot"], pod["securityContext"]["runAsUser"]) == (True, 10001), name
        for container in pod["containers"]:
            security = container["securityContext"]
            assert security["readOnlyRootFilesystem"], name
            assert security["allowPrivilegeEscalation"] is False, name
            assert security["capabilities"] == {"drop": ["ALL"]}, name
            assert set(container["resources"]) == {"requests", "limits"}, name
            assert container["livenessProbe"], name


def test_settings_are_known_and_secrets_are_files(made: list[Any]) -> None:
    known = {name.upper() for name in Settings.__dataclass_fields__}
    secrets = {name.upper() for name, each in Settings.__dataclass_fields__.items() if each.metadata["secret"]}
    for name, pod in pods(made).items():
        for variable in pod["containers"][0]["env"]:
            secret = variable["name"].removesuffix("_FILE")
            assert secret in known | {"FLOWER_BASIC_AUTH"}, name
            if secret in secrets:
                assert variable["value"] == f"/run/secrets/klipstream/{secret.lower()}"
    passed = {variable["name"] for variable in pods(made)["web"]["containers"][0]["env"]}
    assert {f"{name}_FILE" for name in secrets} | {"PUBLIC_URL", "HOST", "DATA_DIR", "ARTIFACTS_URL"} <= passed


def test_artifacts_are_on_a_volume_of_all_pods_or_in_a_bucket(made: list[Any]) -> None:
    in_bucket = manifests(BUCKET)

    assert of_kind(made, "PersistentVolumeClaim")["artifacts"]["spec"]["accessModes"] == ["ReadWriteMany"]
    assert not of_kind(in_bucket, "PersistentVolumeClaim")
    assert "/artifacts" not in {mount["mountPath"] for mount in pods(in_bucket)["web"]["containers"][0]["volumeMounts"]}


def test_nothing_goes_in_or_out_but_what_a_policy_names(made: list[Any]) -> None:
    policies = {name: each["spec"] for name, each in of_kind(made, "NetworkPolicy").items()}

    nothing = policies["nothing"]
    assert nothing["policyTypes"] == ["Ingress", "Egress"]
    assert "ingress" not in nothing
    assert "egress" not in nothing
    assert set(nothing["podSelector"]["matchLabels"]) == {"app.kubernetes.io/name", "app.kubernetes.io/instance"}
    [out] = policies["internet"]["egress"]
    assert {"10.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16"} <= set(out["to"][0]["ipBlock"]["except"])
    assert [port["port"] for port in out["ports"]] == [443]
    assert policies["web"]["ingress"][0]["ports"] == [{"protocol": "TCP", "port": 3000}]


def test_only_pools_that_need_it_reach_the_internet(made: list[Any]) -> None:
    [choice] = of_kind(made, "NetworkPolicy")["internet"]["spec"]["podSelector"]["matchExpressions"]
    labels = {
        name: each["spec"]["template"]["metadata"]["labels"].get(choice["key"])
        for name, each in of_kind(made, "Deployment").items()
    }

    reaching = {name for name, label in labels.items() if label in choice["values"]}
    assert reaching == {"worker-download", "worker-transcription", "worker-delivery"}
