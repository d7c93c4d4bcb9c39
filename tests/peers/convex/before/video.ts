/** The frontend's four functions before KlipStream had any of its own. */
import { mutationGeneric as mutation, queryGeneric as query } from "convex/server";
import { v } from "convex/values";
import { urls } from "./schema.ts";

const newest = (ctx, twitchId) =>
  ctx.db
    .query("videos")
    .withIndex("by_twitch_id", (q) => q.eq("twitchId", twitchId))
    .order("desc")
    .first();

export const getByTwitchIdPublic = query({
  args: { twitchId: v.string() },
  handler: (ctx, { twitchId }) => newest(ctx, twitchId),
});

export const createVideoMinimal = mutation({
  args: { twitch_id: v.string(), status: v.string(), team_id: v.optional(v.string()) },
  handler: (ctx, args) => ctx.db.insert("videos", { twitchId: args.twitch_id, title: "", status: args.status }),
});

export const updateStatusByTwitchId = mutation({
  args: { twitchId: v.string(), status: v.string() },
  handler: async (ctx, { twitchId, status }) => {
    const row = await newest(ctx, twitchId);
    if (row !== null) await ctx.db.patch(row._id, { status });
    return null;
  },
});

export const updateUrls = mutation({
  args: { twitchId: v.string(), urls: v.object(urls) },
  handler: async (ctx, args) => {
    const row = await newest(ctx, args.twitchId);
    if (row !== null) await ctx.db.patch(row._id, args.urls);
    return null;
  },
});
