// Prints what a call of the client gives, and the rate limit it saw: node call.mjs URL KEY METHOD ARGUMENTS (a JSON list)
import { KlipStream } from "../../clients/js/klipstream.js";

const [, , baseUrl, key, method, given] = process.argv;
const client = new KlipStream({ baseUrl, key: key || null });
const answer = await client[method](...JSON.parse(given));
console.log(JSON.stringify({ answer, rateLimit: client.rateLimit }));
