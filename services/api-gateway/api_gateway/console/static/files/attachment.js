/** A document on a message. Its link is signed when it is asked for, and is good for minutes. */
import { useEffect, useState } from "preact/hooks";
import { call, explain } from "../app/api.js";
import { t } from "../app/texts.js";
import { html } from "../ui/html.js";
import { Icon } from "../ui/icons.js";
import { formatSize } from "./size.js";

const known = new Map();

export function Attachment({ id }) {
  const [file, setFile] = useState(() => known.get(id));
  const [error, setError] = useState("");
  useEffect(() => {
    if (file) return;
    call("GET", `/files/${id}`).then((found) => (known.set(id, found), setFile(found)), (problem) => setError(explain(problem)));
  }, [id]);
  if (error) return html`<p class="attachment error">${error}</p>`;
  return html`<a class="attachment" href=${`/api/v1/files/${id}/content`} target="_blank" rel="noopener">
    <${Icon} name="attach" /><bdi>${file ? file.name : t.shell.working}</bdi>${file && html` <span class="subtle">${formatSize(file.size)}</span>`}</a>`;
}
