/** How many SMS a text is sent as (3GPP TS 23.038): 160 septets or 153 in parts; beyond GSM's alphabet 70 units or 67. */

const BASIC = new Set(
  "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà",
);
const EXTENDED = new Set("^{}\\[~]|€\f");

/** @param {string} text @returns {{segments: number, left: number, unicode: boolean}} `left`: characters until the next segment */
export function countSegments(text) {
  const characters = [...text];
  const unicode = !characters.every((character) => BASIC.has(character) || EXTENDED.has(character));
  const widths = characters.map((character) => (unicode ? character.length : EXTENDED.has(character) ? 2 : 1));
  const total = widths.reduce((sum, width) => sum + width, 0);
  const [single, part] = unicode ? [70, 67] : [160, 153];
  if (total <= single) return { segments: total ? 1 : 0, left: single - total, unicode };
  let segments = 1;
  let used = 0;
  for (const width of widths) {
    // a character of two units is never cut in half
    if (used + width > part) {
      segments++;
      used = 0;
    }
    used += width;
  }
  return { segments, left: part - used, unicode };
}
