/** The days of the calendar and what is due in them, in the user's time zone. */
import { call, fetchAll } from "../app/api.js";
import { dayKey, toInstant } from "../ui/time.js";

const DAY = 86400000;

/** The days (`2026-11-27`) of the week of a day, from Monday, or the day alone. */
export function daysOf(day, view) {
  const noon = Date.parse(`${day}T12:00:00Z`);
  if (view === "day") return [day];
  const monday = noon - ((new Date(noon).getUTCDay() + 6) % 7) * DAY;
  return Array.from({ length: 7 }, (_, index) => new Date(monday + index * DAY).toISOString().slice(0, 10));
}

export const shift = (day, days) => new Date(Date.parse(`${day}T12:00:00Z`) + days * DAY).toISOString().slice(0, 10);
export const today = () => dayKey(new Date());

/** What is due in these days, by day. */
export async function fetchDue(days) {
  const query = { from: toInstant(`${days[0]}T00:00`).toISOString(), to: toInstant(`${shift(days.at(-1), 1)}T00:00`).toISOString() };
  const due = await fetchAll("/schedule", query, 2000);
  const byDay = Object.fromEntries(days.map((day) => [day, []]));
  for (const item of due) byDay[dayKey(item.at)]?.push(item);
  return byDay;
}

/** How many hours the clock is put forward (or back, below 0) on a day. */
export function clockChange(day) {
  const start = toInstant(`${day}T00:00`).getTime();
  const end = toInstant(`${shift(day, 1)}T00:00`).getTime();
  return 24 - (end - start) / 3600000;
}

const KINDS = { reminder: "reminders", call: "calls", campaign: "campaigns" };
export const pathOf = ({ kind, id }) => `/${KINDS[kind]}/${id}`;
export const fetchItem = (item) => call("GET", pathOf(item));
