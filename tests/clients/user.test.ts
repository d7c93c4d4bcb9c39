// A user of the JavaScript client, in TypeScript: tsc reads it, Node runs it against a stack (KLIPSTREAM_URL).
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import {
  ApiError,
  DamagedDownload,
  type Highlight,
  type Job,
  type JobEvent,
  KlipStream,
  type Options,
  type Results,
  Unreachable,
  verifyWebhook,
  WebhookRefused,
} from "../../clients/js/klipstream.js";

const baseUrl = process.env.KLIPSTREAM_URL ?? "";
const client = new KlipStream({ baseUrl });
const options: Options = { highlights: 3, video: "clips" };
let done: Job;

test("a recording is submitted, followed to its end, and its results are read", async () => {
  const job = await client.submit("file:demo.mp4", { chatUrl: "file:demo_chat.json", options, force: true });
  const events: JobEvent[] = [];
  for await (const event of client.follow(job.job_id)) events.push(event);

  assert.deepEqual(events.map((event) => event.kind).filter((kind) => kind !== "progress"), ["completed"]);
  assert.equal(events.at(-1)?.results?.highlights, 3);
  done = await client.wait(job.job_id);
  const results: Results = await client.results(job.job_id);
  assert.deepEqual(results.highlights.map((highlight) => highlight.rank), [1, 2, 3]);
  assert.equal((await client.jobs({ limit: 1, videoId: "file:demo.mp4", status: "completed" })).jobs[0]?.job_id, done.job_id);
});

test("a clip arrives as the manifest names it, and no more of it than is wanted", async () => {
  const entry = (await client.manifest(done.job_id)).files["clips/01.mp4"];
  const digest = createHash("sha256");
  for await (const piece of client.download(done.job_id, "clips/01.mp4")) digest.update(piece);

  assert.equal(digest.digest("hex"), entry?.sha256);
  await assert.rejects(client.download(done.job_id, "clips/01.mp4", { maxBytes: 10 }).next(), DamagedDownload);
  await assert.rejects(client.download(done.job_id, "clips/99.mp4").next(), { code: "FILE_NOT_FOUND" });
  assert.equal((await fetch(await client.address(`/api/v1/analysis/${done.job_id}/files/clips/01.mp4`))).status, 200);
});

test("highlights are exported and edited, webhooks are listed", async () => {
  const edited: Highlight = await client.editHighlight(done.job_id, 1, { verdict: "good", title: "Ünder the goat" });

  assert.deepEqual([edited.verdict, edited.title], ["good", "Ünder the goat"]);
  assert.match(new TextDecoder().decode(await client.exportAs(done.job_id, "csv")), /Ünder the goat/);
  assert.deepEqual(await client.deliveries(done.job_id), []);
});

test("a job is cancelled and tried again", async () => {
  const job = await client.submit("file:demo.mp4", { force: true, options: { transcriber: "none" } });
  await client.cancel(job.job_id);

  assert.equal((await client.wait(job.job_id)).status, "cancelled");
  assert.equal((await client.retry(job.job_id)).attempt, 2);
  await client.cancel(job.job_id);
});

test("what is refused is an error with code, fields, advice and reference", async () => {
  await assert.rejects(client.submit("file:a.mp4", { options: { highlights: 99 } }), (error: unknown) => {
    assert.ok(error instanceof ApiError);
    assert.deepEqual([error.status, error.code, error.retryable], [422, "INVALID_REQUEST", false]);
    assert.deepEqual(Object.keys(error.errors), ["options.highlights"]);
    assert.match(error.reference, /^ERR-/);
    assert.ok(error.advice);
    return true;
  });
  await assert.rejects(client.follow("0".repeat(32)).next(), { code: "JOB_NOT_FOUND", status: 404 });
  await assert.rejects(new KlipStream({ baseUrl: "http://127.0.0.1:1" }).jobs(), Unreachable);
});

test("following ends when its signal says so", async () => {
  const job = await client.submit("file:demo.mp4", { force: true });
  const stop = new AbortController();
  await assert.rejects(async () => {
    for await (const _ of client.follow(job.job_id, { signal: stop.signal })) stop.abort();
  }, { name: "AbortError" });
  await client.cancel(job.job_id);
});

const { WEBHOOK_SECRET: secret = "", WEBHOOK_BODY: body = "", WEBHOOK_HEADERS: written = "{}" } = process.env;
const headers: Record<string, string> = JSON.parse(written);
const other = "whsec_b3RoZXItc2VjcmV0LW9mLXRlc3Rz";

test("a webhook that Python signed is read", async () => {
  const several = { ...headers, "Webhook-Signature": `v9 v1a,xx v1,!! ${headers["Webhook-Signature"]}` };

  assert.equal((await verifyWebhook(secret, headers, body)).type, "job.completed");
  assert.equal((await verifyWebhook([other, secret], new Headers(several), body)).type, "job.completed");
});

for (const [what, wrong] of Object.entries({
  "without headers": {},
  "too old": { ...headers, "Webhook-Timestamp": String(Number(headers["Webhook-Timestamp"]) - 400) },
  "of another id": { ...headers, "Webhook-Id": "msg_2" },
  "with another signature": { ...headers, "Webhook-Signature": `v1,${btoa("x".repeat(32))}` },
  "with a flood of signatures": { ...headers, "Webhook-Signature": "v1,AAAA ".repeat(10_000) },
})) {
  test(`a webhook ${what} is refused`, () => assert.rejects(verifyWebhook(secret, wrong, body), WebhookRefused));
}

test("a webhook whose body was changed is refused", () => assert.rejects(verifyWebhook(secret, headers, `${body} `), WebhookRefused));
