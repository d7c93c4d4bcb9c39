// The console: the API used by a page. No framework, nothing from other hosts.
import { ApiError, KlipStream, KlipStreamError } from "/console/klipstream.js";

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
const READDRESS_MS = 60_000;
const TERMINAL = new Set(["completed", "failed", "cancelled"]);

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
let following = new AbortController();
/** What the page shows of the job's files, and where each is now. */
let addressed = [];

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

const client = new KlipStream({ key: sessionStorage.getItem("key") });

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

function problemOf(error) {
  if (error instanceof ApiError) {
    if (error.status === 401) $("key-form").hidden = false;
    return error.problem;
  }
  if (!(error instanceof KlipStreamError)) throw error;
  return { detail: error.message, suggested_action: "Try again in a moment." };
}

// --- addresses of files: with a key they carry a token, which ends after a while --------------------------------------

function isAt(path, element, property) {
  addressed.push({ path, element, property, address: null });
  return element;
}

async function readdress() {
  const shown = addressed;
  const addresses = await Promise.all(shown.map(({ path }) => client.address(path)));
  if (shown !== addressed) return;
  shown.forEach((one, at) => {
    if (one.address !== addresses[at]) move(one, addresses[at]);
  });
}

function move(one, address) {
  const { element, property } = one;
  const isFirst = one.address === null;
  one.address = address;
  if (element instanceof HTMLVideoElement && property === "src") playFrom(element, address);
  else if (isFirst || property === "href") element[property] = address; // a picture is loaded once
}

function playFrom(video, address) {
  const { currentTime, paused } = video;
  Object.assign(video, { src: address, currentTime, autoplay: !paused });
}

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
  /** @type {import("/console/klipstream.js").Options} */
  const options = {
    highlights: Number(form.get("highlights")),
    language: text("language") || "en",
    video: /** @type {"clips" | "full" | "none"} */ (text("video")),
    clips: clips === "vertical" ? clips : clips === "true",
    learn: form.get("learn") === "true",
    priority: /** @type {"low" | "normal"} */ (text("priority")),
    chat_offset_seconds: Number(form.get("chat_offset_seconds")),
    join: text("join")
      .split(/\r?\n/)
      .map((name) => name.trim())
      .filter(Boolean),
  };
  const transcriber = text("transcriber");
  if (transcriber)
    options.transcriber = /** @type {import("/console/klipstream.js").Options["transcriber"]} */ (transcriber);
  if (form.get("audio_track")) options.audio_track = Number(form.get("audio_track"));
  $("submit", HTMLButtonElement).disabled = true;
  showFieldProblems({});
  showProblem($("submit-problem"), null);
  try {
    const job = await client.submit(text("url"), { chatUrl: text("chat_url") || undefined, options });
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
  following.abort();
  jobId = id;
  if (push) history.pushState({}, "", id ? `/console?job=${encodeURIComponent(id)}` : "/console");
  $("job").hidden = !id;
  $("results").hidden = true;
  addressed = [];
  showProblem($("job-problem"), null);
  if (id) load(id);
  listJobs();
}

async function load(id) {
  try {
    let job = await client.job(id);
    if (id !== jobId) return;
    showJob(job);
    if (!TERMINAL.has(job.status)) {
      if (!(await follow(id))) return;
      job = await client.job(id);
      if (id !== jobId) return;
      showJob(job);
    }
    await finished(job);
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

/** Shows the job's progress until it has ended; false when the page went on to another one before. */
async function follow(id) {
  const here = new AbortController();
  following = here;
  try {
    for await (const event of client.follow(id, { signal: here.signal })) showProgress(event);
  } catch (error) {
    if (!here.signal.aborted) throw error;
  }
  return !here.signal.aborted;
}

async function finished(job) {
  showProblem($("job-problem"), job.error);
  listJobs();
  if (job.status !== "completed") return;
  const results = await client.results(job.job_id);
  if (job.job_id === jobId) await showResults(results);
}

async function change(action) {
  const id = jobId;
  if (id === null) return;
  try {
    await action(id);
    open(id, { push: false });
  } catch (error) {
    showProblem($("job-problem"), problemOf(error));
  }
}

// --- results --------------------------------------------------------------------------------------------------------

async function showResults(results) {
  addressed = [];
  $("warnings").replaceChildren(...(results.warnings ?? []).map((text) => make("p", { className: "warning" }, text)));
  const timeline = results.files["timeline.svg"];
  const image = $("timeline", HTMLImageElement);
  image.hidden = !timeline;
  if (timeline) {
    isAt(timeline, image, "src");
    image.alt = `Chat, sound and score over the recording, with ${results.highlights.length} highlights marked`;
  }
  $("highlight-list").replaceChildren(...results.highlights.map(highlightItem));
  if (!results.highlights.length)
    $("highlight-list").append(make("li", { className: "card" }, "No highlights were found."));
  showFiles(results);
  await readdress();
  $("results").hidden = results.job_id !== jobId;
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
    ariaLabel: `Clip ${highlight.rank}: ${highlight.title ?? "highlight"}`,
  });
  isAt(highlight.clip_url, video, "src");
  if (highlight.thumbnail_url) isAt(highlight.thumbnail_url, video, "poster");
  const link = isAt(highlight.clip_url, make("a", { download: "" }, "Download the clip"), "href");
  return make("div", {}, video, make("p", { className: "soft" }, link));
}

function showFiles(results) {
  const link = ([name, path], text) => isAt(path, make("a", { download: "" }, text ?? name), "href");
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
    const { jobs } = await client.jobs({ limit: 20 });
    $("jobs").replaceChildren(...jobs.map(jobItem));
    if (!jobs.length) $("jobs").append(make("li", { className: "soft" }, "None yet."));
  } catch (error) {
    const { detail } = problemOf(error);
    $("jobs").replaceChildren(make("li", { className: "soft" }, `Not available now: ${detail}`));
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
$("cancel").addEventListener("click", () => change((id) => client.cancel(id)));
$("retry").addEventListener("click", () => change((id) => client.retry(id)));
$("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  client.key = $("key", HTMLInputElement).value;
  sessionStorage.setItem("key", client.key);
  $("key-form").hidden = true;
  open(jobId ?? asked(), { push: false });
});
window.addEventListener("popstate", () => open(asked(), { push: false }));
setInterval(() => readdress().catch(problemOf), READDRESS_MS);
open(asked(), { push: false });
