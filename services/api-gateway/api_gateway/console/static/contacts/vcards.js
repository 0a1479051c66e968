/** vCards (RFC 6350, and versions 2.1 and 3 as phones write them) as the CSV that the import takes. */
import { field } from "./contacts.js";

/** @param {string} text @returns {string} lines of phone, name and tags; of several numbers a mobile one, else the first */
export function csvOfVcards(text) {
  const lines = text.replace(/=\r?\n/g, "").replace(/\r?\n[ \t]/g, "").split(/\r?\n/);
  const rows = [];
  let card = null;
  for (const line of lines) {
    const colon = line.indexOf(":");
    if (colon < 0) continue;
    const [head, ...parameters] = line.slice(0, colon).split(";");
    const name = head.toUpperCase().replace(/^.*\./, "");
    const value = decode(line.slice(colon + 1), parameters);
    if (name === "BEGIN") card = { phones: [], tags: "" };
    else if (!card) continue;
    else if (name === "FN") card.name = plain(value);
    else if (name === "N") card.parts = value.split(/(?<!\\);/).map(plain);
    else if (name === "TEL") card.phones.push({ phone: value.replace(/^tel:/i, "").trim(), mobile: /cell|mobile/i.test(parameters.join()) });
    else if (name === "CATEGORIES") card.tags = value.split(/(?<!\\),/).map(plain).join(";");
    else if (name === "END") {
      const phone = (card.phones.find(({ mobile }) => mobile) || card.phones[0])?.phone ?? "";
      const full = card.name || [card.parts?.[1], card.parts?.[0]].filter(Boolean).join(" ");
      rows.push([phone, full, card.tags]);
      card = null;
    }
  }
  return ["phone,name,tags", ...rows.map((row) => row.map(field).join(","))].join("\r\n") + "\r\n";
}

const plain = (text) => text.replace(/\\n/gi, " ").replace(/\\(.)/g, "$1").trim();

function decode(value, parameters) {
  if (!/quoted-printable/i.test(parameters.join())) return value;
  const bytes = [...value.matchAll(/=([0-9a-f]{2})|([^=])/gi)].flatMap(([, hex, char]) => (hex ? [parseInt(hex, 16)] : [...new TextEncoder().encode(char)]));
  return new TextDecoder().decode(new Uint8Array(bytes));
}
