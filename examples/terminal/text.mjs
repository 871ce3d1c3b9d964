// Text for a terminal: nothing that a terminal would obey, in lines that fit.

/** Escape sequences and the other control characters. What a model or another person writes must not steer the terminal. */
const CONTROL = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g; // oxlint-disable-line no-control-regex
const WIDE = /\p{Emoji_Presentation}|[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60]/u;
const INVISIBLE = /\p{Mark}|\u200d/u;

/** @param {string} text */
export const clean = (text) => text.replaceAll(/\r\n?/g, "\n").replaceAll("\t", "  ").replaceAll(CONTROL, "\ufffd");

/** Columns that a text takes. @param {string} text */
export function widthOf(text) {
  let width = 0;
  for (const character of text) width += INVISIBLE.test(character) ? 0 : WIDE.test(character) ? 2 : 1;
  return width;
}

/**
 * Lines of at most `width` columns, broken between words. When the text grows at its end, only the last line may change.
 * @param {string} text @param {number} width
 */
export function wrap(text, width) {
  return clean(text)
    .split("\n")
    .flatMap((paragraph) => wrapParagraph(paragraph, width));
}

/** @param {string} paragraph @param {number} width */
function wrapParagraph(paragraph, width) {
  const lines = [];
  let line = "";
  for (const word of paragraph.match(/\s*\S+|\s+$/g) ?? []) {
    if (line !== "" && widthOf(line + word) > width) {
      lines.push(line);
      line = word.trimStart();
    } else line += word;
    while (widthOf(line) > width) {
      const head = fit(line, width);
      lines.push(head);
      line = line.slice(head.length);
    }
  }
  return [...lines, line];
}

/** As much of the beginning as fits, but something. @param {string} text @param {number} width */
export function fit(text, width) {
  let end = 0;
  let used = 0;
  for (const character of text) {
    used += widthOf(character);
    if (used > width && end > 0) break;
    end += character.length;
  }
  return text.slice(0, end);
}
