/** Forms: labelled fields, the API's messages beside the field that they are about, one submission at a time. */
import { useId, useRef, useState } from "preact/hooks";
import { explain } from "../app/api.js";
import { t } from "../app/texts.js";
import { html } from "./html.js";

/**
 * The state of a form. `submit(values)` gets the inputs by name; what it throws is shown.
 * @param {(values: Record<string, string>, form: HTMLFormElement) => Promise<void>} submit
 */
export function useForm(submit) {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState(null);
  const running = useRef(false);
  const onSubmit = async (event) => {
    event.preventDefault();
    if (running.current) return;
    const form = event.currentTarget;
    running.current = true;
    setBusy(true);
    setError(null);
    try {
      await submit(Object.fromEntries(new FormData(form)), form);
    } catch (problem) {
      setError(problem);
      requestAnimationFrame(() => form.querySelector("[aria-invalid=true], .form-error")?.focus());
    } finally {
      running.current = false;
      setBusy(false);
    }
  };
  const fields = error?.fields || {};
  return { busy, error, onSubmit, errorOf: (name) => fields[name] };
}

/** A label with its input, a hint and an error. Other properties go to the input. */
export function Field({ label, hint, error, as = "input", children, ...input }) {
  const id = useId();
  const described = [hint && `${id}-hint`, error && `${id}-error`].filter(Boolean).join(" ");
  const Tag = as;
  return html`<div class="field">
    <label for=${id}>${label}</label>
    <${Tag} id=${id} ...${input} aria-invalid=${error ? "true" : undefined} aria-describedby=${described || undefined}>${children}<//>
    ${hint && html`<p class="hint" id=${`${id}-hint`}>${hint}</p>`}
    ${error && html`<p class="error" id=${`${id}-error`}>${error}</p>`}
  </div>`;
}

/** What is wrong with a form as a whole; fields say their own. */
export function FormError({ error }) {
  if (!error) return null;
  const where = Object.entries(error.fields || {}).filter(([, text]) => text);
  return html`<p class="form-error error" role="alert" tabindex="-1">
    ${explain(error)}${where.length > 0 && html` ${t.problems.fields(where.map(([name, text]) => (name ? `${name}: ${text}` : text)).join("; "))}`}
  </p>`;
}

/** The button that submits a form. */
export function Submit({ busy, children }) {
  return html`<button class="primary" type="submit" aria-disabled=${busy ? "true" : undefined}>${busy ? t.shell.working : children}</button>`;
}
