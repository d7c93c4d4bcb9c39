/** A client of KlipStream's HTTP API, for browsers and Node 20 or later. */

export type JobStatus =
  | "queued"
  | "downloading"
  | "fetching_chat"
  | "transcribing"
  | "analyzing"
  | "finding_highlights"
  | "completed"
  | "failed"
  | "cancelled";
export type EventType = "job.started" | "job.completed" | "job.failed" | "job.cancelled";
export type Source = "twitch" | "local" | "direct";
export type Verdict = "good" | "bad";
export type ExportFormat = "csv" | "srt" | "vtt" | "chapters" | "edl" | "fcpxml" | "otio" | "premiere" | "mlt";

/** How a job is to be done; what is left out is the server's default. */
export interface Options {
  video?: "clips" | "full" | "none";
  highlights?: number;
  language?: string;
  transcriber?: "auto" | "deepgram" | "whisper" | "none" | null;
  audio_track?: number | null;
  clips?: boolean | "vertical";
  learn?: boolean;
  chat_offset_seconds?: number;
  priority?: "low" | "normal";
  join?: string[];
}

/** An error (RFC 9457). */
export interface Problem {
  type: string;
  title: string;
  status: number;
  detail: string;
  instance: string;
  code: string;
  error_type: string;
  retryable: boolean;
  retry_after_seconds: number | null;
  suggested_action: string;
  support_reference: string;
  errors?: Record<string, string[]>;
}

/** Why a job failed. */
export interface JobError extends Problem {
  stage: string | null;
  attempt: number;
}

/** What a stage that was put back waits for. */
export interface Retry {
  stage: string;
  attempt: number;
  code: string;
  detail: string;
  at: string;
  until: string;
}

/** What a job that nobody works on waits for. */
export interface Waiting {
  reason: "turn" | "worker" | "retry" | "breaker";
  /** Among those that wait, from 1. */
  position: number | null;
  since: string;
  until: string | null;
  text: string;
}

/** How far a job is; stage_progress has a percentage for each stage, `waiting` is null while somebody works on it. */
export interface Progress {
  percentage: number;
  current_stage: string | null;
  stages_completed: number;
  total_stages: number;
  estimated_completion_seconds: number | null;
  waiting: Waiting | null;
  stage_progress: Record<string, number>;
}

/** One file of a recording in several. */
export interface VideoPart {
  file_name: string;
  begins_at_seconds: number;
  duration_seconds: number;
  start_timecode: string | null;
}

/** The recording. */
export interface Video {
  id: string;
  source: "twitch" | "local" | "direct";
  title: string | null;
  channel: string | null;
  duration_seconds: number;
  created_at: string | null;
  game: string | null;
  views: number | null;
  audio_track: number | null;
  audio_tracks: number | null;
  parts: VideoPart[];
  watch_url: string | null;
  file_name: string | null;
  has_picture: boolean | null;
  frame_rate: string | null;
  variable_frame_rate: boolean | null;
  width: number | null;
  height: number | null;
  start_timecode: string | null;
  audio_channels: number | null;
  audio_rate: number | null;
}

/** Where the best known files are; null for what was not made. */
export interface Urls {
  audio_url: string | null;
  video_url: string | null;
  chat_url: string | null;
  transcript_url: string | null;
  transcriptWords_url: string | null;
  waveform_url: string | null;
  analysis_url: string | null;
}

/** What the job itself tells of its results. */
export interface Made extends Urls {
  highlights: number;
  clips: number;
  files: number;
  results_url: string;
}

/** Where else to look, from the root of the server. */
export interface Links {
  self: string;
  status: string;
  stream: string;
  results: string;
  console: string;
}

/** A job. */
export interface Job {
  job_id: string;
  video_id: string | null;
  url: string;
  chat_url: string | null;
  callback_url: string | null;
  callback_events: EventType[];
  options: Options;
  metadata: Record<string, string>;
  status: JobStatus;
  attempt: number;
  created_at: string;
  updated_at: string;
  started_at: string | null;
  finished_at: string | null;
  progress: Progress;
  video: Video | null;
  results: Made | null;
  error: JobError | null;
  warnings: string[];
  retries: Retry[];
  links: Links;
}

/** What one submission of several was answered. status: 202 new, 200 made before, or the problem's. */
export interface BatchAnswer {
  status: number;
  location: string | null;
  job: Job | null;
  error: Problem | null;
}

/** For `?access_token=` where no header can be sent: whoever has it reads this one job until then. */
export interface Token {
  token: string;
  expires_at: string;
  expires_in_seconds: number;
  stream_url: string;
  results_url: string;
}

/** A page of jobs, newest first. */
export interface Jobs {
  jobs: Job[];
  next_cursor: string | null;
  total: number | null;
}

/** A moment, with why it is one. */
export interface Highlight {
  rank: number;
  start_seconds: number;
  end_seconds: number;
  peak_seconds: number;
  score: number;
  emotion: string | null;
  title: string | null;
  reasons: string[];
  transcript: string | null;
  chat_sample: string[] | null;
  signals: Record<string, number | null>;
  clip_url: string | null;
  thumbnail_url: string | null;
  watch_url: string | null;
  verdict: Verdict | null;
}

/** What is said about a highlight; what is left out stays, null brings back what was found. */
export interface HighlightEdit {
  verdict?: Verdict | null;
  title?: string | null;
  start_seconds?: number | null;
  end_seconds?: number | null;
}

/** -1 to 1; null where there is nothing to tell it from. */
export interface Sentiment {
  chat: number | null;
  speech: number | null;
}

/** An emote and how often it was written. */
export interface Emote {
  name: string;
  count: number;
}

/** The chat in figures. */
export interface ChatSummary {
  messages: number;
  chatters: number;
  peak_per_minute: number;
  top_emotes: Emote[];
}

/** The transcript in figures. */
export interface TranscriptSummary {
  language: string | null;
  words: number;
  confidence: number | null;
  provider: string;
  cost_estimate_usd: number | null;
}

/** What a job found. files: the address of each, by name. */
export interface Results {
  job_id: string;
  metadata: Record<string, string>;
  video: Video | null;
  highlights: Highlight[];
  tuned_on_verdicts: number;
  emotions: Record<string, number> | null;
  sentiment: Sentiment | null;
  chat: ChatSummary | null;
  chat_lag_seconds: number | null;
  transcript: TranscriptSummary | null;
  warnings: string[];
  timings: Record<string, number>;
  files: Record<string, string>;
  urls: Urls;
}

/** Every finished file of a job, by name; sizes in bytes. */
export interface Manifest {
  job_id: string;
  files: Record<string, { size: number; sha256: string; stage: string; attempt: number }>;
}

/** One attempt to deliver a webhook. */
export interface DeliveryTry {
  at: string;
  seconds: number;
  status: number | null;
  answer: string;
  error: string | null;
}

/** One event for one receiver. */
export interface Delivery {
  id: string;
  type: string;
  url: string;
  state: "pending" | "delivered" | "failed" | "gone";
  created_at: string;
  next_try_at: string | null;
  tries: DeliveryTry[];
}

/** What a receiver answered to a ping. status: null without an answer, `error` says why. */
export interface Pong {
  id: string;
  status: number | null;
  answer: string;
  error: string | null;
  seconds: number;
}

/** The body of a webhook. */
export interface Webhook {
  type: EventType;
  timestamp: string;
  data: Job;
}

/** A change of a job that is followed. eventId: null when it was seen by polling. */
export interface JobEvent {
  kind: "progress" | "completed" | "failed" | "cancelled";
  jobId: string;
  status: JobStatus;
  progress: Progress;
  eventId: string | null;
  results: Made | null;
  error: JobError | null;
}

/** Of the limit that counted the last request: requests left, and until all of them are there again. */
export interface RateLimit {
  name: string;
  remaining: number;
  resetsInSeconds: number;
}

export interface CallOptions {
  signal?: AbortSignal;
}

/** How a recording is submitted. */
export interface SubmitArguments {
  chatUrl?: string;
  callbackUrl?: string;
  /** What the webhooks tell; all when it is left out. */
  callbackEvents?: readonly EventType[];
  /** Text pairs of your own, given back everywhere. */
  metadata?: Record<string, string>;
  options?: Options;
  /** Made when it is left out. */
  idempotencyKey?: string;
  /** Start a new job even if the same one is running. */
  force?: boolean;
}

export interface SubmitOptions extends SubmitArguments {
  signal?: AbortSignal;
}

/** One recording of several. */
export interface Submission extends SubmitArguments {
  url: string;
}

/** Which jobs to list: all that is given has to hold. A page may be short, even empty, and have a `next_cursor`. */
export interface JobsQuery extends CallOptions {
  status?: JobStatus | readonly JobStatus[];
  videoId?: string;
  source?: Source;
  channel?: string;
  metadata?: Record<string, string>;
  /** Text in the address, the video's id, title or channel, or the metadata. */
  q?: string;
  /** ISO 8601. */
  createdAfter?: string;
  createdBefore?: string;
  /** "-created_at", newest first, when it is left out. */
  sort?: "created_at" | "-created_at";
  limit?: number;
  /** `next_cursor` of the page before. */
  cursor?: string | null;
}

/** Whatever this module throws of its own. */
export class KlipStreamError extends Error {}
/** There is no server at this address, it went away, or what answers is not KlipStream. */
export class Unreachable extends KlipStreamError {
  /** Whether the request may have arrived, though no answer came; Node tells when not, browsers don't. */
  get wasSent(): boolean;
}
/** What arrives is not the file that the job's manifest names, or more than the caller takes. */
export class DamagedDownload extends KlipStreamError {}
/** A webhook is not from the server, too old, or has been changed. */
export class WebhookRefused extends KlipStreamError {}
/** The server answered with a problem (RFC 9457). Decide by `code`. */
export class ApiError extends KlipStreamError {
  readonly status: number;
  readonly problem: Partial<Problem>;
  readonly code: string;
  readonly errorType: string;
  readonly detail: string;
  /** What to do. */
  readonly advice: string;
  /** To quote when asking for help: it is in the server's log. */
  readonly reference: string;
  readonly retryable: boolean;
  readonly retryAfterSeconds: number | null;
  /** What is wrong with each field. */
  readonly errors: Record<string, string[]>;
}

/** A KlipStream server. Every call throws ApiError for what the server refuses, Unreachable when it does not answer. */
export class KlipStream {
  /** baseUrl: in a browser the page's own origin when left out. */
  constructor(options?: { baseUrl?: string; key?: string | null });
  readonly baseUrl: string;
  key: string | null;
  /** As the last answer told it. */
  readonly rateLimit: RateLimit | null;
  submit(url: string, options?: SubmitOptions): Promise<Job>;
  /** Up to 100: for each, in their order, its job or why it was refused. */
  submitAll(
    submissions: readonly Submission[],
    options?: CallOptions & { idempotencyKey?: string },
  ): Promise<BatchAnswer[]>;
  job(jobId: string, options?: CallOptions): Promise<Job>;
  jobs(query?: JobsQuery): Promise<Jobs>;
  cancel(jobId: string, options?: CallOptions): Promise<Job>;
  retry(jobId: string, options?: CallOptions): Promise<Job>;
  /** Removes a finished job for good: null. One that is not finished is cancelled instead, and given. */
  remove(jobId: string, options?: CallOptions): Promise<Job | null>;
  results(jobId: string, options?: CallOptions): Promise<Results>;
  manifest(jobId: string, options?: CallOptions): Promise<Manifest>;
  editHighlight(jobId: string, rank: number, edit: HighlightEdit, options?: CallOptions): Promise<Highlight>;
  deliveries(jobId: string, options?: CallOptions): Promise<Delivery[]>;
  /** Sends a webhook again, with the same id and body. */
  replay(jobId: string, deliveryId: string, options?: CallOptions): Promise<Delivery>;
  /** Has the server send a signed event of the type `ping` to a receiver: what that answered. */
  ping(callbackUrl: string, options?: CallOptions): Promise<Pong>;
  exportAs(jobId: string, format: ExportFormat, options?: CallOptions): Promise<Uint8Array>;
  /** Every change of the job, then how it ended, once; connections may break meanwhile. */
  follow(jobId: string, options?: CallOptions): AsyncGenerator<JobEvent, void, undefined>;
  /** The job once it has ended, in whichever way. */
  wait(jobId: string, options?: CallOptions): Promise<Job>;
  /** A file of the job in pieces as they arrive, resumed where the connection broke. */
  download(
    jobId: string,
    name: string,
    options?: CallOptions & { maxBytes?: number },
  ): AsyncGenerator<Uint8Array, void, undefined>;
  /** Lets whoever has it read this job for 15 minutes, as `?access_token=`. */
  token(jobId: string, options?: CallOptions): Promise<Token>;
  /**
   * Where a path of an answer is, for <video>, <img> and links. With a key, the address of something of a job carries a
   * token of that job, good for five minutes or more; asked for again it stays the same until the token is about to end.
   */
  address(path: string): Promise<string>;
}

/** The event, once its signature is known to be right and not older than five minutes. body: as it arrived. */
export function verifyWebhook(
  secrets: string | readonly string[],
  headers: { get(name: string): string | null } | Record<string, string | string[] | undefined>,
  body: string | ArrayBuffer | Uint8Array,
): Promise<Webhook>;
