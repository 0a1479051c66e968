/** Files: uploads by drop or choice with progress, cancel and "try again"; downloads by signed links. */
import { signal } from "@preact/signals";
import { useEffect, useState } from "preact/hooks";
import { call, explain, newKey } from "../app/api.js";
import { onEvent } from "../app/live.js";
import { onForget } from "../app/state.js";
import { t } from "../app/texts.js";
import { act } from "../ui/act.js";
import { collection } from "../ui/collection.js";
import { Confirm } from "../ui/dialog.js";
import { html } from "../ui/html.js";
import { Icon } from "../ui/icons.js";
import { ListState } from "../ui/list-state.js";
import { formatMoment } from "../ui/time.js";
import { formatSize } from "./size.js";
import { uploadFile } from "./uploads.js";

const ABOUT = { entity_type: "console", entity_id: "files" };
const files = collection("/files");
const uploads = signal(/** @type {any[]} */ ([]));

onForget(() => (uploads.value = []));
onEvent("file.uploaded", (file) => files.state.value.status === "ready" && files.put(file));
onEvent("file.deleted", (file) => files.remove(file.id));

const change = (key, values) => (uploads.value = uploads.value.map((upload) => (upload.key === key ? { ...upload, ...values } : upload)));
const drop = (key) => (uploads.value = uploads.value.filter((upload) => upload.key !== key));

/** Send a file, or send it again with the key that it had: it is stored once. */
async function start(file, key = newKey()) {
  if (!uploads.value.some((upload) => upload.key === key)) uploads.value = [...uploads.value, { key, file, part: 0, error: "" }];
  const { done, cancel } = uploadFile(file, ABOUT, { key, onProgress: (part) => change(key, { part }) });
  change(key, { cancel, error: "", part: 0 });
  try {
    files.put(await done);
    drop(key);
  } catch (problem) {
    if (problem.code === "cancelled") drop(key);
    else change(key, { error: explain(problem), cancel: null });
  }
}

export function FilesPage() {
  const [over, setOver] = useState(false);
  const [deleting, setDeleting] = useState(/** @type {any} */ (null));
  useEffect(() => void files.open(), []);
  const take = (list) => [...list].forEach((file) => start(file));
  return html`<div class="content"><h1>${t.pages.files}</h1>
    <div class=${`drop card ${over ? "is-over" : ""}`} onDragOver=${(event) => (event.preventDefault(), setOver(true))} onDragLeave=${() => setOver(false)}
        onDrop=${(event) => (event.preventDefault(), setOver(false), take(event.dataTransfer.files))}>
      <p>${t.files.drop}</p>
      <label class="button attach"><${Icon} name="plus" />${t.files.choose}<input class="hidden" type="file" multiple
        onChange=${(event) => (take(event.target.files), (event.target.value = ""))} /></label>
    </div>
    <ul class="cards" aria-live="polite">${uploads.value.map(({ key, file, part, error, cancel }) => html`<li key=${key} class="card line-card">
      <div><strong><bdi>${file.name}</bdi></strong> <span class="subtle">${formatSize(file.size)}</span>
        ${error ? html`<p class="error">${error}</p>` : html`<progress max="1" value=${part} aria-label=${t.files.progress(file.name)}></progress>`}</div>
      ${error ? html`<button onClick=${() => start(file, key)}>${t.shell.again}</button><button class="quiet" onClick=${() => drop(key)}>${t.shell.dismiss}</button>`
        : html`<button onClick=${() => cancel?.()}>${t.shell.cancel}</button>`}</li>`)}</ul>
    <ul class="cards">${files.state.value.items.map((file) => html`<li key=${file.id} class="card line-card">
      <div><a href=${`/api/v1/files/${file.id}/content`} target="_blank" rel="noopener"><bdi>${file.name}</bdi></a>
        <p class="subtle">${formatSize(file.size)} · <bdi>${file.content_type}</bdi> · <time>${formatMoment(file.created_at)}</time></p></div>
      <button class="quiet" onClick=${() => setDeleting(file)}>${t.shell.delete}<span class="hidden"> ${file.name}</span></button></li>`)}</ul>
    <${ListState} of=${files} none=${t.files.none} showMore />
    ${deleting && html`<${Confirm} title=${t.files.deleteTitle} text=${t.files.deleteText(deleting.name)} action=${t.shell.delete} onClose=${() => setDeleting(null)}
      onConfirm=${() => act(() => call("DELETE", `/files/${deleting.id}`).then(() => files.remove(deleting.id)))} />`}
  </div>`;
}
