/** The texts of the console in the reader's language. A language is one catalogue: add it to CATALOGUES. */
import en from "./texts.en.js";

const CATALOGUES = { en };

export const language = navigator.languages.map((tag) => tag.slice(0, 2)).find((tag) => tag in CATALOGUES) || "en";

/** @type {typeof en} */
export const t = CATALOGUES[language];
