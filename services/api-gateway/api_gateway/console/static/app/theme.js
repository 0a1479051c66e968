/** Light, dark or as the system has it: a harmless preference, the only thing that this page stores. */
import { signal } from "@preact/signals";

const KEY = "theme";

export const theme = signal(read());

export function setTheme(chosen) {
  theme.value = chosen;
  try {
    localStorage.setItem(KEY, chosen);
  } catch {
    // a browser that stores nothing keeps it while the page is open
  }
  applyTheme();
}

export function applyTheme() {
  document.documentElement.dataset.theme = theme.value;
}

function read() {
  try {
    const stored = localStorage.getItem(KEY);
    return ["light", "dark"].includes(stored) ? stored : "system";
  } catch {
    return "system";
  }
}
