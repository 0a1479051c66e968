/** The icons, drawn in the text's colour. They are decoration: the text beside them or a label names the thing. */
import { html } from "./html.js";

const PATHS = {
  inbox: "M3 5h18v14H3z M3 13h5l2 3h4l2-3h5",
  contacts: "M9 11a4 4 0 1 0 0-8 4 4 0 0 0 0 8z M2 20c0-4 3-6 7-6s7 2 7 6 M16 3.5a4 4 0 0 1 0 7.5 M18 14.5c2.500.8 4 2.500 4 5.500",
  campaigns: "M3 10v4l11 5V5z M14 9c2 0 3 1.300 3 3s-1 3-3 3 M6 15l1 5h3l-1-4",
  calendar: "M4 5h16v15H4z M4 10h16 M8 3v4 M16 3v4",
  files: "M6 2h8l5 5v15H6z M14 2v5h5",
  settings: "M4 7h10 M18 7h2 M4 17h2 M10 17h10 M16 4.500v5 M8 14.500v5",
  bell: "M6 16V11a6 6 0 0 1 12 0v5l2 2H4z M10 21h4",
  search: "M11 18a7 7 0 1 0 0-14 7 7 0 0 0 0 14z M16 16l5 5",
  send: "M3 11l18-8-7 18-3-7z",
  back: "M15 5l-7 7 7 7",
  plus: "M12 5v14 M5 12h14",
  close: "M6 6l12 12 M18 6L6 18",
  attach: "M20 11l-8.500 8.500a5 5 0 0 1-7-7L13 4a3.300 3.300 0 0 1 4.700 4.700L9.500 17a1.600 1.600 0 0 1-2.300-2.300L15 7",
};

/** @param {{name: keyof PATHS}} props */
export function Icon({ name }) {
  return html`<svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false"><path d=${PATHS[name]} /></svg>`;
}
