/**
 * The frontend's functions under their old names, and the ones that KlipStream mirrors its jobs with.
 *
 * One row a job. A row that the frontend made before (`createVideoMinimal`) is taken over by the first job of its
 * video. What a job writes is compare-and-set on (attempt, seq): an older update changes nothing.
 */
import { type Infer, v } from "convex/values";
import {
  internalMutation,
  internalQuery,
  type MutationCtx,
  mutation,
  type QueryCtx,
  query,
  type Video,
} from "./functions.ts";
import { jobFields, oldUrlFields, oldUrlNames, urlFields } from "./schema.ts";

const status = v.union(
  v.literal("Queued"),
  v.literal("Downloading"),
  v.literal("Fetching chat"),
  v.literal("Transcribing"),
  v.literal("Analyzing"),
  v.literal("Finding highlights"),
  v.literal("Completed"),
  v.literal("Failed"),
  v.literal("Cancelled"),
);

const snapshot = {
  jobId: v.string(),
  attempt: v.number(),
  seq: v.number(),
  twitchId: v.string(),
  title: v.optional(v.string()),
  status,
  progressPercentage: v.number(),
  currentStage: v.optional(v.string()),
  estimatedCompletionSeconds: v.optional(v.number()),
  stageProgress: v.record(v.string(), v.number()),
  retryCount: v.number(),
  createdAt: v.number(),
  updatedAt: v.number(),
  processingStartedAt: v.optional(v.number()),
  callbackUrl: v.optional(v.string()),
};
const snapshotObject = v.object({
  ...snapshot,
  errorType: v.optional(v.string()),
  errorCode: v.optional(v.string()),
  errorMessage: v.optional(v.string()),
  isRetryable: v.optional(v.boolean()),
  supportReference: v.optional(v.string()),
  processingCompletedAt: v.optional(v.number()),
});
const outcome = v.object({ applied: v.boolean() });

type Urls = { [name in keyof typeof urlFields | keyof typeof oldUrlFields]?: string };

/** The addresses under both names, whichever was given. */
function underBothNames(urls: Urls): Urls {
  const both: Urls = { ...urls };
  for (const name of Object.keys(oldUrlNames) as (keyof typeof oldUrlNames)[]) {
    const old = oldUrlNames[name];
    const url = urls[name] ?? urls[old];
    if (url !== undefined) both[name] = both[old] = url;
  }
  return both;
}

/** Fields that a new snapshot replaces, also by leaving them out. */
const cleared = Object.fromEntries(Object.keys(jobFields).map((name) => [name, undefined]));

function newestOf(ctx: QueryCtx, twitchId: string): Promise<Video | null> {
  return ctx.db
    .query("videos")
    .withIndex("by_twitch_id", (q) => q.eq("twitchId", twitchId))
    .order("desc")
    .first();
}

function ofJob(ctx: QueryCtx, jobId: string): Promise<Video | null> {
  return ctx.db
    .query("videos")
    .withIndex("by_job_id", (q) => q.eq("jobId", jobId))
    .unique();
}

/** Whether the old functions may change the row: no job writes it now. */
function isFree(row: Video): boolean {
  return row.jobId === undefined || row.processingCompletedAt !== undefined;
}

async function apply(ctx: MutationCtx, job: Infer<typeof snapshotObject>): Promise<{ applied: boolean }> {
  let row = await ofJob(ctx, job.jobId);
  if (row === null) {
    const waiting = await newestOf(ctx, job.twitchId);
    row = waiting !== null && waiting.jobId === undefined ? waiting : null;
  }
  if (row === null) {
    await ctx.db.insert("videos", { ...job, title: job.title ?? "" });
    return { applied: true };
  }
  const [attempt, seq] = [row.attempt ?? 0, row.seq ?? -1];
  if (row.jobId === job.jobId && (job.attempt < attempt || (job.attempt === attempt && job.seq <= seq))) {
    return { applied: false };
  }
  await ctx.db.patch(row._id, { ...cleared, ...job, title: job.title ?? row.title });
  return { applied: true };
}

/** How far the job is. */
export const updateJobProgress = internalMutation({ args: snapshot, returns: outcome, handler: apply });

/** The job failed or was cancelled. */
export const updateJobError = internalMutation({
  args: {
    ...snapshot,
    errorType: v.string(),
    errorCode: v.string(),
    errorMessage: v.string(),
    isRetryable: v.boolean(),
    supportReference: v.optional(v.string()),
    processingCompletedAt: v.number(),
  },
  returns: outcome,
  handler: apply,
});

/** The job completed; its files were written before, by `updateUrls`. */
export const completeJob = internalMutation({
  args: { ...snapshot, processingCompletedAt: v.number() },
  returns: outcome,
  handler: apply,
});

/** The job was removed for good, and its files with it. */
export const removeJob = internalMutation({
  args: { jobId: v.string() },
  returns: outcome,
  handler: async (ctx, { jobId }) => {
    const row = await ofJob(ctx, jobId);
    if (row !== null) await ctx.db.delete(row._id);
    return { applied: row !== null };
  },
});

/** The row of a job, or null. */
export const getJobById = internalQuery({
  args: { jobId: v.string() },
  handler: (ctx, { jobId }) => ofJob(ctx, jobId),
});

/** The newest row of a video, or null. What only the job's owner may know is left out. */
export const getByTwitchIdPublic = query({
  args: { twitchId: v.string() },
  handler: async (ctx, { twitchId }) => {
    const row = await newestOf(ctx, twitchId);
    if (row === null) return null;
    const { callbackUrl: _callbackUrl, ...visible } = row;
    // Rows from before have the addresses under the old names only.
    return { ...visible, ...underBothNames(visible) };
  },
});

/** A row for a video that is about to be analysed; the row there is, if there is one. */
export const createVideoMinimal = mutation({
  args: { twitch_id: v.string(), status: v.string(), team_id: v.optional(v.string()) },
  returns: v.id("videos"),
  handler: async (ctx, args) => {
    const row = await newestOf(ctx, args.twitch_id);
    if (row !== null) return row._id;
    return ctx.db.insert("videos", {
      twitchId: args.twitch_id,
      title: "",
      status: args.status,
      teamId: args.team_id,
    });
  },
});

/** The status of a video that no job writes now; the job's own status stands. */
export const updateStatusByTwitchId = mutation({
  args: { twitchId: v.string(), status: v.string() },
  returns: v.null(),
  handler: async (ctx, args) => {
    const row = await newestOf(ctx, args.twitchId);
    if (row !== null && isFree(row)) await ctx.db.patch(row._id, { status: args.status });
    return null;
  },
});

/** The addresses of the files: into that job's row, or without jobId into the newest row of the video. */
export const updateUrls = mutation({
  args: {
    twitchId: v.string(),
    urls: v.object({ ...urlFields, ...oldUrlFields }),
    jobId: v.optional(v.string()),
  },
  returns: outcome,
  handler: async (ctx, args) => {
    const row = args.jobId === undefined ? await newestOf(ctx, args.twitchId) : await ofJob(ctx, args.jobId);
    const applied = row !== null && row.twitchId === args.twitchId;
    if (applied) await ctx.db.patch(row._id, underBothNames(args.urls));
    return { applied };
  },
});
