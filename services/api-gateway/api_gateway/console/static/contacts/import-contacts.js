/** Importing a file: the columns that were found and may be changed, its first lines, then the report line by line. */
import { useState } from "preact/hooks";
import { call, explain, fetchAll } from "../app/api.js";
import { t } from "../app/texts.js";
import { Dialog } from "../ui/dialog.js";
import { html } from "../ui/html.js";
import { contacts } from "./contacts.js";
import { csvOfVcards } from "./vcards.js";

const FIELDS = ["phone", "name", "first_name", "last_name", "tags", "owner_id", "opted_out"];
const SHOWN = 500;

export function ImportContacts({ onClose }) {
  const [file, setFile] = useState(/** @type {Blob | null} */ (null));
  const [preview, setPreview] = useState(/** @type {any} */ (null));
  const [mapping, setMapping] = useState({});
  const [report, setReport] = useState(/** @type {any} */ (null));
  const [error, setError] = useState("");
  const [busy, setBusy] = useState(false);
  const run = async (step) => {
    setBusy(true);
    setError("");
    try {
      await step();
    } catch (problem) {
      setError(`${explain(problem)} ${Object.values(problem.fields || {}).join(" ")}`);
    }
    setBusy(false);
  };
  const send = (path, body, columns) => {
    const query = { unknown: "ignore", columns: Object.keys(columns).length ? JSON.stringify(columns) : undefined };
    return call("POST", path, { body, type: "text/csv", query });
  };
  const choose = (event) => run(async () => {
    const [chosen] = event.target.files;
    if (!chosen) return;
    const isVcard = /\.(vcf|vcard)$/i.test(chosen.name);
    const csv = isVcard ? new Blob([csvOfVcards(await chosen.text())]) : chosen;
    setFile(csv);
    setMapping({});
    setReport(null);
    setPreview(await send("/contacts/import/preview", csv, {}));
  });
  const remap = (column, field) => run(async () => {
    const next = { ...mapping };
    if (field) next[column] = field;
    else delete next[column];
    setMapping(next);
    setPreview(await send("/contacts/import/preview", file, next));
  });
  const start = () => run(async () => {
    const done = await send("/contacts/import", file, mapping);
    const rejected = done.rejected.length ? await fetchAll(`/contacts/imports/${done.id}/lines`, { outcome: "rejected" }, SHOWN) : [];
    setReport({ ...done, rejected: rejected.length ? rejected : done.rejected, total: done.rejected.length });
    contacts.load();
  });
  return html`<${Dialog} title=${t.contacts.importTitle} onClose=${onClose}>
    <label class="above" for="import-file">${t.contacts.importFile}</label>
    <input id="import-file" type="file" accept=".csv,.vcf,.vcard,text/csv,text/vcard" onChange=${choose} />
    <p class="hint">${t.contacts.importHint} <a href="/api/v1/contacts/import/template" download="contacts.csv">${t.contacts.importTemplate}</a></p>
    ${error && html`<p class="error" role="alert">${error}</p>`}
    ${preview && !report && html`
      <h3>${t.contacts.columns}</h3>
      <ul class="mapping">${preview.columns.map(({ column, field }) => html`<li key=${column}><label class="inline"><bdi>${column}</bdi>
        <select value=${field ?? ""} onChange=${(event) => remap(column, event.target.value)}>
          <option value="">${t.contacts.leftOut}</option>${FIELDS.map((name) => html`<option key=${name} value=${name}>${t.contacts.fields[name]}</option>`)}
        </select></label></li>`)}</ul>
      <h3>${t.contacts.firstLines}</h3>
      <ol class="lines">${preview.lines.map((line, index) => html`<li key=${index}><bdi>${Object.values(line).filter(Boolean).join(" · ")}</bdi></li>`)}</ol>
      <div class="actions"><button class="primary" disabled=${busy} onClick=${start}>${busy ? t.shell.working : t.contacts.importStart}</button></div>`}
    ${report && html`<div role="status"><p><strong>${t.contacts.report(report)}</strong></p></div>
      <ol class="lines">${report.rejected.map(({ line, reason }) => html`<li key=${line}>${t.contacts.rejectedLine(line)} <bdi>${reason}</bdi></li>`)}</ol>`}
    ${busy && !preview && html`<p role="status">${t.shell.working}</p>`}
  <//>`;
}
