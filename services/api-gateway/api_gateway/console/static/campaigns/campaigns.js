/** Campaigns as the API and the events have them, and the course of each that was watched here. */
import { signal } from "@preact/signals";
import { call, fetchAll } from "../app/api.js";
import { onEvent } from "../app/live.js";
import { onForget } from "../app/state.js";
import { collection } from "../ui/collection.js";

export const campaigns = collection("/campaigns");
export const FIELDS = ["name", "first_name", "phone"];

/** Counts over time by campaign, as this page has seen them: `{at, delivered, failed, skipped}`. */
export const courses = signal(/** @type {Record<string, any[]>} */ ({}));
onForget(() => (courses.value = {}));

for (const kind of ["scheduled", "started", "progress", "paused", "resumed", "cancelled", "completed"]) {
  onEvent(`campaign.${kind}`, async ({ campaign_id: id, status, counts }) => {
    if (!campaigns.find(id)) {
      if (campaigns.state.value.status === "ready") campaigns.put(await call("GET", `/campaigns/${id}`));
      return;
    }
    campaigns.put(counts ? { id, status, counts } : { id, status });
    if (counts) record(id, counts);
  });
}

function record(id, counts) {
  const course = courses.value[id] || [];
  courses.value = { ...courses.value, [id]: [...course.slice(-600), { at: Date.now() / 1000, ...counts }] };
}

/** Pause, resume or cancel. */
export async function steer(id, verb) {
  campaigns.put(await call("POST", `/campaigns/${id}/${verb}`));
}

/** What is wrong in a template: unknown fields, stray braces. */
export function templateProblems(template) {
  const fields = [...template.matchAll(/\{\{\s*([^{}]*?)\s*\}\}/g)].map((match) => match[1]);
  const rest = template.replace(/\{\{\s*([^{}]*?)\s*\}\}/g, "");
  return { unknown: [...new Set(fields.filter((field) => !FIELDS.includes(field)))], stray: /[{}]/.test(rest) };
}

const COUNTED = 2000;

/** How many contacts an audience has, at most `COUNTED` looked at. */
export async function countAudience(audience) {
  if (audience.phones) return { count: new Set(audience.phones).size, more: false };
  const found = new Set();
  for (const tag of audience.tags || [undefined]) {
    for (const { id } of await fetchAll("/contacts", { tag }, COUNTED)) found.add(id);
  }
  return { count: found.size, more: found.size >= COUNTED };
}
