// What a user writes on the types that openapi-typescript generates, with openapi-fetch. Prints what it got, as JSON.
import createClient from "openapi-fetch";
import type { components, paths } from "./klipstream.d.ts";

type Job = components["schemas"]["Job"];
type JobState = components["schemas"]["JobState"];

const client = createClient<paths>({ baseUrl: process.argv[2] });
const ENDED: JobState["status"][] = ["completed", "failed", "cancelled"];

async function submit(): Promise<Job> {
  const { data, error } = await client.POST("/api/v1/analysis", {
    params: { query: { force: true } },
    body: { url: "file:demo.mp4", chat_url: "file:demo_chat.json", options: { highlights: 3 } },
  });
  if (error) throw new Error(error.detail);
  return data;
}

async function follow(job_id: string): Promise<JobState> {
  for (;;) {
    const { data } = await client.GET("/api/v1/analysis/{job_id}/status", { params: { path: { job_id } } });
    if (!data) throw new Error("no status");
    if (ENDED.includes(data.status)) return data;
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}

const { job_id } = await submit();
const state = await follow(job_id);
const path = { job_id };
const results = await client.GET("/api/v1/analysis/{job_id}/results", { params: { path } });
const manifest = await client.GET("/api/v1/analysis/{job_id}/files/manifest.json", { params: { path } });
const clip = await client.GET("/api/v1/analysis/{job_id}/files/{name}", {
  params: { path: { job_id, name: "clips/01.mp4" } },
  parseAs: "arrayBuffer",
});
const srt = await client.GET("/api/v1/analysis/{job_id}/export/{format}", {
  params: { path: { job_id, format: "srt" } },
  parseAs: "text",
});
const judged = await client.PATCH("/api/v1/analysis/{job_id}/highlights/{rank}", {
  params: { path: { job_id, rank: 1 } },
  body: { verdict: "good" },
});
const nobody = await client.GET("/api/v1/analysis/{job_id}", { params: { path: { job_id: "nobody" } } });
const wrong = await client.POST("/api/v1/analysis", { body: { url: "https://example.com" } });
const job = await client.GET("/api/v1/analysis/{job_id}", { params: { path } });
const failure: components["schemas"]["JobError"] | null | undefined = job.data?.error;

console.log(
  JSON.stringify({
    status: state.status,
    highlights: results.data?.highlights.map((highlight) => highlight.start_seconds),
    chatters: results.data?.chat?.chatters ?? null,
    clip_bytes: clip.data?.byteLength,
    manifest_bytes: manifest.data?.files["clips/01.mp4"]?.size,
    cues: (srt.data ?? "").split("-->").length - 1,
    verdict: judged.data?.verdict,
    refused: [nobody.error?.code, wrong.error?.code, ...(failure ? [failure.code] : [])],
  }),
);
