// Prints every event that the client tells of a job, one JSON line each: node follow.mjs URL JOB_ID
import { KlipStream } from "../../clients/js/klipstream.js";

const [, , baseUrl, jobId] = process.argv;
for await (const event of new KlipStream({ baseUrl }).follow(jobId)) console.log(JSON.stringify(event));
