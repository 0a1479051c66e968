/** Times in the user's zone: that of the profile, else the browser's. */
import { account } from "../app/state.js";
import { language } from "../app/texts.js";

export const zone = () => account.value?.user.time_zone || Intl.DateTimeFormat().resolvedOptions().timeZone;

const formats = new Map();

function format(options, when) {
  const key = zone() + JSON.stringify(options);
  if (!formats.has(key)) formats.set(key, new Intl.DateTimeFormat(locale(), { timeZone: zone(), ...options }));
  return formats.get(key).format(typeof when === "string" ? new Date(when) : when);
}

function locale() {
  return navigator.language.startsWith(language) ? navigator.language : language;
}

export const formatTime = (when) => format({ hour: "2-digit", minute: "2-digit" }, when);
export const formatDay = (when) => format({ weekday: "short", day: "numeric", month: "short" }, when);
export const formatMoment = (when) => format({ dateStyle: "medium", timeStyle: "short" }, when);

/** `2026-11-27` of an instant in the user's zone. */
export function dayKey(when) {
  const parts = new Intl.DateTimeFormat("en-CA", { timeZone: zone(), year: "numeric", month: "2-digit", day: "2-digit" });
  return parts.format(typeof when === "string" ? new Date(when) : when);
}

/** The time today, else the day. */
export function formatShort(when) {
  return dayKey(when) === dayKey(new Date()) ? formatTime(when) : format({ day: "numeric", month: "short" }, when);
}

/** The difference of a zone to UTC at an instant, in milliseconds. */
function offsetAt(instant, timeZone) {
  const options = { timeZone, hourCycle: "h23", year: "numeric", month: "numeric", day: "numeric", hour: "numeric", minute: "numeric", second: "numeric" };
  const parts = Object.fromEntries(new Intl.DateTimeFormat("en-US", options).formatToParts(instant).map(({ type, value }) => [type, Number(value)]));
  return Date.UTC(parts.year, parts.month - 1, parts.day, parts.hour, parts.minute, parts.second) - Math.floor(instant / 1000) * 1000;
}

/** The instant of a wall-clock time (`2026-11-27T09:30`) in the user's zone; in a gap the time after it. */
export function toInstant(local, timeZone = zone()) {
  const wall = Date.parse(`${local}:00Z`);
  if (Number.isNaN(wall)) return null;
  const guess = wall - offsetAt(wall, timeZone);
  return new Date(wall - offsetAt(guess, timeZone));
}

/** The wall-clock time of an instant, for an input of the type datetime-local. */
export function toLocal(when, timeZone = zone()) {
  const instant = new Date(when).getTime();
  return new Date(instant + offsetAt(instant, timeZone)).toISOString().slice(0, 16);
}
