/** Opens a conversation with a number that there may be none with yet. */
import { call } from "../app/api.js";
import { go } from "../app/router.js";
import { t } from "../app/texts.js";
import { Dialog } from "../ui/dialog.js";
import { Field, FormError, Submit, useForm } from "../ui/form.js";
import { html } from "../ui/html.js";

export function NewConversation({ onClose }) {
  const form = useForm(async ({ phone }) => {
    // the API knows how numbers are written, so it is asked instead of guessing
    const { items } = await call("GET", "/contacts", { query: { q: phone, limit: 1 } });
    const chosen = items[0]?.phone || phone.replace(/[\s()./-]/g, "").replace(/^00/, "+");
    await call("GET", `/conversations/${encodeURIComponent(chosen)}/messages`, { query: { limit: 1 } });
    onClose();
    go("inbox", chosen);
  });
  return html`<${Dialog} title=${t.inbox.compose} onClose=${onClose}>
    <form onSubmit=${form.onSubmit}>
      <${Field} label=${t.inbox.number} name="phone" type="text" autocomplete="off" required hint=${t.inbox.numberHint} error=${form.errorOf("phone")} />
      <${FormError} error=${form.error} />
      <div class="actions"><${Submit} busy=${form.busy}>${t.inbox.open}<//></div>
    </form>
  <//>`;
}
