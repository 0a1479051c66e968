/** Calls the public API. The session is the HttpOnly cookie; this page never sees or keeps a token. */
import { account, clockOffset, endedBecause } from "./state.js";
import { t } from "./texts.js";

const BASE = "/api/v1";
const TRIES = 4;

/** A refusal of the API (RFC 9457), or that it could not be reached (`status` 0). */
export class ApiError extends Error {
  constructor(status, problem = {}) {
    super(problem.detail || problem.title || t.problems.unreachable);
    this.status = status;
    this.code = problem.code || (status ? "unknown" : "unreachable");
    this.requestId = problem.request_id;
    /** Messages by field. */
    this.fields = {};
    for (const { loc = [], msg } of problem.errors || []) {
      const name = loc.filter((part) => typeof part === "string" && part !== "body").join(".") || "";
      this.fields[name] ??= msg;
    }
  }

  /** Whether the request may have been carried out although no answer came. */
  get isUncertain() {
    return this.status === 0 || this.code === "upstream_lost" || this.code === "upstream_timeout";
  }
}

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/**
 * Send a request. Reads, and writes with a key, are sent again when the server is away for a moment.
 * @param {string} method
 * @param {string} path below /api/v1
 * @param {{json?: any, body?: any, type?: string, key?: string, query?: Record<string, any>, quiet?: boolean}} [options]
 */
export async function call(method, path, options = {}) {
  const repeatable = method !== "POST" || options.key !== undefined;
  for (let attempt = 1; ; attempt++) {
    try {
      return await callOnce(method, path, options);
    } catch (error) {
      const passing = error instanceof ApiError && (error.status === 0 || error.status === 503);
      if (!repeatable || !passing || attempt === TRIES) throw error;
      await pause(250 * 2 ** attempt * (0.5 + Math.random()));
    }
  }
}

async function callOnce(method, path, { json, body, type, key, query, quiet }) {
  const headers = { Accept: "application/json" };
  if (json !== undefined) headers["Content-Type"] = "application/json";
  else if (type) headers["Content-Type"] = type;
  if (key) headers["Idempotency-Key"] = key;
  let response;
  try {
    const sent = json === undefined ? body : JSON.stringify(json);
    response = await fetch(BASE + path + search(query), { method, headers, body: sent, credentials: "same-origin" });
  } catch {
    throw new ApiError(0);
  }
  const date = Date.parse(response.headers.get("Date") || "");
  if (date) clockOffset.value = date - Date.now();
  if (response.status === 204) return null;
  let answer = null;
  try {
    answer = await response.json();
  } catch {
    if (response.ok) throw new ApiError(0);
  }
  if (response.ok) return answer;
  if (response.status === 401 && account.value && !quiet) {
    endedBecause.value ||= t.signIn.ended.unknown;
    account.value = null;
  }
  throw new ApiError(response.status, answer || {});
}

function search(query) {
  const given = Object.entries(query || {}).filter(([, value]) => value !== undefined && value !== null && value !== "");
  return given.length ? `?${new URLSearchParams(given.map(([name, value]) => [name, String(value)]))}` : "";
}

/** Follow the cursors of a paged collection to its end, at most `limit` items. */
export async function fetchAll(path, query = {}, limit = Infinity) {
  const items = [];
  let cursor;
  do {
    const page = await call("GET", path, { query: { limit: 200, ...query, cursor } });
    items.push(...page.items);
    cursor = page.next_cursor;
  } while (cursor && items.length < limit);
  return items;
}

/** A new Idempotency-Key. */
export const newKey = () => crypto.randomUUID();

/** What went wrong, in a sentence for people. */
export function explain(error) {
  if (!(error instanceof ApiError)) return t.problems.bug;
  return t.problems.byCode[error.code] || error.message;
}
