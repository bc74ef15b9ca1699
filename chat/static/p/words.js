// What the page was given: its numbers and texts; and the two smallest things that everybody does with them.

const given = document.getElementById("texts").content.children;
const texts = Object.fromEntries([...given].map((text) => [text.dataset.key, text.textContent]));

/** What the server tells the script at the start. */
export const boot = JSON.parse(document.getElementById("boot").textContent);

/** A text in the chatter's language, with its {names} filled in. */
export const say = (key, values = {}) => texts[key].replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");

export const one = (id) => document.getElementById(id);

/** Shows an error at its place, or takes it away. */
export function tell(id, text) {
  one(id).textContent = text;
  one(id).hidden = !text;
}
