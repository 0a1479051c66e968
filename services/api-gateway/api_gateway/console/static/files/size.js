/** Sizes for people: 1,536 bytes are "1.5 kB". */
import { language } from "../app/texts.js";

const UNITS = ["byte", "kilobyte", "megabyte", "gigabyte"];

export function formatSize(bytes) {
  const power = bytes < 1000 ? 0 : Math.min(3, Math.floor(Math.log10(bytes) / 3));
  const options = { style: "unit", unit: UNITS[power], unitDisplay: power ? "short" : "long", maximumFractionDigits: power ? 1 : 0 };
  return new Intl.NumberFormat(language, options).format(bytes / 1000 ** power);
}
