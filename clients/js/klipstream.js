/**
 * A client of KlipStream's HTTP API, for browsers and Node 20 or later. No dependencies; types are in klipstream.d.ts.
 * @module klipstream
 */

const API = "/api/v1";
const ATTEMPTS = 4;
const LONGEST_WAIT_MS = 10_000; // whoever is to wait longer is told so instead
const TIMEOUT_MS = 30_000;
const POLL_MS = 2_000;
const RECONNECT_MS = 1_000;
const STREAM_AGAIN_MS = 30_000;
const PATIENCE_MS = 120_000; // without any answer: the server is gone
const SILENCE_MS = 35_000; // two missed comments: the connection is dead
const FAILURES_TO_POLL = 2; // connections in a row that told nothing
const FRUITLESS_AT_MOST = 8; // requests of a download in a row that brought nothing
const MAX_EVENT_CHARS = 1 << 20;
const MAX_ANSWER_BYTES = 64 << 20;
const MAX_DOWNLOAD_BYTES = 64 * 2 ** 30;
const MAX_WEBHOOK_BYTES = 1 << 20;
const MAX_SIGNATURES = 16;
const WEBHOOK_TOLERANCE_S = 300;
const TOKENS_AT_MOST = 100;
const ADDRESS_GOOD_MS = 5 * 60_000; // from when it was asked for, at least
const AGAIN = new Set([429, 502, 503, 504]);
const FOR_NOW = new Set([429, 500, 502, 503, 504]);
const TERMINAL = new Set(["completed", "failed", "cancelled"]);

/** Whatever this module throws of its own. */
export class KlipStreamError extends Error {
  get name() {
    return this.constructor.name;
  }
}

/** There is no server at this address, it went away, or what answers is not KlipStream. */
export class Unreachable extends KlipStreamError {
  /** Whether the request may have arrived, though no answer came; Node tells when not, browsers don't. */
  get wasSent() {
    return this.cause?.cause?.code !== "ECONNREFUSED";
  }
}

/** What arrives is not the file that the job's manifest names, or more than the caller takes. */
export class DamagedDownload extends KlipStreamError {}

/** A webhook is not from the server, too old, or has been changed. */
export class WebhookRefused extends KlipStreamError {}

/** The server answered with a problem (RFC 9457). Decide by `code`. */
export class ApiError extends KlipStreamError {
  constructor(status, problem, retryAfter = null) {
    super(text(problem.detail) || text(problem.title) || `The server answered ${status}.`);
    this.status = status;
    this.problem = problem;
    this.code = text(problem.code);
    this.errorType = text(problem.error_type);
    this.detail = this.message;
    this.advice = text(problem.suggested_action);
    this.reference = text(problem.support_reference);
    this.retryable = problem.retryable === true;
    this.retryAfterSeconds = seconds(retryAfter) ?? seconds(problem.retry_after_seconds);
    this.errors = isObject(problem.errors) ? problem.errors : {};
  }
}

/** A KlipStream server. Every call throws ApiError for what the server refuses, Unreachable when it does not answer. */
export class KlipStream {
  #tokens = new Map(); // by job: the key it was asked for with, until when it is handed out, the promise of it

  constructor({ baseUrl = globalThis.location?.origin ?? "", key = null } = {}) {
    this.baseUrl = baseUrl.replace(/\/+$/, "");
    this.key = key;
    this.rateLimit = null; // as the last answer told it
  }

  /** Analyse a recording. The answer comes at once: a new job, or the one that already does this work. */
  submit(url, { idempotencyKey, force = false, signal, ...given } = {}) {
    return this.#json("POST", `/analysis${force ? "?force=true" : ""}`, {
      body: submission({ ...given, url }),
      headers: onceOnly(idempotencyKey),
      signal,
    });
  }

  /** Analyse several recordings, up to 100: for each, in their order, its job or why it was refused. */
  async submitAll(submissions, { idempotencyKey, signal } = {}) {
    const body = { analyses: submissions.map(submission) };
    return (await this.#json("POST", "/analyses", { body, headers: onceOnly(idempotencyKey), signal })).analyses;
  }

  /** The job as it is now. */
  job(jobId, { signal } = {}) {
    return this.#json("GET", ofJob(jobId), { signal });
  }

  /** A page of jobs, newest first unless `sort` says otherwise; with `next_cursor`, the `cursor` of the next. */
  jobs({ signal, ...query } = {}) {
    const asked = Object.entries(query).flatMap(([name, value]) => {
      if (value == null) return [];
      const values = isObject(value) ? Object.entries(value).map((pair) => pair.join(":")) : [value].flat();
      return values.map((each) => [inSnakeCase(name), String(each)]);
    });
    return this.#json("GET", `/jobs?${new URLSearchParams(asked)}`, { cache: "no-cache", signal });
  }

  /** Stop the job's work. */
  cancel(jobId, { signal } = {}) {
    return this.#json("POST", ofJob(jobId, "cancel"), { headers: onceOnly(), signal });
  }

  /** Go on with a failed or cancelled job. */
  retry(jobId, { signal } = {}) {
    return this.#json("POST", ofJob(jobId, "retry"), { headers: onceOnly(), signal });
  }

  /** Remove a finished job for good, with its files: null. One that is not finished is cancelled instead, and given. */
  remove(jobId, { signal } = {}) {
    // Not repeatable: the first one may have cancelled the job, a second one would remove it.
    return this.#repeated({ isRepeatable: false, signal }, async () => {
      const response = await this.#sent("DELETE", ofJob(jobId), { signal });
      return response.status === 204 ? null : objectOf(response);
    });
  }

  /** The result document. */
  results(jobId, { signal } = {}) {
    return this.#json("GET", ofJob(jobId, "results"), { cache: "no-cache", signal });
  }

  /** Every finished file of the job. */
  manifest(jobId, { signal } = {}) {
    return this.#json("GET", ofJob(jobId, "files", "manifest.json"), { signal });
  }

  /** Judge a highlight, name it, move its borders: the highlight as it is shown from now on. */
  editHighlight(jobId, rank, edit, { signal } = {}) {
    return this.#json("PATCH", ofJob(jobId, "highlights", rank), { body: edit, signal });
  }

  /** The job's webhooks, oldest first, with every try and its answer. */
  async deliveries(jobId, { signal } = {}) {
    return (await this.#json("GET", ofJob(jobId, "deliveries"), { signal })).deliveries;
  }

  /** Send a webhook again, with the same id and body. */
  replay(jobId, deliveryId, { signal } = {}) {
    return this.#json("POST", ofJob(jobId, "deliveries", deliveryId, "replay"), { headers: onceOnly(), signal });
  }

  /** Have the server send a signed event of the type `ping` to a receiver: what that answered. */
  ping(callbackUrl, { signal } = {}) {
    const body = { callback_url: callbackUrl };
    return this.#json("POST", "/webhooks/ping", { body, headers: onceOnly(), signal });
  }

  /** The highlights for an editor, a player or a spreadsheet, as bytes. */
  exportAs(jobId, format, { signal } = {}) {
    return this.#repeated({ signal }, () => this.#bytes("GET", ofJob(jobId, "export", format), { signal }));
  }

  /** With `?access_token=` for 15 minutes a browser, which can't send the key, reads this job: its files too. */
  token(jobId, { signal } = {}) {
    return this.#json("POST", ofJob(jobId, "tokens"), { signal });
  }

  /**
   * Where a path of an answer is, for <video>, <img> and links, which can't send a key: with one, the address of
   * something of a job carries a token of that job, good for five minutes or more. Asked for again and again it stays
   * the same until its token is about to end.
   */
  async address(path) {
    const whole = `${this.baseUrl}${path}`;
    const [, jobId] = /^\/api\/v1\/analysis\/([^/?#]+)\//.exec(path) ?? [];
    if (!this.key || !jobId) return whole;
    const token = await this.#tokenFor(decodeURIComponent(jobId));
    return `${whole}${whole.includes("?") ? "&" : "?"}access_token=${encodeURIComponent(token)}`;
  }

  /**
   * Every change of the job, then how it ended, once. The stream comes first and is resumed where it broke; while it
   * can't be had the status is polled. Throws Unreachable when nothing was answered for two minutes.
   */
  async *follow(jobId, { signal } = {}) {
    const course = new Course(jobId);
    while (!course.isOver) {
      if (course.mustLook) yield* course.looked(await this.#asked(course, () => this.job(jobId, { signal })));
      else if (Date.now() >= course.streamAt) yield* this.#streamed(jobId, course, signal);
      else yield* course.polled(await this.#asked(course, () => this.#status(jobId, course.etag, signal)));
      if (!course.isOver) await pause(course.takeWait(), signal);
    }
  }

  /** The job once it has ended, in whichever way. */
  async wait(jobId, { signal } = {}) {
    for await (const _ of this.follow(jobId, { signal }));
    return this.job(jobId, { signal });
  }

  /** A file of the job (`clips/01.mp4`) in pieces as they arrive, resumed where the connection broke. */
  async *download(jobId, name, { maxBytes = MAX_DOWNLOAD_BYTES, signal } = {}) {
    const { files } = await this.manifest(jobId, { signal });
    const path = ofJob(jobId, "files", ...name.split("/"));
    const size = Object.hasOwn(files, name) ? files[name].size : null;
    if (size === null) return yield* this.#pieces(path, { at: 0, size: maxBytes, etag: null }, signal); // a 404
    if (!(size <= maxBytes))
      throw new DamagedDownload(`The file has ${size} bytes, more than the ${maxBytes} that are taken.`);
    const state = { at: 0, size, etag: null };
    for (let fruitless = 0; state.at < size; ) {
      const before = state.at;
      try {
        yield* this.#pieces(path, state, signal);
      } catch (error) {
        if (!mayAskAgain(error, true)) throw error;
      }
      fruitless = state.at > before ? 0 : fruitless + 1;
      if (fruitless > FRUITLESS_AT_MOST)
        throw new DamagedDownload(`The connection breaks again and again after ${state.at} bytes.`);
      if (state.at < size) await pause(RECONNECT_MS, signal);
    }
  }

  /** A token that is good for ADDRESS_GOOD_MS at least; whoever asks meanwhile waits for the same. */
  #tokenFor(jobId) {
    const kept = this.#tokens.get(jobId);
    if (kept?.key === this.key && Date.now() < kept.until) return kept.promise;
    const made = { key: this.key, until: Number.POSITIVE_INFINITY, promise: null };
    const askedAt = Date.now();
    made.promise = this.token(jobId).then(
      ({ token, expires_in_seconds: life }) => {
        made.until = askedAt + 1000 * life - ADDRESS_GOOD_MS;
        return token;
      },
      (error) => {
        made.until = 0;
        throw error;
      },
    );
    this.#tokens.delete(jobId);
    this.#tokens.set(jobId, made);
    if (this.#tokens.size > TOKENS_AT_MOST) this.#tokens.delete(this.#tokens.keys().next().value);
    return made.promise;
  }

  async *#pieces(path, state, signal) {
    // If-Range: when the file has changed meanwhile, all of it comes, and is refused.
    const headers = state.at ? { Range: `bytes=${state.at}-`, ...(state.etag ? { "If-Range": state.etag } : {}) } : {};
    const response = await this.#sent("GET", path, { headers, signal });
    if (state.at && response.status !== 206) {
      await response.body?.cancel();
      throw new DamagedDownload("The file has changed while it was fetched.");
    }
    state.etag ??= response.headers.get("ETag");
    for await (const piece of chunks(response)) {
      state.at += piece.length;
      if (state.at > state.size) throw new DamagedDownload("More bytes arrive than the manifest promised.");
      yield piece;
    }
  }

  async *#streamed(jobId, course, signal) {
    const silence = new AbortController();
    let timer = setTimeout(() => silence.abort(), SILENCE_MS);
    course.opens();
    try {
      const headers = { Accept: "text/event-stream", ...(course.lastId ? { "Last-Event-ID": course.lastId } : {}) };
      const stops = signal ? AbortSignal.any([signal, silence.signal]) : silence.signal;
      const response = await this.#sent("GET", ofJob(jobId, "stream"), { headers, signal: stops, timeout: false });
      if (!response.headers.get("Content-Type")?.startsWith("text/event-stream")) {
        throw new Unreachable("This is no event stream.");
      }
      for await (const said of events(response, () => {
        clearTimeout(timer);
        timer = setTimeout(() => silence.abort(), SILENCE_MS);
      })) {
        yield* course.heard(said);
        if (course.isOver) return;
      }
      course.streamOver(null);
    } catch (error) {
      if (signal?.aborted) throw signal.reason;
      course.streamOver(error);
    } finally {
      clearTimeout(timer);
      silence.abort();
    }
  }

  async #asked(course, ask) {
    try {
      return await ask();
    } catch (error) {
      course.unanswered(error);
      return null;
    }
  }

  async #status(jobId, etag, signal) {
    const response = await this.#sent("GET", ofJob(jobId, "status"), {
      headers: etag ? { "If-None-Match": etag } : {},
      signal,
    });
    return { status: response.status === 304 ? null : await objectOf(response), etag: response.headers.get("ETag") };
  }

  #json(method, path, options) {
    return this.#repeated(options, async () => objectOf(await this.#sent(method, path, options)));
  }

  async #bytes(method, path, options) {
    return bytesOf(await this.#sent(method, path, options));
  }

  /** The call, made again when it failed in a way that may pass. */
  async #repeated({ isRepeatable = true, signal }, call) {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await call();
      } catch (error) {
        if (attempt === ATTEMPTS || signal?.aborted || !mayAskAgain(error, isRepeatable)) throw error;
        await pause(
          1000 * (error.retryAfterSeconds ?? 0) + Math.random() * Math.min(8_000, 500 * 2 ** attempt),
          signal,
        );
      }
    }
  }

  /** The response, once it is none of an error. */
  async #sent(method, path, { body, cache = "no-store", headers = {}, signal, timeout = true } = {}) {
    const sent = { Accept: "application/json", ...headers };
    if (this.key) sent.Authorization = `Bearer ${this.key}`;
    if (body !== undefined) sent["Content-Type"] = "application/json";
    const limits = [signal, timeout ? AbortSignal.timeout(TIMEOUT_MS) : null].filter(Boolean);
    let response;
    try {
      response = await fetch(`${this.baseUrl}${API}${path}`, {
        method,
        headers: sent,
        body: body === undefined ? undefined : JSON.stringify(body),
        signal: AbortSignal.any(limits),
        cache, // "no-cache": a browser keeps the answer, and asks under its ETag whether it has changed
      });
    } catch (error) {
      if (signal?.aborted) throw error;
      throw new Unreachable("The server does not answer.", { cause: error });
    }
    this.rateLimit = rateLimitOf(response) ?? this.rateLimit;
    if (response.status >= 400)
      throw new ApiError(response.status, await objectOf(response), response.headers.get("Retry-After"));
    return response;
  }
}

/** One job's course: what to do next, and what to tell. Does no I/O. */
class Course {
  isOver = false;
  mustLook = false; // it has ended, and what came of it was not told
  streamAt = 0; // when the stream is to be had again
  lastId = "";
  etag = null;
  #answeredAt = Date.now();
  #hasHeard = false; // anything on the present connection
  #silences = 0;
  #shown = "";
  #waitMs = 0;

  constructor(jobId) {
    this.jobId = jobId;
  }

  takeWait() {
    const wait = this.#waitMs;
    this.#waitMs = 0;
    return wait;
  }

  opens() {
    this.#hasHeard = false;
  }

  *heard({ kind, id, data }) {
    if (!["connected", "progress", "stream_ended"].includes(kind) && !TERMINAL.has(kind)) return;
    this.#answered();
    this.#hasHeard = true;
    this.#silences = 0;
    if (kind === "stream_ended") this.mustLook = true;
    if (kind === "connected" || kind === "stream_ended") return;
    const { status, progress, results = null, error = null } = parsed(data);
    if (typeof status !== "string" || !isObject(progress))
      throw new Unreachable("An event has no status or no progress.");
    this.lastId = id || this.lastId;
    yield* this.#told({ kind, jobId: this.jobId, status, progress, eventId: id || null, results, error });
  }

  streamOver(error) {
    if (this.isOver || this.mustLook) return;
    if (error instanceof ApiError) {
      if (!FOR_NOW.has(error.status)) throw error;
      this.#answered();
      this.streamAt =
        Date.now() + Math.min((error.retryAfterSeconds || Number.POSITIVE_INFINITY) * 1000, STREAM_AGAIN_MS);
      return;
    }
    if (error && !(error instanceof Unreachable) && error.name !== "AbortError") throw error;
    this.#checkPatience(error);
    this.#waitMs = RECONNECT_MS;
    // Nobody is there, for a poll neither: what is missed meanwhile the stream tells later.
    if (error instanceof Unreachable && !error.wasSent) return;
    this.#silences = this.#hasHeard ? 0 : this.#silences + 1;
    if (this.#silences >= FAILURES_TO_POLL) this.streamAt = Date.now() + STREAM_AGAIN_MS;
  }

  *polled(answer) {
    this.#waitMs ||= POLL_MS;
    if (!answer) return;
    this.#answered();
    this.etag = answer.etag;
    if (!answer.status || sign(answer.status) === this.#shown) return;
    // What the stream told before is passed by now: it has to begin with the present state.
    this.lastId = "";
    const { status, progress } = answer.status;
    if (TERMINAL.has(status)) {
      this.mustLook = true;
      this.#waitMs = 0;
    } else {
      yield* this.#told({
        kind: "progress",
        jobId: this.jobId,
        status,
        progress,
        eventId: null,
        results: null,
        error: null,
      });
    }
  }

  *looked(job) {
    if (!job) return;
    this.#answered();
    this.mustLook = false;
    this.lastId = "";
    const { status, progress, error } = job;
    const kind = TERMINAL.has(status) ? status : "progress";
    if (kind === "progress") this.#waitMs = RECONNECT_MS; // it was retried just now
    const results = kind === "completed" ? job.results : null;
    yield* this.#told({ kind, jobId: this.jobId, status, progress, eventId: null, results, error });
  }

  unanswered(error) {
    this.#waitMs = POLL_MS;
    if (error instanceof ApiError) {
      if (!FOR_NOW.has(error.status)) throw error;
      this.#waitMs = Math.max(POLL_MS, Math.min((error.retryAfterSeconds ?? 0) * 1000, STREAM_AGAIN_MS));
    } else if (!(error instanceof Unreachable)) throw error;
    else this.streamAt = 0; // it is not the stream's fault
    this.#checkPatience(error);
  }

  *#told(event) {
    if (TERMINAL.has(event.kind)) this.isOver = true;
    else if (TERMINAL.has(event.status) || sign(event) === this.#shown) return; // how a job that has ended is introduced
    this.#shown = sign(event);
    yield event;
  }

  #answered() {
    this.#answeredAt = Date.now();
  }

  #checkPatience(error) {
    if (Date.now() - this.#answeredAt <= PATIENCE_MS) return;
    throw error ?? new Unreachable("The stream ends before the job does, and nothing else answers.");
  }
}

/**
 * The event, once its signature is known to be right and not older (or newer) than five minutes (Standard Webhooks).
 * body: as it arrived, before anything parsed it. Throws WebhookRefused.
 */
export async function verifyWebhook(secrets, headers, body) {
  const bytes = typeof body === "string" ? new TextEncoder().encode(body) : new Uint8Array(body);
  if (bytes.length > MAX_WEBHOOK_BYTES) throw new WebhookRefused("The body is too large.");
  const [id, at, signatures] = ["webhook-id", "webhook-timestamp", "webhook-signature"].map((name) =>
    header(headers, name),
  );
  if (!id || !/^\d{1,12}$/.test(at) || !signatures) throw new WebhookRefused("Headers are missing.");
  if (Math.abs(Date.now() / 1000 - Number(at)) > WEBHOOK_TOLERANCE_S)
    throw new WebhookRefused("The event is too old or too new.");
  const given = signatures.split(" ").filter((signature) => signature.startsWith("v1,"));
  if (given.length > MAX_SIGNATURES) throw new WebhookRefused("There are too many signatures.");
  const signed = new Uint8Array([...new TextEncoder().encode(`${id}.${at}.`), ...bytes]);
  for (const secret of [secrets].flat()) {
    const raw = fromBase64(secret.replace(/^whsec_/, ""));
    if (!raw?.length) throw new TypeError("A webhook secret is whsec_ and base64.");
    const key = await crypto.subtle.importKey("raw", raw, { name: "HMAC", hash: "SHA-256" }, false, ["verify"]);
    for (const signature of given) {
      const value = fromBase64(signature.slice(3));
      // WebCrypto compares in constant time.
      if (value && (await crypto.subtle.verify("HMAC", key, value, signed))) return eventOf(bytes);
    }
  }
  throw new WebhookRefused("No signature is right.");
}

function eventOf(bytes) {
  try {
    return parsed(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    throw new WebhookRefused("The body can't be read.");
  }
}

/** Server-sent events of a response, as the HTML standard reads them. onData: called for every sign of life. */
async function* events(response, onData) {
  const decoder = new TextDecoder();
  let pending = "";
  let id = "";
  let [kind, data] = ["", []];
  for await (const piece of chunks(response)) {
    onData();
    pending += decoder.decode(piece, { stream: true });
    if (pending.length > MAX_EVENT_CHARS) throw new Unreachable("An event is too large.");
    // A carriage return at the end may be half of a line's end.
    const lines = pending.split(/\r\n|\n|\r(?!$)/);
    pending = lines.pop();
    for (const line of lines) {
      const [, field, value] = /^([^:]*):? ?(.*)$/s.exec(line);
      if (field === "event") kind = value;
      else if (field === "data") data.push(value);
      else if (field === "id" && !value.includes("\0")) id = value;
      if (line !== "") continue;
      if (data.length) yield { kind: kind || "message", id, data: data.join("\n") };
      [kind, data] = ["", []];
    }
  }
}

/** The body's pieces. Throws Unreachable when the connection breaks. */
async function* chunks(response) {
  if (!response.body) return;
  const reader = response.body.getReader();
  try {
    for (;;) {
      let step;
      try {
        step = await reader.read();
      } catch (error) {
        throw new Unreachable("The connection broke.", { cause: error });
      }
      if (step.done) return;
      yield step.value;
    }
  } finally {
    reader.cancel().catch(() => {}); // of a connection that broke nothing is left to cancel
  }
}

async function bytesOf(response) {
  const pieces = [];
  let size = 0;
  for await (const piece of chunks(response)) {
    size += piece.length;
    if (size > MAX_ANSWER_BYTES) throw new Unreachable("The answer is too large.");
    pieces.push(piece);
  }
  return new Uint8Array(await new Blob(pieces).arrayBuffer());
}

async function objectOf(response) {
  try {
    return parsed(new TextDecoder().decode(await bytesOf(response)));
  } catch (error) {
    if (error instanceof Unreachable && error.cause) throw error;
    throw new Unreachable(`This is not KlipStream (it answered ${response.status}).`);
  }
}

function parsed(json) {
  let found;
  try {
    found = JSON.parse(json);
  } catch {
    throw new Unreachable("This is no JSON.");
  }
  if (!isObject(found)) throw new Unreachable("This is no object.");
  return found;
}

/** Which failures are worth another attempt: of a call that may be done twice, or that was refused before it was done. */
function mayAskAgain(error, isRepeatable) {
  if (error instanceof Unreachable) return isRepeatable || !error.wasSent;
  if (!(error instanceof ApiError) || !error.retryable || (error.retryAfterSeconds ?? 0) * 1000 > LONGEST_WAIT_MS)
    return false;
  // In progress: the first of two, whose answer was lost, is at work still.
  return isRepeatable ? AGAIN.has(error.status) || error.code === "IDEMPOTENT_IN_PROGRESS" : error.status === 429;
}

function rateLimitOf(response) {
  const found = /^"(\w+)";r=(\d{1,9});t=(\d{1,9})$/.exec(response.headers.get("RateLimit") ?? "");
  return found && { name: found[1], remaining: Number(found[2]), resetsInSeconds: Number(found[3]) };
}

function pause(ms, signal) {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const stop = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, ms);
    signal?.addEventListener("abort", stop, { once: true });
    return undefined;
  });
}

function header(headers, name) {
  const found =
    typeof headers.get === "function"
      ? headers.get(name)
      : Object.entries(headers).find(([key]) => key.toLowerCase() === name)?.[1];
  return typeof found === "string" ? found : "";
}

function fromBase64(value) {
  try {
    return Uint8Array.from(atob(value), (character) => character.charCodeAt(0));
  } catch {
    return null;
  }
}

// Not randomUUID: browsers have that on https pages only.
const randomKey = () =>
  Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
// What makes a call safe to send again: the server answers as before, and does nothing more.
const onceOnly = (key) => ({ "Idempotency-Key": key ?? randomKey() });
const inSnakeCase = (name) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
/** Its members as the API names them; what is in them (options, metadata) stays. */
const submission = (given) =>
  Object.fromEntries(Object.entries(given).map(([name, value]) => [inSnakeCase(name), value]));
const ofJob = (jobId, ...parts) =>
  ["/analysis", ...[jobId, ...parts].map((part) => encodeURIComponent(part))].join("/");
const sign = ({ status, progress }) => JSON.stringify([status, progress]);
const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
const text = (value) => (typeof value === "string" ? value : "");
const seconds = (value) => (value != null && value !== "" && Number(value) >= 0 ? Number(value) : null);
