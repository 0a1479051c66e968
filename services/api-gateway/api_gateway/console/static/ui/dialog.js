/** A modal dialog: the browser keeps the focus inside and gives it back. Escape closes it. */
import { useEffect, useId, useRef } from "preact/hooks";
import { t } from "../app/texts.js";
import { html } from "./html.js";
import { Icon } from "./icons.js";

export function Dialog({ title, onClose, children }) {
  const dialog = useRef(/** @type {HTMLDialogElement | null} */ (null));
  const id = useId();
  useEffect(() => {
    const before = document.activeElement;
    dialog.current.showModal();
    return () => before instanceof HTMLElement && before.focus();
  }, []);
  return html`<dialog ref=${dialog} aria-labelledby=${id} onClose=${onClose}>
    <div class="dialog-head">
      <h2 id=${id}>${title}</h2>
      <button class="quiet icon-only" type="button" aria-label=${t.shell.close} onClick=${() => dialog.current.close()}><${Icon} name="close" /></button>
    </div>
    ${children}
  </dialog>`;
}

/** A question before something is lost. */
export function Confirm({ title, text, action, onConfirm, onClose }) {
  return html`<${Dialog} title=${title} onClose=${onClose}>
    <p dir="auto">${text}</p>
    <div class="actions">
      <button type="button" onClick=${onClose}>${t.shell.cancel}</button>
      <button class="danger" type="button" onClick=${() => (onConfirm(), onClose())}>${action}</button>
    </div>
  <//>`;
}
