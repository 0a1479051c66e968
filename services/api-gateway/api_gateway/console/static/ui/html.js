/** `html` makes Preact elements of tagged templates. Text is always text: nothing here writes HTML. */
import { h } from "preact";
import htm from "htm";

export const html = htm.bind(h);
