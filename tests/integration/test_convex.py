"""The Convex client and the real functions on the stand-in."""

from collections.abc import Iterator
from typing import Any

import pytest

from shared.errors import ConnectionFailed, ExternalServiceError
from tests.peers.convex_peer import DEPLOY_KEY, ConvexPeer, running_convex
from workers.delivery.convex import ConvexClient, FunctionFailed, ValidatorRefused


@pytest.fixture(scope="module")
def server() -> Iterator[ConvexPeer]:
    with running_convex() as running:
        yield running


@pytest.fixture
def peer(server: ConvexPeer) -> ConvexPeer:
    server.reset()
    return server


@pytest.fixture
def client(peer: ConvexPeer) -> ConvexClient:
    return ConvexClient(peer.url, DEPLOY_KEY)


def row_of(client: ConvexClient) -> dict[str, object]:
    row = client.query("video:getJobById", {"jobId": "job1"})
    assert isinstance(row, dict)
    return row


def progress(**changes: Any) -> dict[str, Any]:
    return {
        "jobId": "job1",
        "attempt": 1.0,
        "seq": 3.0,
        "twitchId": "100",
        "status": "Downloading",
        "progressPercentage": 12.5,
        "stageProgress": {"download": 40.0},
        "retryCount": 0.0,
        "createdAt": 1_000.0,
        "updatedAt": 2_000.0,
    } | changes


FAILURE = {
    "errorType": "network_error",
    "errorCode": "NETWORK_TIMEOUT",
    "errorMessage": "A server took too long to answer.",
    "isRetryable": True,
    "processingCompletedAt": 5_000.0,
}


def test_the_old_names_work_as_the_frontend_calls_them(peer: ConvexPeer) -> None:
    made = peer.post("mutation", "video:createVideoMinimal", {"twitch_id": "7", "status": "Queued", "team_id": "t"})
    peer.post("mutation", "video:updateStatusByTwitchId", {"twitchId": "7", "status": "Downloading"})
    peer.post("mutation", "video:updateUrls", {"twitchId": "7", "urls": {"chatUrl": "https://x/chat"}})

    row = peer.post("query", "video:getByTwitchIdPublic", {"twitchId": "7"}).json()["value"]
    assert row["_id"] == made.json()["value"]
    assert (row["status"], row["chatUrl"], row["teamId"]) == ("Downloading", "https://x/chat", "t")


@pytest.mark.parametrize("name", ["chat_url", "chatUrl"])
def test_an_address_is_read_under_both_names(peer: ConvexPeer, name: str) -> None:
    peer.post("mutation", "video:createVideoMinimal", {"twitch_id": "7", "status": "Queued"})

    peer.post("mutation", "video:updateUrls", {"twitchId": "7", "urls": {name: "https://x/chat"}})

    row = peer.post("query", "video:getByTwitchIdPublic", {"twitchId": "7"}).json()["value"]
    assert (row["chat_url"], row["chatUrl"]) == ("https://x/chat", "https://x/chat")


def test_a_video_is_made_once(peer: ConvexPeer) -> None:
    for _ in range(2):
        peer.post("mutation", "video:createVideoMinimal", {"twitch_id": "7", "status": "Queued"})

    assert len(peer.rows()) == 1


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("mutation", "updateJobProgress"),
        ("mutation", "updateJobError"),
        ("mutation", "completeJob"),
        ("query", "getJobById"),
    ],
)
def test_internal_functions_need_the_deploy_key(peer: ConvexPeer, kind: str, name: str) -> None:
    without = peer.post(kind, f"video:{name}", {"jobId": "job1"})
    wrong = peer.post(kind, f"video:{name}", {"jobId": "job1"}, key="prod:guess|1")

    assert "Could not find public function" in without.json()["errorMessage"]
    assert wrong.status_code == 401


def test_a_job_takes_over_the_row_that_the_frontend_made(client: ConvexClient, peer: ConvexPeer) -> None:
    peer.post("mutation", "video:createVideoMinimal", {"twitch_id": "100", "status": "Queued", "team_id": "t"})

    client.mutation("video:updateJobProgress", progress())

    (row,) = peer.rows()
    assert (row["jobId"], row["teamId"], row["status"]) == ("job1", "t", "Downloading")


def test_another_job_of_the_same_video_gets_a_row_of_its_own(client: ConvexClient, peer: ConvexPeer) -> None:
    client.mutation("video:updateJobProgress", progress())
    client.mutation("video:updateJobProgress", progress(jobId="job2", seq=0.0))

    assert [row["jobId"] for row in peer.rows()] == ["job1", "job2"]


@pytest.mark.parametrize("older", [{"seq": 3.0}, {"seq": 2.0}, {"attempt": 0.0, "seq": 9.0}])
def test_an_older_update_changes_nothing(client: ConvexClient, peer: ConvexPeer, older: dict[str, float]) -> None:
    client.mutation("video:updateJobProgress", progress())
    before = peer.rows()

    for name, more in (("updateJobProgress", {}), ("updateJobError", FAILURE)):
        answer = client.mutation(f"video:{name}", progress(status="Failed", **more, **older))
        assert answer == {"applied": False}

    late = progress(status="Completed", processingCompletedAt=9.0, **older)
    assert client.mutation("video:completeJob", late) == {"applied": False}
    assert peer.rows() == before


def test_a_new_attempt_clears_the_error_of_the_last_one(client: ConvexClient, peer: ConvexPeer) -> None:
    client.mutation("video:updateJobError", progress(status="Failed", **FAILURE))
    assert peer.rows()[0]["errorCode"] == "NETWORK_TIMEOUT"

    client.mutation("video:updateJobProgress", progress(attempt=2.0, seq=4.0, status="Queued"))

    row = peer.rows()[0]
    assert row["status"] == "Queued"
    assert not {"errorType", "errorCode", "errorMessage", "processingCompletedAt"} & row.keys()


def test_the_old_status_function_does_not_disturb_a_running_job(client: ConvexClient, peer: ConvexPeer) -> None:
    client.mutation("video:updateJobProgress", progress())

    peer.post("mutation", "video:updateStatusByTwitchId", {"twitchId": "100", "status": "Completed"})

    assert peer.rows()[0]["status"] == "Downloading"


def test_the_public_row_keeps_the_callback_address_to_itself(client: ConvexClient, peer: ConvexPeer) -> None:
    client.mutation("video:updateJobProgress", progress(callbackUrl="https://hook.example/secret"))

    public = peer.post("query", "video:getByTwitchIdPublic", {"twitchId": "100"}).json()["value"]
    assert public["jobId"] == "job1"
    assert "callbackUrl" not in public
    assert row_of(client)["callbackUrl"] == "https://hook.example/secret"


def test_floats_come_back_as_floats(client: ConvexClient) -> None:
    client.mutation("video:updateJobProgress", progress(progressPercentage=50))

    value = row_of(client)["progressPercentage"]
    assert isinstance(value, float)
    assert value == 50


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"status": "Nonsense"}, "status"),
        ({"seq": "three"}, "seq"),
        ({"surprise": 1.0}, "surprise"),
    ],
)
def test_a_validators_refusal_names_the_field(client: ConvexClient, changes: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidatorRefused) as refused:
        client.mutation("video:updateJobProgress", progress(**changes))

    assert refused.value.field == field


def test_a_missing_field_is_named_too(client: ConvexClient) -> None:
    args = progress()
    del args["seq"]

    with pytest.raises(ValidatorRefused) as refused:
        client.mutation("video:updateJobProgress", args)
    assert refused.value.field == "seq"


def test_a_function_that_is_not_deployed_is_told_from_a_refusal(client: ConvexClient) -> None:
    with pytest.raises(FunctionFailed) as failed:
        client.mutation("video:notThere", {})

    assert not isinstance(failed.value, ValidatorRefused)


@pytest.mark.parametrize(
    ("fault", "error"), [("503", ExternalServiceError), ("garbage", ExternalServiceError), ("drop", ConnectionFailed)]
)
def test_what_goes_wrong_on_the_way_is_typed(
    client: ConvexClient, peer: ConvexPeer, fault: str, error: type[Exception]
) -> None:
    peer.control(fault, times=1)

    with pytest.raises(error):
        client.mutation("video:updateJobProgress", progress())

    assert client.mutation("video:updateJobProgress", progress()) == {"applied": True}


def test_a_wrong_deploy_key_is_told(peer: ConvexPeer) -> None:
    with pytest.raises(ExternalServiceError, match="deploy key"):
        ConvexClient(peer.url, "prod:wrong|key").query("video:getJobById", {"jobId": "job1"})


def test_a_server_that_is_not_there_is_a_connection_failure() -> None:
    with pytest.raises(ConnectionFailed):
        ConvexClient("http://127.0.0.1:1", DEPLOY_KEY).query("video:getJobById", {"jobId": "job1"})


def test_a_deployment_that_hides_its_reasons_only_shows_a_failure(client: ConvexClient, peer: ConvexPeer) -> None:
    peer.control("hide")

    with pytest.raises(FunctionFailed) as failed:
        client.mutation("video:updateJobProgress", progress(seq="three"))

    assert not isinstance(failed.value, ValidatorRefused)
