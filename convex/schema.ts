import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";

/** Where a job's files are, by the frontend's names; a file that a job did not make is left out. */
export const urlFields = {
  video_url: v.optional(v.string()),
  audio_url: v.optional(v.string()),
  waveform_url: v.optional(v.string()),
  transcript_url: v.optional(v.string()),
  transcriptWords_url: v.optional(v.string()),
  chat_url: v.optional(v.string()),
  analysis_url: v.optional(v.string()),
};

/** What the same addresses are called in older tables; written too, so that who reads these finds them. */
export const oldUrlFields = {
  videoUrl: v.optional(v.string()),
  audioUrl: v.optional(v.string()),
  audiowaveUrl: v.optional(v.string()),
  transcriptUrl: v.optional(v.string()),
  transcriptWordUrl: v.optional(v.string()),
  chatUrl: v.optional(v.string()),
  transcriptAnalysisUrl: v.optional(v.string()),
};

export const oldUrlNames = {
  video_url: "videoUrl",
  audio_url: "audioUrl",
  waveform_url: "audiowaveUrl",
  transcript_url: "transcriptUrl",
  transcriptWords_url: "transcriptWordUrl",
  chat_url: "chatUrl",
  analysis_url: "transcriptAnalysisUrl",
} as const satisfies Record<keyof typeof urlFields, keyof typeof oldUrlFields>;

/**
 * What a job says of itself. All optional: rows older than these fields stay valid.
 * Times are milliseconds since 1970, percentages 0-100.
 */
export const jobFields = {
  jobId: v.optional(v.string()),
  attempt: v.optional(v.number()),
  seq: v.optional(v.number()),
  progressPercentage: v.optional(v.number()),
  currentStage: v.optional(v.string()),
  estimatedCompletionSeconds: v.optional(v.number()),
  stageProgress: v.optional(v.record(v.string(), v.number())),
  errorType: v.optional(v.string()),
  errorCode: v.optional(v.string()),
  errorMessage: v.optional(v.string()),
  isRetryable: v.optional(v.boolean()),
  retryCount: v.optional(v.number()),
  supportReference: v.optional(v.string()),
  createdAt: v.optional(v.number()),
  updatedAt: v.optional(v.number()),
  processingStartedAt: v.optional(v.number()),
  processingCompletedAt: v.optional(v.number()),
  callbackUrl: v.optional(v.string()),
};

export default defineSchema({
  videos: defineTable({
    twitchId: v.string(),
    title: v.string(),
    status: v.string(),
    teamId: v.optional(v.string()),
    ...urlFields,
    ...oldUrlFields,
    ...jobFields,
  })
    .index("by_twitch_id", ["twitchId"])
    .index("by_job_id", ["jobId"])
    .index("by_status", ["status"])
    .index("by_created_at", ["createdAt"]),
});
