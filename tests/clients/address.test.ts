// Addresses for <video>, <img> and links on a server with keys: KLIPSTREAM_URL (a proxy's), KEY, PATHS of two jobs' files.
import assert from "node:assert/strict";
import { afterEach, mock, test } from "node:test";
import { ApiError, KlipStream } from "../../clients/js/klipstream.js";

const { KLIPSTREAM_URL: baseUrl = "", KEY: key = "", PATHS: paths = "" } = process.env;
const [path = "", other = ""] = paths.split(" ");
const MINUTE_MS = 60_000;
let posts: string[] = [];
const { fetch: send } = globalThis;
globalThis.fetch = (url, init) => {
  if (init?.method === "POST") posts.push(String(url));
  return send(url, init);
};

afterEach(() => {
  mock.timers.reset();
  posts = [];
});

test("an address opens the file without a header, and has no key in it", async () => {
  const address = await new KlipStream({ baseUrl, key }).address(path);

  assert.equal((await send(address)).status, 200);
  assert.ok(!address.includes(key));
  assert.equal((await send(`${baseUrl}${path}`)).status, 401);
});

test("all addresses of a job share a token, and each job has its own", async () => {
  const client = new KlipStream({ baseUrl, key });
  const addresses = await Promise.all([path, path, other, path].map((each) => client.address(each)));

  assert.equal(addresses[0], addresses[3]);
  assert.equal(posts.length, 2);
  assert.equal((await send(addresses[2] ?? "")).status, 200);
});

test("a token is made anew before it ends", async () => {
  mock.timers.enable({ apis: ["Date"], now: Date.now() });
  const client = new KlipStream({ baseUrl, key });
  await client.address(path);
  mock.timers.tick(9 * MINUTE_MS);
  await client.address(path);
  assert.equal(posts.length, 1);

  mock.timers.tick(2 * MINUTE_MS);
  await client.address(path);
  assert.equal(posts.length, 2);
});

test("another key gets another token", async () => {
  const client = new KlipStream({ baseUrl, key });
  await client.address(path);
  client.key = "of-nobody-at-all";

  await assert.rejects(client.address(path), ApiError);
  client.key = key;
  assert.equal((await send(await client.address(path))).status, 200);
});

test("without a key, or for what is no job's, no token is asked for", async () => {
  assert.equal(await new KlipStream({ baseUrl }).address(path), `${baseUrl}${path}`);
  assert.equal(await new KlipStream({ baseUrl, key }).address("/console?job=1"), `${baseUrl}/console?job=1`);
  assert.deepEqual(posts, []);
});
