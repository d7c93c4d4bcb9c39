/**
 * A stand-in for a Convex deployment: the real schema and functions of /convex on convex-test, behind Convex's HTTP API.
 *
 *   node server.mjs PORT_FILE DEPLOY_KEY
 *
 * What convex-test leaves out is added here: internal functions only with the key, `50.0` for floats in
 * convex_encoded_json, the backend's wording of a validator's refusal. For the tests: `GET /_calls` (mutations that were
 * carried out), `GET /_rows`, `POST /_reset {"deployed": "now" | "before"}` (the functions
 * of /convex, or only those that the frontend had before: ./before), `POST /_control {"fault": "503" | "hang" | "drop" | "garbage" | "hide" |
 * null, "times": N}` ("hide" words errors as a production deployment does).
 */
import { renameSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { makeFunctionReference } from "convex/server";
import { convexToJson, jsonToConvex } from "convex/values";
import { convexTest } from "convex-test";

const deployments = {
  now: [await import("../../../convex/schema.ts"), () => import("../../../convex/video.ts")],
  before: [await import("./before/schema.ts"), () => import("./before/video.ts")],
};

const [portFile, deployKey] = process.argv.slice(2);
let backend, modules, calls, fault, faultsLeft;
reset();

function reset(deployed = "now") {
  const [{ default: schema }, video] = deployments[deployed];
  modules = { "./_generated/server.js": async () => ({}), "./video.ts": video };
  backend = convexTest(schema, modules);
  calls = [];
  fault = null;
  faultsLeft = 0;
}

/** JSON text with the floats of Convex: always a point. */
function encode(value) {
  if (typeof value === "number" && Number.isInteger(value)) return `${value}.0`;
  if (Array.isArray(value)) return `[${value.map(encode).join(",")}]`;
  if (value !== null && typeof value === "object") {
    const members = Object.entries(value).map(([name, member]) => `${JSON.stringify(name)}:${encode(member)}`);
    return `{${members.join(",")}}`;
  }
  return JSON.stringify(value);
}

/** Which argument a validator refuses, as the backend words it; convex-test does not name it. */
function refusal(validator, args) {
  for (const name of Object.keys(args)) {
    if (!(name in validator)) return `Object contains extra field \`${name}\` that is not in the validator.`;
  }
  for (const [name, { fieldType, optional }] of Object.entries(validator)) {
    if (!(name in args)) {
      if (!optional) return `Object is missing the required field \`${name}\`.`;
    } else if (!fits(fieldType, args[name])) {
      return `Value does not match validator.\nPath: .${name}\nValue: ${JSON.stringify(args[name])}`;
    }
  }
  return "Value does not match validator.";
}

function fits(type, value) {
  if (type.type === "union") return type.value.some((one) => fits(one, value));
  if (type.type === "literal") return type.value === value;
  return ["string", "number", "boolean"].includes(type.type) ? typeof value === type.type : true;
}

class UdfError extends Error {}

async function call(kind, { path, args, format }, isAdmin) {
  const [file, name] = path.split(":");
  const found = (await modules[`./${file}.ts`]?.())?.[name];
  if (found === undefined || !(found.isPublic || isAdmin)) {
    throw new UdfError(`Could not find public function for '${path}'. Did you forget to run \`npx convex dev\`?`);
  }
  const given = jsonToConvex(args);
  try {
    const value = await backend[kind](makeFunctionReference(path), given);
    if (kind === "mutation") calls.push({ path, args: given, value });
    return format === "convex_encoded_json" ? encode(convexToJson(value)) : JSON.stringify(value);
  } catch (error) {
    if (!error.message.startsWith("Validator error")) throw new UdfError(`Uncaught Error: ${error.message}`);
    throw new UdfError(`ArgumentValidationError: ${refusal(JSON.parse(found.exportArgs()).value, given)}`);
  }
}

function answer(response, status, text) {
  response.writeHead(status, { "content-type": "application/json" }).end(text);
}

async function body(request) {
  const parts = [];
  for await (const part of request) parts.push(part);
  return JSON.parse(Buffer.concat(parts).toString() || "{}");
}

/** Whether a fault took the request. */
function spoiled(request, response) {
  if (fault === null || fault === "hide" || faultsLeft === 0) return false;
  faultsLeft -= 1;
  if (fault === "503") answer(response, 503, '{"code":"InternalServerError","message":"Try again later."}');
  if (fault === "garbage") answer(response, 200, "<html>");
  if (fault === "drop") request.socket.destroy();
  return true; // and "hang" gets no answer
}

async function serve(request, response) {
  const control = await body(request);
  if (request.url === "/_reset") reset(control.deployed);
  if (request.url === "/_control") [fault, faultsLeft] = [control.fault, control.times ?? Infinity];
  if (request.url === "/_calls") return answer(response, 200, JSON.stringify(calls));
  if (request.url === "/_rows") {
    return answer(response, 200, JSON.stringify(await backend.run((ctx) => ctx.db.query("videos").collect())));
  }
  if (request.url.startsWith("/_")) return answer(response, 200, "{}");
  if (spoiled(request, response)) return;
  const key = request.headers.authorization;
  if (key !== undefined && key !== `Convex ${deployKey}`) {
    return answer(response, 401, '{"code":"BadDeployKey","message":"The provided deploy key was invalid"}');
  }
  const kind = /^\/api\/(query|mutation)$/.exec(request.url)?.[1];
  if (kind === undefined || request.method !== "POST") return answer(response, 404, '{"code":"NotFound"}');
  try {
    const value = await call(kind, control, key !== undefined);
    answer(response, 200, `{"status":"success","value":${value},"logLines":[]}`);
  } catch (error) {
    if (!(error instanceof UdfError)) throw error;
    const errorMessage = `[Request ID: 0123456789abcdef] Server Error${fault === "hide" ? "" : `\n${error.message}`}`;
    answer(response, 560, JSON.stringify({ status: "error", errorMessage, logLines: [] }));
  }
}

const server = createServer((request, response) => void serve(request, response));
server.listen(0, "127.0.0.1", () => {
  writeFileSync(`${portFile}.new`, String(server.address().port));
  renameSync(`${portFile}.new`, portFile);
});
process.on("SIGTERM", () => process.exit(0));
