/** The contacts as the API lists them, and what can be done with them. */
import { call, fetchAll, newKey } from "../app/api.js";
import { collection } from "../ui/collection.js";

export const contacts = collection("/contacts");

export async function saveContact(id, values) {
  const path = id ? `/contacts/${id}` : "/contacts";
  const saved = await call(id ? "PATCH" : "POST", path, { json: values, key: id ? undefined : newKey() });
  contacts.put(saved);
  return saved;
}

export async function deleteContact(id) {
  await call("DELETE", `/contacts/${id}`);
  contacts.remove(id);
}

/** "a, b" as tags. */
export const tagsOf = (text) => [...new Set(text.split(/[,;]/).map((tag) => tag.trim()).filter(Boolean))];

/** All contacts as CSV. What a spreadsheet would take for a formula gets an apostrophe before it. */
export async function exportContacts() {
  const all = await fetchAll("/contacts");
  const rows = all.map(({ phone, name, tags, owner_id, opted_out }) => [phone, name, tags.join(";"), owner_id, opted_out]);
  const lines = [["phone", "name", "tags", "owner_id", "opted_out"], ...rows].map((row) => row.map(field).join(","));
  return new Blob(["\ufeff", lines.join("\r\n"), "\r\n"], { type: "text/csv;charset=utf-8" });
}

const PHONE = /^\+\d+$/;

/** @param {any} value */
export function field(value) {
  const text = String(value ?? "");
  const safe = /^[=+\-@\t\r]/.test(text) && !PHONE.test(text) ? `'${text}` : text;
  return /[",\r\n;]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
