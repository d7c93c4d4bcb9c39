/** The frontend's table before KlipStream had functions of its own. */
import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";

export const urls = {
  video_url: v.optional(v.string()),
  audio_url: v.optional(v.string()),
  waveform_url: v.optional(v.string()),
  transcript_url: v.optional(v.string()),
  transcriptWords_url: v.optional(v.string()),
  chat_url: v.optional(v.string()),
  analysis_url: v.optional(v.string()),
};

export default defineSchema({
  videos: defineTable({ twitchId: v.string(), title: v.string(), status: v.string(), ...urls }).index("by_twitch_id", [
    "twitchId",
  ]),
});
