// The console: the API used by a page. No framework, nothing from other hosts.
const API = "/api/v1";
const STAGES = {
  download: "Downloading",
  chat: "Fetching chat",
  transcribe: "Transcribing",
  analyze: "Analyzing",
  highlights: "Finding highlights",
};
const STATUS = {
  queued: "Queued",
  downloading: "Downloading",
  fetching_chat: "Fetching chat",
  transcribing: "Transcribing",
  analyzing: "Analyzing",
  finding_highlights: "Finding highlights",
  completed: "Completed",
  failed: "Failed",
  cancelled: "Cancelled",
};
const TERMINAL = new Set(["completed", "failed", "cancelled"]);
const RECONNECT_MS = 3000;

/**
 * The element of the page with this id. Throws where there is none of that kind.
 * @template {HTMLElement} [T=HTMLElement]
 * @param {string} id
 * @param {new () => T} [kind]
 * @returns {T}
 */
function $(id, kind) {
  const element = document.getElementById(id);
  if (!(element instanceof (kind ?? HTMLElement))) throw new Error(`The page has no such element: ${id}`);
  return /** @type {T} */ (element);
}

/** @type {string | null} */
let jobId = null;
/** @type {EventSource | null} */
let source = null;
/** @type {number | undefined} */
let reconnect;
let lastEventId = "";

// --- small things ---------------------------------------------------------------------------------------------------

function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
  return element;
}

function clock(seconds) {
  const whole = Math.floor(seconds);
  const two = (number) => String(number).padStart(2, "0");
  return `${Math.floor(whole / 3600)}:${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)}`;
}

function webAddress(text) {
  return typeof text === "string" && /^https?:\/\//.test(text) ? text : null;
}

const key = () => sessionStorage.getItem("key") ?? "";

// Players and event streams can't send headers, so these addresses carry the key themselves.
function withKey(address) {
  if (!key()) return address;
  return `${address}${address.includes("?") ? "&" : "?"}access_token=${encodeURIComponent(key())}`;
}

class Problem extends Error {
  constructor(members) {
    super(members.detail ?? "Something went wrong.");
    this.members = members;
  }
}

async function call(path, options = {}) {
  const headers = { Accept: "application/json", ...options.headers };
  if (key()) headers.Authorization = `Bearer ${key()}`;
  let response;
  try {
    response = await fetch(path, { ...options, headers });
  } catch {
    throw new Problem({
      code: "UNREACHABLE",
      detail: "The server does not answer.",
      suggested_action: "Try again in a moment.",
    });
  }
  const answer = await response.json().catch(() => ({ detail: `The server answered ${response.status}.` }));
  if (response.status === 401) $("key-form").hidden = false;
  if (!response.ok) throw new Problem(answer);
  return answer;
}

function showProblem(place, members) {
  place.replaceChildren();
  if (!members) return;
  const fields = Object.entries(members.errors ?? {}).map(([field, reasons]) =>
    make("li", {}, `${field}: ${reasons.join(" ")}`),
  );
  place.append(
    make(
      "div",
      { className: "problem" },
      make("p", {}, make("strong", {}, members.detail ?? members.title ?? "Something went wrong.")),
      fields.length ? make("ul", {}, ...fields) : null,
      members.suggested_action ? make("p", {}, members.suggested_action) : null,
      members.support_reference
        ? make(
            "p",
            { className: "soft" },
            make("a", { href: `/docs/errors#${members.code}` }, members.code),
            ` · ${members.support_reference}`,
          )
        : null,
    ),
  );
}

const problemOf = (error) => (error instanceof Problem ? error.members : { detail: String(error) });

// --- submitting -----------------------------------------------------------------------------------------------------

// What is wrong with a field stands at it; its name in the API ends with its name in the form.
function showFieldProblems(errors) {
  for (const old of document.querySelectorAll("#submit-form .field-problem")) old.remove();
  for (const field of document.querySelectorAll("#submit-form [aria-invalid]")) {
    field.removeAttribute("aria-invalid");
    field.removeAttribute("aria-errormessage");
  }
  for (const [name, reasons] of Object.entries(errors)) {
    const field = document.querySelector(`#submit-form [name="${CSS.escape(name.slice(name.lastIndexOf(".") + 1))}"]`);
    if (!field) continue;
    const told = make("span", { className: "field-problem", id: `${field.id}-problem` }, reasons.join(" "));
    field.setAttribute("aria-invalid", "true");
    field.setAttribute("aria-errormessage", told.id);
    field.after(told);
    field.closest("details")?.setAttribute("open", "");
  }
}

async function submit(event) {
  event.preventDefault();
  const form = new FormData($("submit-form", HTMLFormElement));
  const text = (name) => String(form.get(name) ?? "").trim();
  const clips = form.get("clips");
  const body = {
    url: text("url"),
    options: {
      highlights: Number(form.get("highlights")),
      language: text("language") || "en",
      video: form.get("video"),
      clips: clips === "vertical" ? clips : clips === "true",
      learn: form.get("learn") === "true",
      priority: form.get("priority"),
      chat_offset_seconds: Number(form.get("chat_offset_seconds")),
      join: text("join")
        .split(/\r?\n/)
        .map((name) => name.trim())
        .filter(Boolean),
    },
  };
  if (form.get("transcriber")) body.options.transcriber = form.get("transcriber");
  if (form.get("audio_track")) body.options.audio_track = Number(form.get("audio_track"));
  const chat = text("chat_url");
  if (chat) body.chat_url = chat;
  $("submit", HTMLButtonElement).disabled = true;
  showFieldProblems({});
  showProblem($("submit-problem"), null);
  try {
    const job = await call(`${API}/analysis`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
    open(job.job_id);
    $("job-title").focus();
  } catch (error) {
    const members = problemOf(error);
    showFieldProblems(members.error_type === "invalid_video_url" ? { url: [members.detail] } : (members.errors ?? {}));
    showProblem($("submit-problem"), members);
  } finally {
    $("submit", HTMLButtonElement).disabled = false;
  }
}

// --- one job --------------------------------------------------------------------------------------------------------

function open(id, { push = true } = {}) {
  leave();
  jobId = id;
  if (push) history.pushState({}, "", id ? `/console?job=${encodeURIComponent(id)}` : "/console");
  $("job").hidden = !id;
  $("results").hidden = true;
  showProblem($("job-problem"), null);
  if (id) load(id);
  listJobs();
}

function leave() {
  source?.close();
  clearTimeout(reconnect);
  source = null;
  lastEventId = "";
}

async function load(id) {
  try {
    const job = await call(`${API}/analysis/${encodeURIComponent(id)}`);
    if (id !== jobId) return;
    showJob(job);
    if (TERMINAL.has(job.status)) await finished(job);
    else follow(id);
  } catch (error) {
    if (id === jobId) showProblem($("job-problem"), problemOf(error));
  }
}

function showJob(job) {
  $("job-title").textContent = job.video?.title ?? job.url;
  showProgress(job);
}

function showProgress({ status, progress }) {
  const percent = progress.percentage.toFixed(progress.percentage % 1 ? 1 : 0);
  const eta = progress.estimated_completion_seconds;
  const rest = eta === null || TERMINAL.has(status) ? "" : `, about ${clock(eta)} left`;
  const doing = progress.waiting?.text ?? STATUS[status] ?? status;
  $("job-status").textContent = TERMINAL.has(status) ? doing : `${doing}: ${percent} %${rest}`;
  $("total", HTMLProgressElement).value = progress.percentage;
  $("cancel").hidden = TERMINAL.has(status);
  $("retry").hidden = status !== "failed" && status !== "cancelled";
  $("stages").replaceChildren(
    ...Object.entries(STAGES).map(([name, title]) => {
      const done = progress.stage_progress[name] ?? 0;
      const item = make("li", { className: done >= 100 ? "done" : "" }, `${done >= 100 ? "✓ " : ""}${title}`);
      if (done < 100) item.append(make("progress", { max: 100, value: done, ariaLabel: title }));
      if (progress.current_stage === name && !TERMINAL.has(status)) item.setAttribute("aria-current", "step");
      return item;
    }),
  );
}

// The browser reconnects by itself and says what it saw last. Only when it gave up (an answer that is no stream) do we.
function follow(id) {
  const seen = lastEventId ? `?last_event_id=${encodeURIComponent(lastEventId)}` : "";
  const stream = new EventSource(withKey(`${API}/analysis/${encodeURIComponent(id)}/stream${seen}`));
  source = stream;
  for (const kind of ["connected", "progress", "completed", "failed", "cancelled"]) {
    stream.addEventListener(kind, (event) => {
      lastEventId = event.lastEventId;
      if (id === jobId) showProgress(JSON.parse(event.data));
    });
  }
  stream.addEventListener("stream_ended", () => {
    stream.close();
    if (id === jobId) load(id);
  });
  stream.addEventListener("error", () => {
    if (stream.readyState !== EventSource.CLOSED || stream !== source) return;
    reconnect = setTimeout(() => load(id), RECONNECT_MS);
  });
}

async function finished(job) {
  showProblem($("job-problem"), job.error);
  listJobs();
  if (job.status !== "completed") return;
  const results = await call(`${API}/analysis/${encodeURIComponent(job.job_id)}/results`);
  if (job.job_id === jobId) showResults(results);
}

async function change(path, method) {
  const id = jobId;
  if (id === null) return;
  try {
    await call(`${API}/analysis/${encodeURIComponent(id)}${path}`, { method });
    open(id, { push: false });
  } catch (error) {
    showProblem($("job-problem"), problemOf(error));
  }
}

// --- results --------------------------------------------------------------------------------------------------------

function showResults(results) {
  $("warnings").replaceChildren(...(results.warnings ?? []).map((text) => make("p", { className: "warning" }, text)));
  const timeline = results.files["timeline.svg"];
  const image = $("timeline", HTMLImageElement);
  image.hidden = !timeline;
  if (timeline) {
    image.src = withKey(timeline);
    image.alt = `Chat, sound and score over the recording, with ${results.highlights.length} highlights marked`;
  }
  $("highlight-list").replaceChildren(...results.highlights.map(highlightItem));
  if (!results.highlights.length)
    $("highlight-list").append(make("li", { className: "card" }, "No highlights were found."));
  showFiles(results);
  $("results").hidden = false;
}

function highlightItem(highlight) {
  const reasons = (highlight.reasons ?? []).map((reason) => make("li", {}, reason));
  const watch = webAddress(highlight.watch_url);
  const about = make(
    "div",
    {},
    make("h3", {}, `${highlight.rank}. ${highlight.title ?? "Highlight"}`),
    make(
      "p",
      { className: "soft" },
      `${clock(highlight.start_seconds)} to ${clock(highlight.end_seconds)} · score ${highlight.score.toFixed(2)} `,
      highlight.emotion ? make("span", { className: "tag" }, highlight.emotion) : null,
    ),
    reasons.length ? make("ul", {}, ...reasons) : null,
    highlight.transcript ? make("blockquote", {}, highlight.transcript) : null,
    highlight.chat_sample?.length
      ? make(
          "p",
          { className: "chat" },
          make("span", { className: "unseen" }, "Chat: "),
          ...highlight.chat_sample.map((line) => make("span", { className: "tag" }, line)),
        )
      : null,
    watch ? make("p", {}, make("a", { href: watch, rel: "noreferrer" }, "Watch on the site")) : null,
  );
  const article = make("article", { className: "card" });
  if (highlight.clip_url) article.append(player(highlight));
  article.append(about);
  return make("li", {}, article);
}

function player(highlight) {
  const video = make("video", {
    controls: true,
    preload: "none",
    src: withKey(highlight.clip_url),
    ariaLabel: `Clip ${highlight.rank}: ${highlight.title ?? "highlight"}`,
  });
  if (highlight.thumbnail_url) video.poster = withKey(highlight.thumbnail_url);
  return make(
    "div",
    {},
    video,
    make(
      "p",
      { className: "soft" },
      make("a", { href: withKey(highlight.clip_url), download: "" }, "Download the clip"),
    ),
  );
}

function showFiles(results) {
  const link = ([name, address], text) => make("a", { href: withKey(address), download: "" }, text ?? name);
  const files = Object.entries(results.files);
  const exports = files.filter(([name]) => name.startsWith("exports/"));
  $("exports").replaceChildren(
    "For editors and players: ",
    ...exports.flatMap((file) => [link(file, file[0].split("/").pop()), " "]),
  );
  $("files").replaceChildren(...files.map((file) => make("li", {}, link(file))));
}

// --- all jobs -------------------------------------------------------------------------------------------------------

async function listJobs() {
  try {
    const { jobs } = await call(`${API}/jobs?limit=20`);
    $("jobs").replaceChildren(...jobs.map(jobItem));
    if (!jobs.length) $("jobs").append(make("li", { className: "soft" }, "None yet."));
  } catch {
    $("jobs").replaceChildren(make("li", { className: "soft" }, "Not available now."));
  }
}

function jobItem(job) {
  const link = make("a", { href: job.links.console }, job.video?.title ?? job.url);
  link.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    open(job.job_id);
  });
  if (job.job_id === jobId) link.setAttribute("aria-current", "true");
  const when = make("time", { dateTime: job.created_at, className: "soft" }, new Date(job.created_at).toLocaleString());
  return make(
    "li",
    {},
    link,
    make("span", {}, make("span", { className: "tag" }, STATUS[job.status] ?? job.status), " ", when),
  );
}

// --- beginning ------------------------------------------------------------------------------------------------------

const asked = () => new URLSearchParams(location.search).get("job");

$("submit-form").addEventListener("submit", submit);
$("cancel").addEventListener("click", () => change("/cancel", "POST"));
$("retry").addEventListener("click", () => change("/retry", "POST"));
$("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem("key", $("key", HTMLInputElement).value);
  $("key-form").hidden = true;
  open(jobId ?? asked(), { push: false });
});
window.addEventListener("popstate", () => open(asked(), { push: false }));
open(asked(), { push: false });
